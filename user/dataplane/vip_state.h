/* SPDX-License-Identifier: BSD-2-Clause */
/* The vips as this process runs them: shared by vip_map.c, vip_ring.c and vip_backend.c. */
#pragma once

#include "../event/loop.h"
#include "map_walk.h"
#include "neigh.h"
#include "sluice/abi/quic.h"
#include "sluice/abi/vip.h"
#include "vip_index.h"
#include "vip_map.h"

/* A packet that found a ring, a record or a backend is done with it long before this. */
#define VIP_GRACE_MS 20
/* For next hops, before packets meet new maps: a neighbour that is up answers within some milliseconds. */
#define VIP_HOP_WAIT_MS 300

struct vip_backend {
	struct conf_backend conf; /* its strings are ours */
	uint32_t id;
	bool has_hop;
	struct neigh_hop hop;
	uint32_t path_mtu;	       /* see path_mtu_map.h; 0: nobody said anything */
	char why[96];		       /* while there is no hop */
	uint32_t slots;		       /* in the ring in force */
	uint32_t share;		       /* of its weight that it has, 0..VIP_SHARE_FULL */
	uint32_t flows;		       /* noted, and living at the last count */
	uint32_t counted;	       /* of the one that goes on */
	struct stats_count share_from; /* what it had been sent at share_since_ms */
	bool is_named;		       /* by its server id, in map quic_servers */
};

struct vip_service {
	char name[CONF_NAME_MAX + 1];
	struct vip_key key;
	struct vip rec; /* as map vips has it */
	enum backend_mode mode;
	bool has_source;
	struct addr source; /* of outer headers, to backends of its family */
	uint16_t gue_port;
	uint16_t mss_clamp; /* as struct conf_vip has it */
	struct quic quic;   /* as map quic has it */
	struct vip_backend *backends;
	size_t n_backends;
	bool checked;	     /* by health checks, which give shares */
	bool is_found;	     /* in map vips, by an agent before us: its ring says who had a share */
	bool is_new;	     /* not in map vips yet */
	bool dirty;	     /* its ring may not be what its backends say */
	uint64_t flipped_ms; /* 0: never; the idle ring may be read until VIP_GRACE_MS after */
	uint64_t share_since_ms,
		share_flipped_ms; /* when shares began, and of which flip they are */
	uint32_t ring_size;	  /* that it is to have; rec has what it has */
	uint64_t drain_ms;	  /* for how long a change has flows of before; 0: not at all */
	bool window_open;	  /* the ring in force has slots of before */
	bool window_over;	  /* it has slots that notes may be about */
	uint64_t window_over_ms;
	uint32_t flows;	  /* notes, at the last count */
	uint32_t counted; /* of the one that goes on */
	bool *noted;	  /* by slot, while they are counted; NULL: nobody wants to know */
};

/* A backend that was removed, and has its flows until then: vip_leaving.h. */
struct vip_leaving {
	uint32_t id;
	uint64_t since_ms, until_ms;
	uint64_t drain_ms; /* of its vip, when it was looked at last */
	bool is_over;	   /* its record is to be cleared */
	bool is_lost;	   /* it has no next hop; it leaves on, should one come back */
	char why[96];
	char name[CONF_NAME_MAX + 1];
};

/* All notes, read in parts: vip_sweep.h. */
struct vip_sweep {
	struct map_walk walk;
	struct timer timer; /* runs between two parts */
	uint64_t applied;   /* of whose services counts are */
	size_t n;	    /* read */
	bool is_tight;	    /* the map is half full */
};

/* An id that packets in flight may still use. */
struct vip_retired {
	bool is_vip;
	uint32_t id;
	uint64_t due_ms;
};

struct vip_map {
	struct dataplane *dp;
	struct loop *loop;
	struct neigh *neigh;
	struct timer timer;
	struct timer path_timer;
	struct timer flow_timer; /* runs while vip_flow_is_busy */
	uint32_t flow_ticks;
	struct vip_sweep sweep;
	uint64_t applied; /* how often services became others */
	size_t n_flows;	  /* in map vip_flow at the last count */
	struct vip_service *services;
	size_t n_services;
	struct vip_index index; /* of services */
	size_t next_ring;	/* of services, whose ring is looked at first */
	uint64_t rest_ms;	/* that the loop has between two turns of filling rings */
	struct backend *table;	/* map backends, by id, as last written */
	struct hash_index ids;	/* of table, by vip and address: see vip_id.h */
	bool *backend_used;	/* by id: configured */
	uint32_t max_backends;
	struct vip_retired *retired;
	size_t n_retired, room_retired;
	struct vip_leaving *leaving;
	size_t n_leaving, room_leaving;
	uint32_t max_vips;
	bool *vip_used;			   /* by id: configured, or retired */
	uint8_t *quic_keyed, *quic_wanted; /* by id, a bit per config: ciphers there are; scratch */
};
