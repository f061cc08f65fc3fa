/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps nat_state, nat_vip, nat_flow, stats_nat: settings of flows that are translated, and what they are. */
#pragma once

#include "dataplane.h"
#include "pinned_map.h"
#include "sluice/abi/nat.h"

/* Of the flows that have room, one in so many may be one that no client has confirmed yet. */
#define NAT_YOUNG_PART 4

/*
 * Timeouts, and the addresses of each vip of mode nat; flows that there are go on as they began. After
 * the vips have their ids, and before a packet can find one that has become one of mode nat.
 */
int nat_map_apply(struct dataplane *dp, const struct conf *conf);
/* What map nat_vip says of a vip. */
void nat_map_compile_vip(const struct conf_vip *v, struct nat_vip *ret);
/* One as a whole. False: there is none, or it ended or began meanwhile. */
bool nat_map_read_flow(const struct nat_flow *from, struct nat_flow *ret);
/*
 * Each flow that there is in n slots from *slot on, its time over or not, and *slot behind them: 1, or 0
 * when there are no more slots; or until fn says other than 0, which is returned. A slot takes up to
 * 0.3 us. Flows that begin or end meanwhile may or may not be among them.
 */
int nat_map_each(struct dataplane *dp, uint32_t *slot, uint32_t n,
		 int (*fn)(const struct nat_flow *f, void *ctx), void *ctx);
/* How many slots there are. */
uint32_t nat_map_slots(struct dataplane *dp);
/* Timeouts that are in force. -ENOENT */
int nat_map_timeouts(struct dataplane *dp, uint64_t ret_ns[NAT_TIMEOUTS]);
/* Of a backend; flows now are opened less ended. */
int nat_map_stats(struct dataplane *dp, uint32_t backend_id, struct stats_nat *ret);
/* How many there may be, of these such that no client has confirmed, and how many of these are. */
int nat_map_room(struct dataplane *dp, struct nat_state *ret);
