/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to rtnetlink, answered at once: the kernel queues its answer before the request
 * returns, so a socket of its own never waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/abi/addr.h"

struct mnl_socket;
struct nlmsghdr;

struct neigh_route {
	uint32_t ifindex;
	bool local; /* an address of this host */
	bool has_gateway;
	struct addr next;   /* the gateway, or the address itself */
	struct addr source; /* what the kernel would send from; zero: it does not say */
	uint32_t mtu;	    /* of the route, as configured; 0: the device's */
};

struct neigh_link {
	uint32_t mtu;
	bool up;       /* and with carrier */
	bool ethernet; /* mac is valid */
	uint8_t mac[6];
};

struct neigh_entry {
	uint16_t state; /* NUD_*; NUD_NONE: there is no entry */
	uint8_t mac[6];
};

/* out_ifindex 0: by the routes alone. -ENETUNREACH, -EHOSTUNREACH, … */
int neigh_query_route(struct mnl_socket *nl, const struct addr *a, uint32_t out_ifindex,
		      struct neigh_route *ret);
int neigh_query_link(struct mnl_socket *nl, uint32_t ifindex, struct neigh_link *ret);
int neigh_query_entry(struct mnl_socket *nl, uint32_t ifindex, const struct addr *a,
		      struct neigh_entry *ret);
/* Have the kernel resolve the address, or confirm what it knows. Needs CAP_NET_ADMIN. */
int neigh_query_probe(struct mnl_socket *nl, uint32_t ifindex, const struct addr *a);
/* What an RTM_NEWNEIGH or RTM_DELNEIGH is about; -ENOENT: no address. */
int neigh_query_read_event(const struct nlmsghdr *h, uint32_t *ret_ifindex, struct addr *ret);
