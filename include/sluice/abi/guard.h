/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `guards` (array, memory-mapped by the agent), by vip id; GUARD_OWN is the listeners of this host
 * (all TCP that is for no vip). The agent writes the first half; the kernel counts SYNs in the second
 * and decides there, on its own clock, from when to when the guard is on.
 */
#pragma once

#include <linux/types.h>

#include "size.h"

#define GUARD_OWN 0

enum guard_mode {
	GUARD_OFF,
	GUARD_AUTO, /* by the rate of SYNs */
	GUARD_ALWAYS,
};

/* How the source of a SYN to a vip is checked. */
enum guard_reset {
	GUARD_CHALLENGE, /* its answer to a wrong acknowledgement proves it, and it tries again */
	GUARD_PLAIN,	 /* its third packet proves it; the backend resets, its user tries again */
};

/*
 * What a SYN cookie of GUARD_OWN may carry besides the MSS. Timestamps hold the options that the
 * client has, if the kernel adds no secret to them (net.ipv4.tcp_timestamps=2).
 */
#define GUARD_OPTIONS	  0x80 /* timestamps, SACK and window scaling */
#define GUARD_WSCALE_MASK 0x0f /* the scale that the kernel gives its own window */

struct guard {
	__u32 mode;  /* enum guard_mode */
	__u32 reset; /* enum guard_reset; not of GUARD_OWN */
	__u32 on_per_s;
	__u32 off_per_s; /* at most on_per_s */
	__u64 hold_ns;	 /* without a second of off_per_s SYNs, then it is off */
	__u32 options;	 /* of GUARD_OWN */
	__u32 pad;

	__u64 window_ns; /* start of the second in which SYNs are counted, CLOCK_MONOTONIC */
	__u64 syns;	 /* in it, as far as they decide: not those above on_per_s, or off_per_s */
	__u64 until_ns;	 /* GUARD_AUTO: on until then */
	__u64 turns;	 /* how often it turned on */
};
ABI_SIZE(struct guard, 64);

/* Map `stats_guard` (per-CPU array), by vip id: append only, label and documentation. */
#define GUARD_COUNTS(X)                                                           \
	X(NONE, "none", "nothing")                                                \
	X(COOKIE_MADE, "cookie_made", "SYN answered by a SYN cookie")             \
	X(COOKIE_OK, "cookie_ok", "acknowledgement with a valid cookie")          \
	X(COOKIE_BAD, "cookie_bad", "lone acknowledgement without a valid one")   \
	X(CHALLENGE, "challenge", "SYN to a vip answered to check its source")    \
	X(CHALLENGE_OK, "challenge_ok", "answer that proved a source")            \
	X(PROVEN, "proven", "SYN of a proven source, let through")                \
	X(REFUSED, "refused", "SYN to a vip that cannot be answered, so dropped") \
	X(HOST, "host", "SYN to this host that is left to its own stack")

enum guard_count {
#define GUARD_COUNT_ENUM(id, label, doc) GUARD_COUNT_##id,
	GUARD_COUNTS(GUARD_COUNT_ENUM)
#undef GUARD_COUNT_ENUM
		GUARD_COUNT_COUNT,
};

struct stats_guard {
	__u64 packets[16]; /* by enum guard_count */
};
ABI_SIZE(struct stats_guard, 128);
