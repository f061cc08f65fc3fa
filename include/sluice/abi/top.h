/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who sends most, and whose packets are dropped most: counters per CPU, of two windows, of the units
 * that limits have too (an IPv4 address, an IPv6 /64). Windows begin when the monotonic clock reaches
 * a multiple of 2^TOP_WINDOW_SHIFT ns: one that counts now, and the one before.
 */
#pragma once

#include "../algo/top.h"
#include "addr.h"

enum top_table {
	TOP_DROPS, /* packets dropped */
	TOP_BYTES, /* on the wire, of all packets */
	TOP_TABLES,
};

#define TOP_WINDOW_SHIFT 32 /* 4.29 s */
#define TOP_SETS_SHIFT	 7
#define TOP_SETS	 (1U << TOP_SETS_SHIFT) /* of a table and window */

/*
 * Map `top_sets` (per CPU): set n of table t in window e is element ((t * 2 + e % 2) << TOP_SETS_SHIFT)
 * + n; its items have these.
 */
ABI_SIZE(struct top_item, 32);
ABI_SIZE(struct top_set, 8 + 32 * TOP_WAYS);

/* item.key: the 64 bits that tell units apart, words 2 and 3 of a mapped address, 0 and 1 of others. */
enum top_kind { TOP_IPV4, TOP_IPV6 };

/* item.note: enum drop_reason (0: it was not dropped) and limit class of the last packet credited. */
static inline __u32 top_note(__u32 reason, __u32 id)
{
	return (reason & 0xff) | (id & 0xff) << 8;
}

static inline __u32 top_note_reason(__u32 note)
{
	return note & 0xff;
}

static inline __u32 top_note_class(__u32 note)
{
	return note >> 8 & 0xff;
}

/* Map `top` (per CPU, one element). */
struct top_window {
	__u64 epoch;   /* now_ns >> TOP_WINDOW_SHIFT */
	__u64 credit;  /* over all sources, and of packets that have none */
	__u64 hash[3]; /* random: the secret that spreads keys over sets, another one each window */
};
ABI_SIZE(struct top_window, 40);

struct top {
	struct top_sampler sampler[TOP_TABLES];
	struct top_window window[TOP_TABLES][2];
};
ABI_SIZE(struct top, TOP_TABLES *(24 + 2 * 40));
