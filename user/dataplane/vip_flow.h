/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Windows in which a vip's ring changes (abi/vip_flow.h): opened with a change, over when nothing
 * changed for as long as `drain` says and no drain runs; afterwards notes decide until their flows
 * are idle. What is not known any more after a restart is read from the maps.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/abi/vip_flow.h"

struct dataplane;
struct vip_map;
struct vip_service;

/* Flows of which a packet was seen within it count as living. */
#define VIP_FLOW_LIVE_S 60

/*
 * The ring of a service is about to change: are its flows to be kept? Then its window is open, or
 * stays so for longer.
 */
bool vip_flow_open_window(struct vip_map *m, struct vip_service *s);
/* The ring that was found pinned has slots of a window, or of one that is over. */
void vip_flow_adopt(struct vip_map *m, struct vip_service *s, bool is_open, bool is_over);
/* Drains that ended, windows that are over, notes that are idle; all that is due by now. */
void vip_flow_tick(struct vip_map *m);
/* A drain of it is over, and its record does not say so yet. */
bool vip_flow_drain_ended(const struct vip_map *m, const struct vip_service *s);
/* How it is with a vip's flows, as counted within the last seconds. */
struct vip_flow_state {
	bool is_open;	  /* a window */
	uint64_t left_ms; /* until it is over, if nothing changes */
	uint32_t flows;	  /* noted */
	struct stats_flow counts;
};
/* -ENOENT: there is no such vip; or negative errno. */
int vip_flow_get(struct dataplane *dp, const char *vip, struct vip_flow_state *ret);
/* For how long a note of the vip may be silent before it is removed. */
uint64_t vip_flow_idle_ns(struct vip_map *m, const struct vip_service *s);
/* Is there anything to tick for? */
bool vip_flow_is_busy(const struct vip_map *m);
