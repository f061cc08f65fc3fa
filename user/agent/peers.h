/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who connected to a worker, on the way to the supervisor: each source once a minute, at most one
 * message in a tenth of a second. The handshake is finished, so these are real; they are told as the
 * socket says them, never as a header does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../event/loop.h"
#include "message.h"

#define PEERS_MAX	 250 /* in a message: 2,500 sources a second */
#define PEERS_FLUSH_MS	 100
#define PEERS_REMEMBERED 4096 /* sources told lately; one takes another's place */
#define PEERS_AGAIN_S	 60   /* after this long the record in the kernel may be gone */

struct peers {
	struct timer due;
	struct loop *loop;
	int (*send)(const struct addr *peers, size_t n, void *ctx);
	void *ctx;
	uint64_t hash_key[2]; /* peers choose addresses: they must not choose places */
	size_t n;
	struct addr row[PEERS_MAX];
	struct {
		struct addr source;
		uint32_t told_s; /* 0: empty */
	} told[PEERS_REMEMBERED];
};

/* send: 0, or negative errno; whom it does not take is told with his next connection. -EIO */
int peers_init(struct peers *p, struct loop *loop, int (*send)(const struct addr *, size_t, void *),
	       void *ctx);
/* A connection was accepted. now_s: CLOCK_MONOTONIC, not 0. */
void peers_add(struct peers *p, const struct addr *source, uint32_t now_s);

/*
 * What can be the peer of a connection from another machine: no loopback, no group. fe80::/64 is
 * nobody's own either.
 */
bool peers_is_peer(const struct addr *a);
