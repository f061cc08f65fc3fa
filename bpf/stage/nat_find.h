/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow of a packet among those that are translated. */
#pragma once

#include "nat_table.h"

/* The flow that a reference means, while it lives; NULL: it has gone. */
static __always_inline struct nat_flow *nat_flow_of(const struct nat_ref *ref)
{
	__u32 slot = ref->slot;
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);

	if (!f || nat_life_get(f) != ref->life || nat_phase_get(f) < NAT_OPENING)
		return NULL;
	return f;
}

/* The slot of the flow that a reference means, and 1 more; 0: there is none. One that is over ends here. */
static __always_inline int nat_flow_at(struct pkt_facts *p, const struct nat_ref *ref)
{
	struct nat_flow *f = nat_flow_of(ref);
	__u64 now;

	if (!f)
		return 0;
	now = pkt_now_coarse(p);
	if (!nat_is_over(f, now))
		return (int)ref->slot + 1;
	if (!explaining && nat_take(f, ref->slot, now))
		nat_free(f);
	return 0;
}

/* The same, of an answer. */
__noinline int nat_find_back(struct pkt_facts *p, __u32 slot, __u32 life)
{
	struct nat_ref ref = { .slot = slot, .life = life };

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	return nat_flow_at(p, &ref);
}

/* An answer's, among tuples that are being moved. */
__noinline int nat_find_old(struct pkt_facts *p)
{
	struct flow_key key;
	struct nat_ref *ref;
	void *old = nat_old_get();

	if (!p || !old) /* p never; a global function's argument may be, for the verifier */
		return 0;
	key = p->flow;
	ref = bpf_map_lookup_elem(old, &key);
	return ref && ref->is_back ? nat_flow_at(p, ref) : 0;
}

/* Of a client's packet. */
__noinline int nat_lookup(struct pkt_facts *p)
{
	struct flow_key key;
	struct nat_ref *ref;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	key = p->flow;
	ref = nat_ref_get(&key);
	return ref && !ref->is_back ? nat_flow_at(p, ref) : 0;
}

/*
 * Of a client's packet whose flow the look-up for answers has met: a second one by the same key costs as
 * much as a third of a translation. 0: ask nat_lookup. Keys are compared before the packet is changed.
 */
static __always_inline int nat_recall(const struct pkt_facts *p)
{
	__u32 slot = p->nat_seen - 1;
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);

	if (!p->nat_seen || !f || (__u16)nat_life_get(f) != p->nat_life ||
	    nat_phase_get(f) < NAT_OPENING || nat_is_over(f, pkt_now_coarse(p)))
		return 0;
	return (int)slot + 1;
}
