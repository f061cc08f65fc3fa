/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts on sources and flows. Whether a source has any is asked of a filter first, of one byte per
 * hashed /24 or /48: with none in force, a packet pays for that byte alone.
 *
 * Race that is accepted: dropped_packets of a verdict loses additions of CPUs that write at the same
 * time.
 */
#pragma once

#include "../client.h"
#include "../lib/proto.h"
#include "sluice/abi/verdict.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct verdict_key);
	__type(value, struct verdict);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} verdict_source SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct verdict);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} verdict_flow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct verdict_filter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} verdict_filter SEC(".maps");

/* New is a SYN without ACK, and all that has no connections the kernel could tell apart. */
static __always_inline bool verdict_hits(const struct pkt *p, __u8 action)
{
	return action == VERDICT_DROP ||
	       (action == VERDICT_DROP_NEW && ((p->flags & PKT_SYN) || p->proto != PROTO_TCP));
}

/* Is it in force and of this packet? Then it counts the packet. */
static __always_inline bool verdict_takes(const struct pkt *p, struct verdict *v)
{
	if (!v || v->until_ns <= pkt_now_coarse(&p->facts) || !verdict_hits(p, v->action))
		return false;
	v->dropped_packets += p->packets;
	return true;
}

static __always_inline bool verdict_on_source(const struct pkt *p)
{
	struct verdict_key key = {};

	client_unit(&p->facts, &key.addr);
	key.len_bits =
		p->flags & PKT_IPV6 ? CLIENT_UNIT_BITS_V6 : ADDR_V4_BITS + CLIENT_UNIT_BITS_V4;
	if (verdict_takes(p, bpf_map_lookup_elem(&verdict_source, &key)))
		return true;
	client_wide(&p->facts, &key.addr);
	key.len_bits =
		p->flags & PKT_IPV6 ? CLIENT_WIDE_BITS_V6 : ADDR_V4_BITS + CLIENT_WIDE_BITS_V4;
	return verdict_takes(p, bpf_map_lookup_elem(&verdict_source, &key));
}

/* Later fragments have no ports and match no flow; without the first one they are harmless. */
static __always_inline bool verdict_on_flow(const struct pkt *p)
{
	if (p->flags & PKT_QUOTES)
		return false;
	return verdict_takes(p, bpf_map_lookup_elem(&verdict_flow, &p->flow));
}

static __always_inline enum stage_result stage_verdict(struct pkt *p)
{
	struct verdict_filter *filter;
	__u32 zero = 0, bucket;
	__u8 may;

	if (!verdict_enabled || p->exempt)
		return STAGE_NEXT;
	filter = bpf_map_lookup_elem(&verdict_filter, &zero);
	if (!filter)
		return drop(p, DROP_INTERNAL);
	bucket = verdict_filter_bucket(&p->source) & ((1U << VERDICT_FILTER_BITS) - 1);
	may = *(volatile __u8 *)&filter->bucket[bucket];
	if ((may & VERDICT_FILTER_SOURCE) && verdict_on_source(p))
		return drop(p, DROP_VERDICT_SOURCE);
	if ((may & VERDICT_FILTER_FLOW) && verdict_on_flow(p))
		return drop(p, DROP_VERDICT_FLOW);
	return STAGE_NEXT;
}
