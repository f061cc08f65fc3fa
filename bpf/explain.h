/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The same programs once more, as ones that tell what a packet would meet (abi/explain.h) and change
 * nothing: no map that others see, no socket. `explaining` is a constant of the compiler's, so that the
 * programs that packets go through do not have an instruction of this.
 *
 * Loaded beside the program that runs, it reads that one's variables (guard_until_ns), too.
 *
 * A stage that writes to a map asks `explaining` first. selftests/bpf/test_explain.c finds who forgot:
 * no instruction of an explaining program writes by compare-and-swap or by a helper of maps, and no map
 * differs behind it.
 */
#pragma once

#include "pipeline.h"
#include "sluice/abi/explain.h"
#include "sluice/abi/verdict.h"

_Static_assert((int)EXPLAIN_NEXT == (int)STAGE_NEXT + 1 &&
		       (int)EXPLAIN_REPLY == (int)STAGE_REPLY + 1,
	       "the results of stages, and one");
_Static_assert(EXPLAIN_LIMITS == LIMIT_SCOPES, "a packet's classes");

#ifndef EXPLAINS
enum { explaining = 0 };

static __always_inline enum stage_result explained(enum explain_stage stage,
						   enum stage_result result)
{
	(void)stage;
	return result;
}

static __always_inline void explain_verdict(const struct verdict *v)
{
	(void)v;
}

static __always_inline void explain_slot(__u32 slot, __u32 ring)
{
	(void)slot;
	(void)ring;
}

static __always_inline void explain_quic(enum explain_quic says)
{
	(void)says;
}

static __always_inline void explain_moved(enum explain_moved how)
{
	(void)how;
}

static __always_inline void explain_mtu(__u32 mtu)
{
	(void)mtu;
}

static __always_inline void explain_mss(__u32 was, __u32 is)
{
	(void)was;
	(void)is;
}

static __always_inline void explain_answers(void)
{
}

static __always_inline void explain_begins(void)
{
}

static __always_inline void explain_exit(const struct pkt_facts *p, enum stage_result result)
{
	(void)p;
	(void)result;
}
#else
enum { explaining = 1 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct explain_trace);
} explain_trace SEC(".maps");

static __always_inline struct explain_trace *explain_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&explain_trace, &zero);
}

/* Global functions, each, so that the verifier walks them once and not with every state of a packet. */
__noinline int explain_note(__u32 stage, __u32 result)
{
	struct explain_trace *t = explain_get();

	if (t && stage < EXPLAIN_STAGES)
		t->stage[stage] = (__u8)result + 1;
	return 0;
}

/* Note what a stage said, and say it. */
static __always_inline enum stage_result explained(enum explain_stage stage,
						   enum stage_result result)
{
	explain_note(stage, result);
	return result;
}

__noinline int explain_note_verdict(__u64 until_ns, __u32 reason, __u32 action)
{
	struct explain_trace *t = explain_get();

	if (!t)
		return 0;
	t->verdict_until_ns = until_ns;
	t->verdict_reason = reason;
	t->verdict_action = action;
	return 0;
}

/* The verdict that takes the packet. */
static __always_inline void explain_verdict(const struct verdict *v)
{
	explain_note_verdict(v->until_ns, v->reason, v->action);
}

/* Where in its vip's ring the packet's flow is. */
__noinline int explain_slot(__u32 slot, __u32 ring)
{
	struct explain_trace *t = explain_get();

	if (!t)
		return 0;
	t->slot = slot;
	t->ring = ring;
	t->flags |= EXPLAIN_RING;
	return 0;
}

__noinline int explain_quic(__u32 says)
{
	struct explain_trace *t = explain_get();

	if (t)
		t->quic = (__u8)says;
	return 0;
}

/* How a backend was chosen where a change has moved the slot. */
__noinline int explain_moved(__u32 how)
{
	struct explain_trace *t = explain_get();

	if (t)
		t->moved = (__u8)how;
	return 0;
}

__noinline int explain_mtu(__u32 mtu)
{
	struct explain_trace *t = explain_get();

	if (t)
		t->mtu = mtu;
	return 0;
}

__noinline int explain_mss(__u32 was, __u32 is)
{
	struct explain_trace *t = explain_get();

	if (!t)
		return 0;
	t->mss_was = (__u16)was;
	t->mss_is = (__u16)is;
	return 0;
}

__noinline int explain_answers(void)
{
	struct explain_trace *t = explain_get();

	if (t)
		t->flags |= EXPLAIN_ANSWERS;
	return 0;
}

__noinline int explain_begins(void)
{
	struct explain_trace *t = explain_get();

	if (t)
		t->flags |= EXPLAIN_BEGINS;
	return 0;
}

/* Flags of a packet as the trace has them, without branches. */
static __always_inline __u16 explain_flags(const struct pkt_facts *p)
{
	return !!(p->flags & PKT_FRAGMENT) * EXPLAIN_FRAGMENT |
	       !!(p->flags & PKT_QUOTES) * EXPLAIN_QUOTES | !!(p->flags & PKT_SYN) * EXPLAIN_SYN |
	       !!p->exempt * EXPLAIN_EXEMPT;
}

/* Instead of counting: what the stages left in the packet. */
__noinline int explain_exit(const struct pkt_facts *p, __u32 result)
{
	struct explain_trace *t = explain_get();
	__u32 i;

	if (!t || !p) /* never; a global function's argument may be, for the verifier */
		return 0;
	t->source = p->source;
	t->flow = p->flow;
	t->wire_bytes = p->wire_bytes;
	t->l3_bytes = p->l3_bytes;
	t->header_bytes = p->header_bytes;
	t->proto = p->proto;
	t->vip_id = p->vip_id;
	t->backend_id = p->backend_id;
	t->egress_ifindex = p->egress_ifindex;
	t->flags |= explain_flags(p);
	t->reason = p->reason;
	t->guard = p->guard;
	t->kind = p->kind;
	t->group = p->group;
	t->service = p->service;
	t->result = (__u8)result + 1;
#pragma unroll
	for (i = 0; i < LIMIT_SCOPES; i++) {
		const struct limit_answer *a = &p->limit[i];

		t->limit[i].limit_class = a->limit_class;
		t->limit[i].outcome = a->outcome;
		t->limit[i].unit = a->unit;
		t->limit[i].flags =
			a->is_total * EXPLAIN_LIMIT_TOTAL | a->is_exact * EXPLAIN_LIMIT_EXACT;
	}
	return 0;
}
#endif
