/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps what is steered this host's: the local routes and the link. Both are put back, and it is
 * logged, when somebody else removes them.
 */
#pragma once

#include "steer_map.h"

struct mnl_socket;

struct steer_watch {
	struct dataplane *dp;
	struct loop *loop;
	struct mnl_socket *nl; /* questions */
	struct mnl_socket *news;
	struct watch watch;
	struct timer settle, check;
	struct steer_route *route; /* those of the configuration in force */
	size_t n;
	bool failing; /* the kernel does not answer; said already */
};

/* Watch for these prefixes; takes the list. Routes that are missing are made here. */
int steer_watch_set(struct steer_watch *w, struct steer_route *route, size_t n);
int steer_watch_open(struct steer_watch *w, struct dataplane *dp, struct loop *loop);
/* Routes stay. */
void steer_watch_close(struct steer_watch *w);
