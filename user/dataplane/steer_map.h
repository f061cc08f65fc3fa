/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which listener gets the connections to which addresses and ports (`steer`, abi/steer.h): rules and
 * sockets in pinned maps, a program at the network namespace by a pinned link, and the local routes
 * that make a prefix this host's. All of it outlives the agent; its sockets do not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../event/loop.h"
#include "sluice/abi/steer.h"

struct dataplane;

struct steer_sockets {
	uint32_t slots; /* of each listener */
	/* The listening socket of a worker slot, the caller's to close; or negative errno. */
	int (*open)(const struct conf_listener *l, uint32_t slot, void *ctx);
	void *ctx;
};

/*
 * Bring rules, sockets, link and routes to conf. What is the same before and after is steered
 * throughout. A kernel that cannot, and a route that cannot be made, are no errors: steer_map_why and
 * steer_map_route tell. Negative errno and *err otherwise; some of it may be in force then.
 */
int steer_map_apply(struct dataplane *dp, struct loop *loop, const struct conf *conf,
		    const struct steer_sockets *sockets, struct errmsg *err);
void steer_map_close(struct dataplane *dp);

/*
 * Without an open dataplane: remove the routes that the pinned records say are ours. The link and maps
 * are pins as others are. *ret_n (may be NULL): how many there are; with `remove` false nothing else.
 */
int steer_map_remove_routes(int dir_fd, bool remove, size_t *ret_n);

/* Why nothing is steered; "": the kernel can, and where there are rules the program is attached. */
const char *steer_map_why(const struct dataplane *dp);
bool steer_map_is_attached(const struct dataplane *dp);
/* Of a listener, since the maps were made. -ENOENT: nothing is steered to it. */
int steer_map_stats(struct dataplane *dp, const char *listener, struct stats_steer *ret);

/* Listeners that something is steered to, and their sockets. */
uint32_t steer_map_used(const struct dataplane *dp);
uint32_t steer_map_sockets(const struct dataplane *dp);

enum steer_route_state {
	STEER_ROUTE_NONE, /* 0.0.0.0/0, ::/0: what the host has */
	STEER_ROUTE_HOST, /* the host has all of it without us */
	STEER_ROUTE_MADE,
	STEER_ROUTE_FAILED, /* why says why */
};

struct steer_route {
	struct prefix prefix;
	enum steer_route_state state;
	uint64_t restored; /* how often somebody else had removed it */
	char why[160];
};

/* The prefixes that are steered, and how they are this host's. */
size_t steer_map_routes(const struct dataplane *dp, const struct steer_route **ret);
/* "none", "host", "made", "failed". */
const char *steer_map_state(enum steer_route_state state);
