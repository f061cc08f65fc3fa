/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Heavy hitters (algo/top.h), in memory that no number of sources grows. A packet that is not sampled
 * pays for a subtraction. The first TOP_STEP samples of a CPU's window count every packet exactly; then
 * strata get longer, up to 256 packets or 32 KiB, and the next window begins with what this one was
 * like. Not longer: when a flood ends, the last stratum must not hide what comes after it.
 *
 * Race that is accepted: a program that interrupts another one on its CPU (TC and XDP on different
 * devices, with threaded interrupts) may lose or double a credit.
 */
#pragma once

#include "../random.h"
#include "../pipeline.h"
#include "sluice/abi/top.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct top);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} top SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TOP_TABLES * 2 * TOP_SETS);
	__type(key, __u32);
	__type(value, struct top_set);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} top_sets SEC(".maps");

/* Strata double after so many samples, and begin a window so that it will have 2^13 to 2^14 of them. */
#define TOP_STEP	    1024
#define TOP_SAMPLES_SHIFT   14
#define TOP_SHIFT_DROPS_MAX 8
#define TOP_SHIFT_BYTES_MAX TOP_SHIFT_MAX

static __always_inline __u32 top_shift_max(__u32 table)
{
	return table == TOP_DROPS ? TOP_SHIFT_DROPS_MAX : TOP_SHIFT_BYTES_MAX;
}

/* How long strata have to be for as much as the window before had. */
static __always_inline __u32 top_shift_of(const struct top_window *before, __u64 epoch, __u32 max)
{
	__u32 shift = 0, i;

	if (before->epoch + 1 != epoch)
		return 0;
#pragma unroll
	for (i = 1; i <= TOP_SHIFT_MAX; i++)
		shift += (before->credit >> TOP_SAMPLES_SHIFT >> i) != 0;
	return shift < max ? shift : max;
}

/* The window of now; sampling begins anew with it. */
static __always_inline struct top_window *top_begin(struct top *t, __u32 table, __u64 epoch)
{
	struct top_window *w = &t->window[table & 1][epoch & 1];
	struct top_sampler *s = &t->sampler[table & 1];
	__u32 max = top_shift_max(table), i;

	if (w->epoch != epoch || w->hash[0] == 0) {
		w->epoch = epoch;
		w->credit = 0;
#pragma unroll
		for (i = 0; i < 3; i++)
			w->hash[i] = (__u64)random_u32() << 32 | random_u32() | 1;
		top_set_shift(s, top_shift_of(&t->window[table & 1][~epoch & 1], epoch, max),
			      random_u32());
	} else if (s->samples >= TOP_STEP && s->shift < max) {
		top_set_shift(s, s->shift + 1, random_u32());
	}
	return w;
}

/* The packet's source is credited. Multilinear, as limit_row_hash. */
static __always_inline void top_credit(const struct pkt_facts *p, __u32 table, __u32 note,
				       const struct top_window *w, __u64 credit)
{
	__u32 v6 = (p->flags & PKT_IPV6) != 0, at, n;
	__u32 high = v6 ? p->source.w[0] : p->source.w[2];
	__u32 low = v6 ? p->source.w[1] : p->source.w[3];
	struct top_set *set;

	at = (__u32)((w->hash[0] + w->hash[1] * high + w->hash[2] * low) >> 32);
	at = at >> (32 - TOP_SETS_SHIFT) | ((table & 1) * 2 + (__u32)(w->epoch & 1))
						   << TOP_SETS_SHIFT;
	set = bpf_map_lookup_elem(&top_sets, &at);
	if (!set)
		return;
	top_set_begin(set, w->epoch);
	n = top_set_find(set, (__u64)high << 32 | low, v6) & (TOP_WAYS - 1);
	top_item_add(&set->item[n], (__u64)high << 32 | low, v6, note, credit);
}

/* A packet that covers a point. A global function: the verifier walks it once. */
__noinline int top_take(struct pkt_facts *p, __u32 table, __u32 note)
{
	struct top_window *w;
	struct top *t;
	__u32 zero = 0;
	__u64 credit;

	if (!p) /* never; but the verifier wants to be told */
		return 0;
	t = bpf_map_lookup_elem(&top, &zero);
	if (!t)
		return 0;
	credit = top_sample(&t->sampler[table & 1], random_u32());
	w = top_begin(t, table, pkt_now_coarse(p) >> TOP_WINDOW_SHIFT);
	w->credit += credit;
	/* What is no IP has no source; nor has what is too broken to tell. */
	if (p->source.w[0] | p->source.w[1] | p->source.w[2] | p->source.w[3])
		top_credit(p, table, note, w, credit);
	return 0;
}

/* The class of the limit that dropped it. */
static __always_inline __u32 top_class(const struct pkt_facts *p)
{
	__u32 i, id = LIMIT_CLASS_NONE;

#pragma unroll
	for (i = 0; i < LIMIT_SCOPES; i++) {
		if (p->limit[i].outcome == LIMIT_DROPPED)
			id = p->limit[i].limit_class;
	}
	return id;
}

/* A drop; the note that it is counted with. */
static __always_inline __u32 top_exit_drop(struct pkt_facts *p, struct top *t)
{
	struct top_sampler *drops = &t->sampler[TOP_DROPS];
	__u32 note = top_note(p->reason, top_class(p));

	drops->left -= p->packets;
	if (drops->left < 0)
		top_take(p, TOP_DROPS, note);
	return note;
}

static __always_inline void top_exit(struct pkt_facts *p, enum stage_result result)
{
	struct top_sampler *bytes;
	__u32 zero = 0, note = 0;
	struct top *t = bpf_map_lookup_elem(&top, &zero);

	if (!t)
		return;
	bytes = &t->sampler[TOP_BYTES];
	if (result == STAGE_DROP)
		note = top_exit_drop(p, t);
	bytes->left -= p->wire_bytes;
	if (bytes->left < 0)
		top_take(p, TOP_BYTES, note);
}

/* A drop on the way out, for whom it was: the last that is done with the packet. */
static __always_inline void top_exit_egress(struct pkt_facts *p)
{
	__u32 zero = 0;
	struct top *t = bpf_map_lookup_elem(&top, &zero);

	p->source = p->flow.dst;
	if (t)
		top_exit_drop(p, t);
}
