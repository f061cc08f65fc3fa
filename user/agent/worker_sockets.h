/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which listening sockets a worker was sent, and which its gateway has already: the supervisor may
 * send one twice, the gateway gets a new one only for a listener that it lacks or that moved.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../net/ipc.h"

#define WORKER_SOCKETS_LISTENERS_MAX 256

struct worker_sockets {
	size_t n_sent;
	struct {
		uint32_t listener;
		int fd; /* -1: the gateway took it */
	} sent[WORKER_SOCKETS_LISTENERS_MAX];
	size_t n_held;
	struct {
		char name[CONF_NAME_MAX + 1];
		struct addr address;
		uint16_t port;
	} held[WORKER_SOCKETS_LISTENERS_MAX];
};

/* A WORKER_SOCKETS message: takes its descriptors. */
void worker_sockets_take(struct worker_sockets *s, struct ipc_msg *msg);
/*
 * By listener of conf: the descriptor for gateway_apply, or -1 where the gateway keeps its own, or
 * accepts no more (accepts: false). *ret is malloc'ed. -ENOENT and *err: one is missing.
 */
int worker_sockets_pick(struct worker_sockets *s, const struct conf *conf, bool accepts, int **ret,
			struct errmsg *err);
/* gateway_apply returned 0: those that were picked are the gateway's. */
void worker_sockets_applied(struct worker_sockets *s, const struct conf *conf);
/* Close what was sent and not taken. */
void worker_sockets_give_up(struct worker_sockets *s);
