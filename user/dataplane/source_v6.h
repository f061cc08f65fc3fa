/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv6: maps source_v6 and source_v6_lines, compiled from the sorted lists. */
#pragma once

#include "source_state.h"

struct v6_change;

struct source_v6_plan {
	struct source_nets now; /* what source_v6 has to hold inside the range; tag is the answer */
	struct v6_change *changes;
	size_t n_changes;
	size_t n_adds;
	size_t n_deletes;
	size_t n_early; /* of the deletes */
	uint8_t levels; /* of adds and updates; see source_v6.c */
	bool whole;
};

/* The answers of all prefixes inside a range, each only if it differs from what covers it. */
int source_v6_flatten(const struct source_lists *lists, const struct source_net *range,
		      struct source_nets *ret);
/*
 * Compile a range and compare with `was`, what the map has there; or everything, with what the map has.
 * -ENOSPC and *err: no room. Clear the plan in any case.
 */
int source_v6_plan(struct source_table *t, const struct source_net *range,
		   const struct source_nets *was, struct source_v6_plan *ret, struct errmsg *err);
int source_v6_plan_all(struct source_table *t, struct source_v6_plan *ret, struct errmsg *err);
int source_v6_commit(struct source_table *t, struct source_v6_plan *plan);
void source_v6_plan_clear(struct source_v6_plan *plan);
