/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps verdict_source and verdict_flow, and verdict_filter, which says whose packets ask them. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/verdict.h"

struct verdict_entry {
	bool is_flow;
	struct verdict_key source; /* of a flow: its source's unit */
	struct flow_key flow;
	struct verdict verdict;
};

/*
 * Set or replace. source: length 128, 120 (IPv4 /32, /24) or 64, 48 (IPv6), else -EINVAL; host bits
 * are cleared. -ENOSPC: the map is full, counted, nothing changed.
 */
int verdict_map_set(struct dataplane *dp, const struct prefix *source, enum verdict_action action,
		    enum verdict_reason reason, uint64_t until_ns);
int verdict_map_set_flow(struct dataplane *dp, const struct flow_key *flow,
			 enum verdict_action action, enum verdict_reason reason, uint64_t until_ns);
int verdict_map_del(struct dataplane *dp, const struct prefix *source); /* -ENOENT */
int verdict_map_del_flow(struct dataplane *dp, const struct flow_key *flow);
int verdict_map_get(struct dataplane *dp, const struct prefix *source, struct verdict *ret);
int verdict_map_each(struct dataplane *dp, int (*fn)(const struct verdict_entry *e, void *ctx),
		     void *ctx);
/* Remove what has expired, and what the filter need not say any more; how many, or negative errno. */
int verdict_map_sweep(struct dataplane *dp, uint64_t now_ns);
/* How many writes a full map has refused since dataplane_open. */
uint64_t verdict_map_refused(const struct dataplane *dp);
