/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flow would begin: whether it could, and from where, without beginning it. It looks at as many slots
 * and ports as nat_open does, and so by chance as well: a packet that comes may find others. What the
 * packet itself would have ended before (its own flow, that is over or closed) is no more.
 */
#pragma once

#include "nat_open.h"

#ifdef EXPLAINS
/* Would the slot be among those that are swept before? */
static __always_inline bool nat_would_sweep(const struct nat_would *w, __u32 slot)
{
	const struct nat_state *state = nat_state_get();
	__u32 i;

	if (!state || !state->max_flows)
		return false;
#pragma unroll
	for (i = 0; i < NAT_SWEEP_PROBES; i++) {
		if (i < w->swept && (w->hand + i) % state->max_flows == slot)
			return true;
	}
	return false;
}

/* As nat_find_room. */
__noinline int nat_would_have_room(__u32 ended, __u64 now)
{
	const struct nat_state *state = nat_state_get();
	struct nat_would *w = nat_would_get();
	const struct nat_flow *f;
	__u32 i, slot = ended - 1;
	__s32 young;

	if (!state || !w || !state->max_flows)
		return 0;
	f = bpf_map_lookup_elem(&nat_flow, &slot);
	young = (__s32)state->young - (f && f->is_young);
	w->hand = state->hand;
	w->swept = 0;
	if (young < (__s32)state->max_young)
		return 1;
	w->swept = NAT_SWEEP_PROBES;
	for (i = 0; i < NAT_SWEEP_PROBES; i++) {
		slot = (w->hand + i) % state->max_flows;
		f = bpf_map_lookup_elem(&nat_flow, &slot);
		if (f && slot + 1 != ended && nat_phase_get(f) > NAT_BUSY && nat_is_over(f, now))
			young -= (__s32)f->is_young;
	}
	return young < (__s32)state->max_young;
}

/* Is the tuple another flow's? One that is over makes room for a try after this. */
__noinline int nat_would_meet(__u32 slot, __u32 ended, __u64 now, __u32 again)
{
	struct nat_would *w = nat_would_get();
	const struct nat_flow *f;
	const struct nat_ref *ref;
	__u32 at;

	if (!w)
		return true;
	ref = bpf_map_lookup_elem(&nat_tuple, &w->flow.answer);
	if (!ref)
		return false;
	at = ref->slot;
	f = bpf_map_lookup_elem(&nat_flow, &at);
	if (!f || f->life != ref->life || nat_phase_get(f) == NAT_FREE)
		return !again;
	if (at == slot || at + 1 == ended)
		return false;
	if (nat_phase_get(f) == NAT_BUSY || !nat_is_over(f, now))
		return true;
	return !again && !nat_would_sweep(w, at);
}

/* As nat_claim: the slot that a flow would have. */
__noinline int nat_would_claim(__u32 ended, __u64 now)
{
	const struct nat_state *state = nat_state_get();
	struct nat_would *w = nat_would_get();
	const struct nat_flow *f;
	__u32 i, slot, phase;

	if (!state || !w || !state->max_flows)
		return -1;
	w->series = test_random;
	for (i = 0; i < NAT_CLAIM_PROBES; i++) {
		slot = random_next(&w->series) % state->max_flows;
		f = bpf_map_lookup_elem(&nat_flow, &slot);
		if (!f)
			continue;
		phase = nat_phase_get(f);
		if (phase == NAT_FREE || slot + 1 == ended ||
		    (phase != NAT_BUSY && nat_is_over(f, now)))
			return (int)slot;
	}
	return -1;
}

/* As nat_claim_answer. */
__noinline int nat_would_answer(__u32 slot, __u32 ended, __u64 now)
{
	__u32 share = NAT_PORTS / (nat_cpus ? nat_cpus : 1), vip_id, start, again, i, n;
	struct nat_would *w = nat_would_get();
	const struct nat_vip *vip;

	if (!w)
		return DROP_INTERNAL;
	vip_id = w->flow.vip_id;
	vip = bpf_map_lookup_elem(&nat_vip, &vip_id);
	if (!vip)
		return DROP_INTERNAL;
	start = random_next(&w->series);
	n = vip->n_sources;
	again = n && share ? n * share : 1; /* after so many tries it is the same tuple */
	for (i = 0; i < NAT_PORT_PROBES; i++) {
		if (n)
			nat_choose(&w->flow, vip, n, start + i);
		if (!nat_would_meet(slot, ended, now, i >= again))
			return DROP_NONE;
	}
	return DROP_NAT_EXHAUSTED;
}

/* As nat_open: NAT_WOULD_BE and 1 more; 0, and p->reason. */
__noinline int nat_would_open(struct pkt_facts *p, struct backend *b)
{
	struct nat_would *w = nat_would_get();
	__u32 ended;
	__u64 now;
	int at;

	if (!p || !b || !w) /* p and b never; a global function's may be */
		return 0;
	ended = nat_would_end(p);
	now = pkt_now_coarse(p);
	p->reason = DROP_NAT_FULL;
	if (!nat_would_have_room(ended, now))
		return 0;
	at = nat_would_claim(ended, now);
	if (at < 0)
		return 0;
	nat_fill(&w->flow, p, b);
	p->reason = (__u16)nat_would_answer((__u32)at, ended, now);
	if (p->reason)
		return 0;
	explain_begins();
	return (int)(NAT_WOULD_BE + 1);
}
#else
static __always_inline int nat_would_open(struct pkt_facts *p, struct backend *b)
{
	(void)p;
	(void)b;
	return 0;
}
#endif
