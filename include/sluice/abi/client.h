/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `clients`: one record per source, so that acl, verdict and limit share one cache miss.
 *
 * Policy is not kept here but cached: a record whose epoch differs from the current one (map
 * `epochs`) looks acl, class and verdict up again. An evicted record therefore loses its meters and
 * never a verdict or a deny.
 */
#pragma once

#include "addr.h"
#include "limit.h"
#include "verdict.h"

/* A source is a /32 or a /64: anything longer is masked before it becomes a key. */
#define CLIENT_UNIT_BITS_V4 32
#define CLIENT_UNIT_BITS_V6 64

struct client_key {
	struct addr source; /* masked to the unit */
	__u32 scope;	    /* 0: the whole host; else a limit class id, for the limits of vips */
};
ABI_SIZE(struct client_key, 20);

enum ABI_BYTE acl_answer {
	ACL_NONE,
	ACL_ALLOW, /* exempt from deny, verdicts and limits */
	ACL_DENY,
};

struct client {
	__u64 tat[LIMIT_UNITS]; /* meters, by enum limit_unit; see algo/gcra.h */
	__u64 verdict_until_ns; /* monotonic clock; 0: none */
	__u64 dropped_packets;	/* of this source, any reason; added to without a lock */
	__u32 epoch;		/* sum of the epochs under which the rest was looked up */
	__u16 limit_class;	/* LIMIT_CLASS_NONE: no limit by source */
	enum acl_answer acl;
	enum verdict_action verdict_action;
	enum verdict_reason verdict_reason;
	__u8 flow_verdicts; /* 1: verdict_flow has entries of this source */
	__u8 pad[2];
	__u32 refreshing; /* 1 while a CPU rewrites the cached policy */
	__u8 pad2[8];
};
ABI_SIZE(struct client, 64);

/*
 * Map `epochs`, one element, memory-mapped by the agent. Who changes policy writes the authoritative
 * map first and then adds one here: `all` for prefixes of any length (acl, limit classes), one
 * bucket of `source` for a verdict (index by client_epoch_bucket).
 */
#define CLIENT_EPOCH_BUCKETS 4096

/* Of a record whose policy was never looked up; four billion changes of policy away. */
#define CLIENT_EPOCH_NONE 0xffffffffU

struct epochs {
	__u32 all;
	__u32 source[CLIENT_EPOCH_BUCKETS];
};
ABI_SIZE(struct epochs, 4 + 4 * CLIENT_EPOCH_BUCKETS);

/* The bucket of a source: by its /24 or /48, so that a wider verdict reaches all of its units. */
static inline __u32 client_epoch_bucket(const struct addr *a)
{
	__u32 h;

	if (a->w[0] == 0 && a->w[1] == 0 && a->b[8] == 0 && a->b[9] == 0 && a->b[10] == 0xff)
		h = ((__u32)a->b[12] << 16) | ((__u32)a->b[13] << 8) | a->b[14];
	else
		h = (__u32)a->w[0] ^ ((((__u32)a->b[4] << 8) | a->b[5]) * 0x9e3779b1U);
	h *= 0x85ebca6bU;
	return (h >> 16 ^ h) & (CLIENT_EPOCH_BUCKETS - 1);
}
