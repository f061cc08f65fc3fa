/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts on sources and flows. Whether a source has any is asked of a filter first, of one byte per
 * hashed /24 or /48, and with no verdict at all not even that: its line is another one for each source.
 *
 * Race that is accepted: dropped_packets of a verdict loses additions of CPUs that write at the same
 * time.
 */
#pragma once

#include "../client.h"
#include "../explain.h"
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
	if (explaining)
		explain_verdict(v);
	else
		v->dropped_packets += p->packets;
	return true;
}

/* Of the source's address or /64, or its /24 or /48. */
static __always_inline struct verdict *verdict_find(const struct pkt_facts *p, bool is_wide)
{
	struct verdict_key key = {};

	if (is_wide) {
		client_wide(p, &key.addr);
		key.len_bits = p->flags & PKT_IPV6 ? CLIENT_WIDE_BITS_V6
						   : ADDR_V4_BITS + CLIENT_WIDE_BITS_V4;
	} else {
		client_unit(p, &key.addr);
		key.len_bits = p->flags & PKT_IPV6 ? CLIENT_UNIT_BITS_V6
						   : ADDR_V4_BITS + CLIENT_UNIT_BITS_V4;
	}
	return bpf_map_lookup_elem(&verdict_source, &key);
}

static __noinline bool verdict_on_source(const struct pkt *p)
{
	return verdict_takes(p, verdict_find(&p->facts, false)) ||
	       verdict_takes(p, verdict_find(&p->facts, true));
}

/* Later fragments have no ports and match no flow; without the first one they are harmless. */
static __always_inline bool verdict_on_flow(const struct pkt *p)
{
	if (p->flags & PKT_QUOTES)
		return false;
	return verdict_takes(p, bpf_map_lookup_elem(&verdict_flow, &p->flow));
}

/* Which verdicts the source may have: enum verdict_filter_bit; negative: the filter is not there. */
static __always_inline int verdict_may(const struct addr *source)
{
	struct verdict_filter *filter;
	__u32 zero = 0, bucket;

	filter = bpf_map_lookup_elem(&verdict_filter, &zero);
	if (!filter)
		return -1;
	bucket = verdict_filter_bucket(source) & ((1U << VERDICT_FILTER_BITS) - 1);
	return *(volatile __u8 *)&filter->bucket[bucket];
}

/*
 * Until when the verdict that dropped the packet is the one that drops all of its source's; 0: others
 * of its packets meet another verdict, or none.
 */
static __always_inline __u64 verdict_hold(const struct pkt_facts *p, __u64 now, __u8 *is_wide)
{
	struct verdict *v = verdict_find(p, false);

	*is_wide = 0;
	if (!v || v->until_ns <= now) {
		*is_wide = 1;
		v = verdict_find(p, true);
	}
	return v && v->action == VERDICT_DROP ? v->until_ns : 0;
}

/* Count packets of a source, known by the 64 bits that tell units apart, that its verdict dropped. */
static __noinline void verdict_count(__u64 source, bool is_v6, bool is_wide, __u32 packets)
{
	struct verdict_key key = {};
	struct verdict *v;

	if (is_v6) {
		key.len_bits = is_wide ? CLIENT_WIDE_BITS_V6 : CLIENT_UNIT_BITS_V6;
		key.addr.w[0] = source >> 32;
		key.addr.w[1] = is_wide ? source & bpf_htonl(0xffff0000) : source;
	} else {
		key.len_bits = ADDR_V4_BITS + (is_wide ? CLIENT_WIDE_BITS_V4 : CLIENT_UNIT_BITS_V4);
		key.addr.w[2] = source >> 32;
		key.addr.w[3] = is_wide ? source & bpf_htonl(0xffffff00) : source;
	}
	v = bpf_map_lookup_elem(&verdict_source, &key);
	if (v)
		v->dropped_packets += packets;
}

static __always_inline enum stage_result stage_verdict(struct pkt *p)
{
	int may;

	if (!verdict_enabled || p->exempt || (p->flags & PKT_UNJUDGED))
		return STAGE_NEXT;
	may = verdict_may(&p->source);
	if (may < 0)
		return drop(p, DROP_INTERNAL);
	if ((may & VERDICT_FILTER_SOURCE) && verdict_on_source(p))
		return drop(p, DROP_VERDICT_SOURCE);
	if ((may & VERDICT_FILTER_FLOW) && verdict_on_flow(p))
		return drop(p, DROP_VERDICT_FLOW);
	return STAGE_NEXT;
}
