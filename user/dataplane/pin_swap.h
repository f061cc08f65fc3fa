/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many pins change together, or none. What is new is pinned beside what is old (PIN_NEW), then `layout`
 * takes the name PIN_COMMIT in one step, and from then on all the others take the names of the old ones,
 * `layout` as the last. Whoever finds PIN_COMMIT finishes what was begun; who finds only new ones
 * removes them. So a crash leaves the old or the new ones, never some of each.
 */
#pragma once

#include "../base/errmsg.h"

struct dataplane;

/* Pin each map of dp that is not adopted beside the one of its name. On an error none is left. */
int pin_swap_stage(struct dataplane *dp, struct errmsg *err);
/* Take those away again. */
void pin_swap_cancel(int dir_fd);
/* From here on the new ones are the pinned ones. On an error the old ones are. */
int pin_swap_commit(int dir_fd, struct errmsg *err);
/* Give them the names; maps that the new ones do not list are removed. Again after a crash. */
int pin_swap_finish(int dir_fd);
/* At the start, whatever an agent before us left half done. */
int pin_swap_recover(int dir_fd);
