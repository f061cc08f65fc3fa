/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets that workers come and go on: one per listener and worker slot. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "message.h"

#define LISTEN_GROUPS_MAX 256

struct listen_group {
	struct addr address;
	uint16_t port; /* 0: free */
	uint16_t n;
	int fds[MESSAGE_WORKERS_MAX];
};

struct listen_groups {
	const struct conf *bounds; /* the ports below 1024 that it names; NULL: none */
	struct listen_group group[LISTEN_GROUPS_MAX];
};

/*
 * The sockets of r's address and port, opened where they are not held: r->slots of them. Those from
 * r->slot on, at most IPC_FDS_MAX, are added to fds; they stay the group's. 0, or negative errno with
 * nothing left behind: -EADDRINUSE also when another program would share the port; -EACCES: below
 * 1024, and neither a listener nor agent.privileged_ports of the bounds has it.
 */
int listen_group_open(struct listen_groups *s, const struct monitor_request *r, int *fds,
		      size_t *n);
void listen_group_close(struct listen_groups *s, const struct monitor_request *r);

/* The agent's own HTTP listener, one socket that the group keeps. -1 for port 0, or a negative errno
 * below it with *err. */
int listen_group_internal(struct listen_groups *s, const struct addr *address, uint16_t port,
			  struct errmsg *err);
