/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps nat_state, nat_vip, nat_flow, stats_nat: settings of flows that are translated, and what they are. */
#pragma once

#include "dataplane.h"
#include "pinned_map.h"
#include "sluice/abi/nat.h"

/* Of the flows that have room, one in so many may be one that no client has confirmed yet. */
#define NAT_YOUNG_PART 4

/* A flow as it was when it was read. */
struct nat_map_flow {
	struct nat_flow flow;
	uint64_t left_ms; /* until it is over, if nothing comes */
};

/*
 * Timeouts, and the addresses of each vip of mode nat; flows that there are go on as they began. After
 * the vips have their ids, and before a packet can find one that has become one of mode nat.
 */
int nat_map_apply(struct dataplane *dp, const struct conf *conf);
/* A copy of the flows in a map that nobody uses yet: a slot that was being written is free. */
int nat_map_settle(const struct pinned_map *m);
/* Of a backend; flows now are opened less ended. */
int nat_map_stats(struct dataplane *dp, uint32_t backend_id, struct stats_nat *ret);
/* The flows that there are, of one vip or (0) of all: up to max into ret; how many there are. */
size_t nat_map_flows(struct dataplane *dp, uint32_t vip_id, struct nat_map_flow *ret, size_t max);
/* How many there may be, of these such that no client has confirmed, and how many of these are. */
int nat_map_room(struct dataplane *dp, struct nat_state *ret);
