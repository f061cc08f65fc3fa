/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps vips, vip_ring, backends, stats_vip, stats_backend; next hops of backends by net/neigh. */
#pragma once

#include "../event/loop.h"
#include "dataplane.h"
#include "sluice/abi/nat.h"
#include "sluice/abi/stats.h"
#include "sluice/abi/vip.h"

#define VIP_SHARE_FULL 100

struct vip_backend_state {
	const struct conf_backend *conf; /* ours, until the next vip_map_apply */
	uint32_t id;
	bool ready;	/* next hop known, in the ring if weight > 0 */
	char state[96]; /* "ready", "resolving 10.0.0.11", "no route to …" */
	uint32_t slots; /* of the ring */
	uint32_t mtu;	/* of packets that it can be sent; 0: no next hop */
	uint32_t share; /* see vip_map_set_share */
	uint32_t flows; /* noted, that sent within VIP_FLOW_LIVE_S (vip_flow.h) */
	struct stats_count forwarded;
	struct stats_count share_from; /* forwarded at vip_map_share_since_ms */
	bool has_flows;		       /* of mode nat: */
	struct stats_nat nat;	       /* its flows */
};

/* Of mode nat: removed, with flows that go on for a while. */
struct vip_leaving_state {
	const char *name; /* ours, until the next vip_map_apply; "": an agent before us knew it */
	struct addr address;
	const char *why; /* it has no next hop; "": it has */
	uint64_t left_ms;
	struct stats_nat nat;
};

/* Before programs that trust vip_state look at it: an agent that knew nothing of it may have run. */
int vip_map_open(struct dataplane *dp);
/*
 * Make the vips those of conf (which is copied): a vip that stays keeps its id,
 * its backends keep theirs, each ring is filled aside and flipped with one store. Next hops are
 * resolved and watched on the loop; a backend joins its ring once its next hop is known.
 */
int vip_map_apply(struct dataplane *dp, struct loop *loop, const struct conf *conf,
		  struct errmsg *err);
/*
 * Give a backend that part of its weight, 0..VIP_SHARE_FULL; its ring follows within milliseconds. It
 * is named by its place in conf, which need not be what was applied last: vips are known by name, their
 * backends by address. At vip_map_apply a backend of a vip without health checks has all of its weight;
 * of one with them it keeps what it had, a restart of the agent between, and has none when it is new.
 * -ENOENT: there is none.
 */
int vip_map_set_share(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend,
		      uint32_t share);
/* What it has; 0 also where there is none. */
uint32_t vip_map_share(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend);
/* Its id, and what this host sends to it from (zero: not known); 0 where it has none. */
uint32_t vip_map_backend(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend,
			 struct addr *ret_source);
/* Stop watching next hops; maps stay. */
void vip_map_stop(struct dataplane *dp);

uint32_t vip_map_id(struct dataplane *dp, const char *name); /* 0: none */
/*
 * Since when its ring is in force, CLOCK_MONOTONIC: what backends got from then on is to be as their
 * weights. 0: there is none yet. A new agent begins at its start.
 */
uint64_t vip_map_share_since_ms(struct dataplane *dp, const char *name);
int vip_map_stats(struct dataplane *dp, uint32_t vip_id, struct stats_vip *ret);
/* Fill up to max rows for the vip; how many there are. */
size_t vip_map_backends(struct dataplane *dp, const char *vip, struct vip_backend_state *ret,
			size_t max);
/* Does one of that name leave the vip; NULL: any? */
bool vip_map_leaves(struct dataplane *dp, const char *vip, const char *name);
/* The same of those that leave it (vip_leaving.h). */
size_t vip_map_leaving(struct dataplane *dp, const char *vip, struct vip_leaving_state *ret,
		       size_t max);
