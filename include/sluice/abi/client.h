/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `clients` (LRU): the exact meters of sources that were proven real, one record per source and
 * limit class. Nobody unproven allocates here, so a flood of made-up sources evicts nobody; their
 * meters are the rows of abi/limit.h.
 *
 * A record of class LIMIT_CLASS_NONE says that the source is proven, and has no meters in use.
 */
#pragma once

#include "addr.h"
#include "limit.h"
#include "verdict.h"

/* A source is a /32 or a /64: anything longer is masked before it becomes a key. */
#define CLIENT_UNIT_BITS_V4 32
#define CLIENT_UNIT_BITS_V6 64
/* The wider unit, of limits with `per: prefix`. */
#define CLIENT_WIDE_BITS_V4 24
#define CLIENT_WIDE_BITS_V6 48

struct client_key {
	struct addr source; /* masked to the unit of the class */
	__u32 limit_class;
};
ABI_SIZE(struct client_key, 20);

enum client_proof {
	CLIENT_UNPROVEN,
	CLIENT_PROVEN_SOCKET, /* an established connection of this host was found */
	CLIENT_PROVEN_COOKIE, /* it answered a SYN cookie or a source check */
	CLIENT_PROVEN_AGENT,  /* the agent's word */
};

struct client {
	struct limit_meters meters;
	__u64 proven_ns; /* CLOCK_MONOTONIC */
	enum client_proof proof;
	__u32 pad;
};
ABI_SIZE(struct client, 48);
