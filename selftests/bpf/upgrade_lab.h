/* SPDX-License-Identifier: BSD-2-Clause */
/* Pinned maps made those of another version, by hand: no agent may be open. */
#pragma once

#include "dataplane_lab.h"
#include "sluice/abi/layout.h"

/*
 * Its values begin with a member that these programs do not have, so all others are elsewhere; contents
 * are the same. Programs that run keep what they have.
 */
void upgrade_lab_move_members(struct lab *l, const char *map);
/* The same of all maps that can be carried; how many. */
size_t upgrade_lab_move_all(struct lab *l);
/* What is in it means something else than before. */
void upgrade_lab_change_meaning(struct lab *l, const char *map);
/* A map that these programs do not have, listed and pinned. */
void upgrade_lab_add_map(struct lab *l, const char *map);
/* No pin of a swap is left, every pin of a map is listed, and has the shape that the list says. */
void upgrade_lab_check_tidy(struct lab *l);
