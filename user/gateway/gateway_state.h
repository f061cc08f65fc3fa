/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share: the gateway itself. */
#pragma once

#include "base/buf.h"
#include "gateway.h"
#include "http/message.h"
#include "overload.h"
#include "presence.h"
#include "upstream/pool.h"

#define GATEWAY_HEAD_MAX (2U << 20) /* scratch: one head as we write it; conf allows 1 MiB */

struct conn;
struct exchange;
struct listener;
struct snapshot;

struct gateway {
	struct gateway_env env;
	struct upstream *upstream;
	struct tls_cache *tls; /* what certificates of the last revision need not be parsed again */
	struct snapshot *oldest; /* in order of age; the last one is current */
	struct snapshot *current;
	struct listener *listeners;
	struct conn *conns;
	uint32_t n_conns;
	struct exchange *ended; /* handlers of this turn may still look at them */
	struct deferred reap;
	struct presence presence;
	struct timer presence_timer;
	/* scratch of whoever runs now: nothing in them survives the call that filled them */
	struct http_head head;
	struct buf scratch;
	struct buf line;
	uint64_t request_id_seed[2];
	uint64_t n_requests;
	bool draining;
	uint64_t drain_begin_ns;
	uint32_t drain_conns; /* open when the drain began */
	uint32_t drain_cut;   /* of those, closed because drain_timeout was over */
	struct timer drain_timer, retire_timer;
	struct overload overload;
	void (*on_drained)(void *ctx);
	void *drained_ctx;
	struct deferred drained;
};
