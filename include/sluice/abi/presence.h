/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `presence` (array, memory-mapped): which consumers were served from which source of late, so
 * that a verdict never hits a bystander behind the same address. One region per worker slot with a
 * single writer, read by the supervisor; outlives the agent. A worker stamps an entry when it serves
 * a consumer and again, while a connection of that consumer stays open, at least twice per
 * nat_memory: an open connection is therefore always a recent stamp.
 */
#pragma once

#include <linux/types.h>

#include "addr.h"

#define PRESENCE_WORKERS_MAX 64
#define PRESENCE_WAYS	     8
#define PRESENCE_SETS	     512 /* per worker: 4,096 (source, consumer) pairs */

struct presence_entry {
	struct addr source; /* masked to the client unit; all zero: free */
	__u32 consumer;	    /* stable id of the consumer, never 0 */
	__u32 seen_s;	    /* CLOCK_MONOTONIC seconds */
};
ABI_SIZE(struct presence_entry, 24);

struct presence_region {
	/* When an entry younger than nat_memory was evicted last, CLOCK_MONOTONIC seconds; 0 never. */
	__u32 evicted_s;
	__u32 pad;
	struct presence_entry entry[PRESENCE_SETS][PRESENCE_WAYS];
};
ABI_SIZE(struct presence_region, 8 + 24 * PRESENCE_SETS * PRESENCE_WAYS);
