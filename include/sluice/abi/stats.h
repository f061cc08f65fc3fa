/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Per-CPU counters. They are only ever added to: a reader sums over CPUs. */
#pragma once

#include <linux/types.h>

#include "limit.h"
#include "size.h"

struct stats_count {
	__u64 packets;
	__u64 bytes;
};
ABI_SIZE(struct stats_count, 16);

/* Map `stats_drop`, by enum drop_reason; index 0 counts all packets seen. */

/* Map `stats_action`, by enum stats_action. What leaves is counted apart. */
enum stats_action {
	STATS_PASS,
	STATS_DROP,
	STATS_FORWARD,
	STATS_EGRESS_PASS,
	STATS_EGRESS_DROP,
	STATS_REPLY, /* turned around: answered by the guard, or that it is too big */
	STATS_ACTIONS,
};

/* Map `stats_vip`, by vip id. */
struct stats_vip {
	struct stats_count forwarded;
	struct stats_count dropped; /* any reason, once the vip was known */
	__u64 connections;	    /* TCP SYN without ACK, forwarded */
};
ABI_SIZE(struct stats_vip, 40);

/* Map `stats_backend`, by backend id: struct stats_count. */

/* Map `stats_limit`, by class id. */
struct stats_limit {
	struct stats_count admitted;
	struct stats_count dropped[LIMIT_REFUSALS];
	struct stats_count would_drop[LIMIT_REFUSALS]; /* dry_run */
	struct stats_count marked; /* of the admitted: congestion experienced, on the way out */
};
ABI_SIZE(struct stats_limit, 160);
