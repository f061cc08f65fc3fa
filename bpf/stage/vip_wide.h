/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Vips of a prefix, a range of ports or all ports, and the vip that fragments to an address go to. Asked
 * only once no plain vip was found, and only while there are wide ones: a trie costs 50 to 70 ns.
 */
#pragma once

#include "../pipeline.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct vip_key);
	__type(value, struct vip);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct vip_wide_key);
	__type(value, struct vip_wide);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vip_wide SEC(".maps");

/*
 * Which span has the port, from 1; 0: none. By bisection: the last one that begins at most there. A
 * function of its own, so that the verifier forgets the ways through it.
 */
__noinline int vip_wide_span(const struct vip_wide *w, __u32 port)
{
	__u32 low = 0, high; /* the answer is in front of high, and not in front of low */
	int i;

	if (!w)
		return 0;
	high = w->n < VIP_SPANS_MAX ? w->n : VIP_SPANS_MAX;
	for (i = 0; i <= VIP_SPANS_BITS; i++) {
		__u32 middle = (low + high) / 2;

		if (low >= high)
			break;
		if (w->span[middle & (VIP_SPANS_MAX - 1)].first <= port)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || port > w->span[(low - 1) & (VIP_SPANS_MAX - 1)].last)
		return 0;
	return (int)low;
}

/* With a stack of its own: the caller's is full. */
static __noinline struct vip *vip_wide_find(const struct pkt_facts *p)
{
	struct vip_wide_key key = { .len_bits = VIP_WIDE_PROTO_BITS + 128,
				    .proto = p->flow.proto,
				    .addr = p->flow.dst };
	const struct vip_wide *wide = bpf_map_lookup_elem(&vip_wide, &key);
	__u32 span;

	if (!wide)
		return NULL;
	if (p->flags & PKT_FRAGMENT)
		return bpf_map_lookup_elem(&vips, &wide->fragments);
	span = (__u32)vip_wide_span(wide, bpf_ntohs(p->flow.dport));
	if (!span)
		return NULL;
	return bpf_map_lookup_elem(&vips, &wide->span[(span - 1) & (VIP_SPANS_MAX - 1)].key);
}
