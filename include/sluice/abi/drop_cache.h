/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `drop_cache` (per CPU, DROP_CACHE_SLOTS elements): sources whose next packets the whole way would
 * drop, each for the same reason, as far as is known from the last one. A hit counts and drops as the
 * whole way would have; it only costs less. So the cache may forget whatever it likes, and remembers
 * nothing that is not a function of what an entry says.
 *
 * A verdict's own count of packets is told of hits by the next packet that goes the whole way, or by who
 * gets the slot: a reader adds them, and reads again if `settled` changed meanwhile. All other counters
 * are told at once.
 *
 * Map `drop_cache_state` (array, one element, memory-mapped by the agent): what entries depend on, and what
 * else each packet wants to know, since it reads this line anyway.
 */
#pragma once

#include <linux/types.h>

#include "size.h"

#define DROP_CACHE_SHIFT 8
#define DROP_CACHE_SLOTS (1U << DROP_CACHE_SHIFT)

/*
 * An entry is believed until the next tick of the kernel: so long the coarse clock stands still, and a
 * change that nobody announced (bpftool, an agent that ended in the middle of one) is late by no more.
 * This is the longest tick (CONFIG_HZ=100).
 */
#define DROP_CACHE_LIFE_NS 10000000ULL

struct drop_cache_entry {
	__u64 tick;	/* jiffies when it was made */
	__u64 until_ns; /* CLOCK_MONOTONIC; 0: nobody's */
	__u64 source;	/* the 64 bits that tell units apart, as top_item.key */
	__u32 generation;
	__u32 min_bytes; /* of packets on the wire: shorter ones may pass */
	__u32 hits;	 /* packets; of a verdict's, those that it was not told of */
	__u32 settled;	 /* how often a verdict was told of hits in this slot */
	__u8 is_v6;
	__u8 reason;	  /* enum drop_reason */
	__u8 limit_class; /* that refuses; LIMIT_CLASS_NONE */
	__u8 unit;	  /* enum limit_unit, of that */
	__u8 is_wide;	  /* a verdict's: it is on the /24 or /48 */
	__u8 only_udp;	  /* a limit's: what else other protocols meet was not asked */
	__u8 is_exact;	  /* each packet reads the clock: the source may send again before long */
	__u8 tenure;	  /* so many others may knock before one gets the slot */
};
ABI_SIZE(struct drop_cache_entry, 48);

static inline __u32 drop_cache_index(__u64 source, __u64 factor)
{
	return (__u32)(source * factor >> (64 - DROP_CACHE_SHIFT));
}

struct drop_cache_state {
	__u32 generation;  /* raised after each change of what packets are judged by */
	__u32 no_verdicts; /* 1: maps verdict_source and verdict_flow are empty; 0: they may be */
};
ABI_SIZE(struct drop_cache_state, 8);
