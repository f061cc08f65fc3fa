/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a guard is on: over on_per_s SYNs within a second turn it on, hold_ns without a second of
 * off_per_s turns it off. All of that is one time, until which it is on, and what a SYN pays for
 * while it is off is its count. Other packets pay for one word of the program's own.
 *
 * Accepted races: SYNs that CPUs count while another begins a new second are lost; of two CPUs that
 * turn a guard on, both may count the turn; guard_until_ns may be cleared beside a write of another
 * CPU, and is written again with the next SYN.
 */
#pragma once

#include "../explain.h"
#include "../pipeline.h"
#include "sluice/abi/guard.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct guard);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} guards SEC(".maps");

/* Until when a guard that this program met was on: before, other packets than SYNs need no look. */
__u64 guard_until_ns = 0;

#define GUARD_FOREVER	(~0ULL)
#define GUARD_SECOND_NS 1000000000ULL

static __always_inline bool guard_is_on(const struct guard *g, __u64 now)
{
	return g->mode == GUARD_ALWAYS ||
	       (g->mode == GUARD_AUTO && now < *(volatile __u64 *)&g->until_ns);
}

/*
 * How many SYNs this second has had, this one included, as far as it matters: `enough` of them decide,
 * and what comes after those only reads. All CPUs share the word, so a flood may not write it.
 */
static __always_inline __u64 guard_count_syn(struct guard *g, __u64 now, __u64 enough)
{
	__u64 start = *(volatile __u64 *)&g->window_ns, seen = *(volatile __u64 *)&g->syns;

	if (explaining)
		return now - start < GUARD_SECOND_NS ? seen + 1 : 1;
	if (now - start < GUARD_SECOND_NS)
		return seen >= enough ? seen : __sync_fetch_and_add(&g->syns, 1) + 1;
	if (__sync_val_compare_and_swap(&g->window_ns, start, now) == start)
		*(volatile __u64 *)&g->syns = 0;
	return __sync_fetch_and_add(&g->syns, 1) + 1;
}

/* The same words, written when they change: with the coarse clock, each of its ticks. */
static __always_inline void guard_raise_until(__u64 until)
{
	if (!explaining && guard_until_ns < until)
		guard_until_ns = until;
}

/* Count a SYN and decide: is the guard on for it? */
static __always_inline bool guard_decide(struct guard *g, __u64 now)
{
	__u64 enough;
	bool on;

	if (g->mode == GUARD_ALWAYS) {
		guard_raise_until(GUARD_FOREVER);
		return true;
	}
	if (g->mode != GUARD_AUTO)
		return false;
	on = guard_is_on(g, now);
	enough = on ? g->off_per_s : g->on_per_s;
	if (guard_count_syn(g, now, enough) >= enough) {
		if (explaining)
			return true;
		if (g->until_ns != now + g->hold_ns)
			*(volatile __u64 *)&g->until_ns = now + g->hold_ns;
		if (!on)
			__sync_fetch_and_add(&g->turns, 1);
		on = true;
	}
	if (on)
		guard_raise_until(g->until_ns);
	return on;
}
