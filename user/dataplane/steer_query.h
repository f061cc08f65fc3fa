/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to rtnetlink about what is local to this host, and the routes that make it so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "sluice/abi/addr.h"

struct mnl_socket;

/* rtm_protocol of our routes: `ip route show table local proto 213`. Not assigned by the kernel's list. */
#define STEER_QUERY_PROTOCOL 213

struct steer_net {
	struct prefix prefix;
	bool ours; /* of routes */
	char device[16];
};

struct steer_nets {
	struct steer_net *net;
	size_t n, room;
};

/* As netlink_open: blocking, with a time limit. */
int steer_query_open(struct mnl_socket **ret);
/* The local routes of this host, of both families, added to *ret (malloc'ed). */
int steer_query_local(struct mnl_socket *nl, struct steer_nets *ret);
/* The networks of its addresses, with their devices; not those of loopback, and no lone addresses. */
int steer_query_connected(struct mnl_socket *nl, struct steer_nets *ret);
void steer_nets_clear(struct steer_nets *nets);

/* A route `local PREFIX dev lo` of ours. -EEXIST; -ENETDOWN: lo is down. */
int steer_query_add(struct mnl_socket *nl, const struct prefix *p);
/* Only ours. -ESRCH: there is none. */
int steer_query_del(struct mnl_socket *nl, const struct prefix *p);
