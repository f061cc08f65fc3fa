/* SPDX-License-Identifier: BSD-2-Clause */
/* What no type tells of a map: what its members mean, which maps it refers to, what it is called. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dataplane;

/* Of what the members of a map mean; from 1. */
uint32_t layout_table_version(const char *map);
/* Can what is in it be copied from one of another layout? */
bool layout_table_can_carry(const char *map);
/* Of maps that are not adopted: those that are of no use without them go with them. */
void layout_table_spread(struct dataplane *dp);
/* A map of versions before there was a list of maps. */
bool layout_table_is_retired(const char *map);
/* What an operator loses when it is forgotten: "translated flows"; "": counters, or what is there again at once. */
const char *layout_table_loss(const char *map);
