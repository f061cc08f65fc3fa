/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Next hops by rtnetlink: for an address, the device it is reached by, that device's own hardware
 * address and MTU, and the neighbour's hardware address; watched for changes.
 *
 * What the kernel merely doubts (STALE, DELAY, PROBE) is still a hop: packets are redirected past
 * the neighbour table, so entries go stale while traffic flows. It is asked to confirm such an entry
 * every NEIGH_CONFIRM_S, and a hop is lost only once it has failed for NEIGH_LOST_MS.
 *
 * A change of a neighbour is looked at for the addresses behind it, one of routes or links for all:
 * with some thousands of addresses that waits and is spread, up to a second for every 8,000.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../event/loop.h"
#include "sluice/abi/addr.h"

#define NEIGH_LOST_MS	3000
#define NEIGH_CONFIRM_S 10

struct neigh_hop {
	uint32_t ifindex;
	uint32_t mtu;
	uint8_t src_mac[6];
	uint8_t dst_mac[6];
	bool gateway;	    /* dst_mac is a router's, the address is not on the link */
	struct addr source; /* what this host sends from to the address; zero: not known */
};

struct neigh;

/*
 * on_change runs from the loop when the hop of a watched address became known, changed (hop) or was
 * lost (NULL, with the reason as text); while none is known yet, also when the reason changes. It
 * must not call neigh_watch, neigh_unwatch or neigh_close.
 *   max  addresses at a time; each takes some 350 bytes, once it is watched
 */
int neigh_open(struct loop *l, uint32_t max,
	       void (*on_change)(const struct addr *a, const struct neigh_hop *hop, const char *why,
				 void *ctx),
	       void *ctx, struct neigh **ret);
void neigh_close(struct neigh *n);
/*
 * Watch an address, or replace how it is watched; the kernel is asked to resolve it and again once a
 * second while it fails.
 *   device  NULL: by route
 *   mac     NULL: by neighbour discovery; else the hardware address to use
 *   known   the hop that is in use already, of an agent before this one; NULL: none. It counts as
 *	     known: on_change tells when it is another one, or lost
 * -ENOSPC over the most addresses, -ENOMEM.
 */
int neigh_watch(struct neigh *n, const struct addr *a, const char *device, const uint8_t mac[6],
		const struct neigh_hop *known);
void neigh_unwatch(struct neigh *n, const struct addr *a);
/*
 * Look at all that wait for it at once, with on_change as ever, and for up to wait_ms again at those that
 * the kernel is resolving: for who has no loop yet, and packets soon.
 */
void neigh_settle(struct neigh *n, uint32_t wait_ms);
/* What is known now: the hop, or NULL and why (which may be ""). */
const struct neigh_hop *neigh_get(struct neigh *n, const struct addr *a, const char **ret_why);
