/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to netlink about a device that only diagnosis asks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NETDEV_QUERY_KIND_BYTES 16

struct netdev_query_port {
	uint32_t master;		    /* index of what it is a port of; 0: of nothing */
	char kind[NETDEV_QUERY_KIND_BYTES]; /* of that: "bond", "bridge", "vrf", … */
};

int netdev_query_port(uint32_t ifindex, struct netdev_query_port *ret);
/*
 * Does it take what native XDP redirects to it? The kernel keeps that current (a veth does while its
 * other end polls). -ENOENT, -EOPNOTSUPP: this kernel does not say (before 6.3).
 */
int netdev_query_takes(uint32_t ifindex, bool *ret);
