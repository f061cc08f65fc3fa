/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Next hops by rtnetlink: for an address, the device it is reached by, that device's own hardware
 * address and MTU, and the neighbour's hardware address; watched for changes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../event/loop.h"
#include "sluice/abi/addr.h"

struct neigh_hop {
	uint32_t ifindex;
	uint32_t mtu;
	uint8_t src_mac[6];
	uint8_t dst_mac[6];
};

struct neigh;

/* on_change runs when the hop of an address watched became known, changed (hop) or was lost (NULL,
 * with the reason as text). */
int neigh_open(struct loop *l,
	       void (*on_change)(const struct addr *a, const struct neigh_hop *hop,
				 const char *why, void *ctx),
	       void *ctx, struct neigh **ret);
void neigh_close(struct neigh *n);
/* Watch an address; the kernel is asked to resolve it and again once a second while it fails.
 * device: NULL by route. -ENOSPC over 4096 addresses. */
int neigh_watch(struct neigh *n, const struct addr *a, const char *device);
void neigh_unwatch(struct neigh *n, const struct addr *a);
