/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Of a packet that is explained: which flow it would have ended, and which it would begin. */
#pragma once

#include "../explain.h"
#include "limit_concurrent.h"
#include "nat_find.h"

/* In place of a slot: the flow that would begin. */
#define NAT_WOULD_BE 0xfffffffe

#ifndef EXPLAINS
static __always_inline struct nat_flow *nat_would_at(__u32 slot)
{
	return bpf_map_lookup_elem(&nat_flow, &slot);
}

static __always_inline int nat_would_full(struct pkt_facts *p)
{
	return limit_concurrent_full(p);
}
#else
struct nat_would {
	struct nat_flow flow;
	__u64 series; /* of random numbers */
	__u32 hand;   /* slots from there on would be swept before */
	__u32 swept;  /* so many; 0: none */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_would);
} nat_would SEC(".maps");

static __always_inline struct nat_would *nat_would_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_would, &zero);
}

static __always_inline struct nat_flow *nat_would_at(__u32 slot)
{
	struct nat_would *w;

	if (slot != NAT_WOULD_BE)
		return bpf_map_lookup_elem(&nat_flow, &slot);
	w = nat_would_get();
	return w ? &w->flow : NULL;
}

/* Of a packet that may begin a flow: the slot of the flow that it would have ended, and 1 more; 0: none. */
static __always_inline __u32 nat_would_end(const struct pkt_facts *p)
{
	struct flow_key key = p->flow;
	const struct nat_ref *ref = nat_ref_get(&key);

	return ref && nat_flow_of(ref) ? ref->slot + 1 : 0;
}

/* As limit_concurrent_full, of a packet that may begin a flow. */
static __always_inline int nat_would_full(struct pkt_facts *p)
{
	__u32 slot = nat_would_end(p) - 1;
	const struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);

	return f ? limit_concurrent_full_after(p, &f->place) : limit_concurrent_full(p);
}
#endif
