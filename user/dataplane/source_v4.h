/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4: maps source_v4, source_split and source_long, compiled from the sorted lists. */
#pragma once

#include "source_state.h"

struct split_row {
	uint32_t number; /* of the /24 */
	bool same;	 /* the map has it already */
	bool bridged;	 /* see source_v4_commit.c */
	struct source_split entry;
};

/* What a change of the lists makes of the /24s in a range. */
struct source_v4_plan {
	struct source_net range;
	uint32_t first; /* number of its first /24 */
	uint32_t count;
	uint8_t *answer;	/* of each /24 */
	struct split_row *rows; /* of those that are split, in order */
	size_t n_rows;
	size_t room;
	uint32_t *stale; /* /24s whose split entry is of no use any more, in order */
	size_t n_stale;
	size_t stale_room;
	struct source_nets longs; /* what source_long has to hold, if it changes */
	bool longs_change;
};

/*
 * Compile and compare. range: what the change covers, host bits zero; of length 0 it is everything
 * and the maps are read whole. -ENOSPC and *err: no room. Clear the plan in any case.
 */
int source_v4_plan(struct source_table *t, const struct source_net *range,
		   struct source_v4_plan *ret, struct errmsg *err);
/* Write it. What an earlier change of one prefix left has to be swept before, unless all is written. */
int source_v4_commit(struct source_table *t, struct source_v4_plan *plan);
void source_v4_plan_clear(struct source_v4_plan *plan);
/* Delete split entries that an earlier change left, once no packet can be reading them. */
int source_v4_sweep(struct source_table *t);
