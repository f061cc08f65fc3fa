/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts on sources and flows. A source's are cached in its record: the strongest of those in
 * force on its two prefix lengths. A flow's are looked up only if its source has any.
 */
#pragma once

#include "../client.h"
#include "../lib/address.h"
#include "../lib/proto.h"
#include "sluice/abi/verdict.h"

/* Prefix lengths that a verdict can have (user/dataplane/verdict_map.h): /32, /24; /64, /48. */
#define VERDICT_WIDE_BITS_V4 24
#define VERDICT_WIDE_BITS_V6 48

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

/* The stronger action wins; of equals, the one that lasts longer. */
static __always_inline void verdict_merge(const struct verdict *v, __u64 now_ns,
					  struct client_policy *ret)
{
	if (v->action == VERDICT_NONE || v->until_ns <= now_ns || v->action < ret->verdict_action)
		return;
	if (v->action == ret->verdict_action && v->until_ns <= ret->verdict_until_ns)
		return;
	ret->verdict_action = v->action;
	ret->verdict_reason = v->reason;
	ret->verdict_until_ns = v->until_ns;
}

static __always_inline void verdict_refresh(const struct client_key *key, __u64 now_ns,
					    struct client_policy *ret)
{
	struct verdict_key at = { .addr = key->source };
	struct verdict *v;

	at.len_bits = address_is_mapped(&key->source) ? ADDR_V4_BITS + CLIENT_UNIT_BITS_V4
						      : CLIENT_UNIT_BITS_V6;
	v = bpf_map_lookup_elem(&verdict_source, &at);
	if (v) {
		verdict_merge(v, now_ns, ret);
		ret->flow_verdicts = v->flows != 0;
	}
	if (address_is_mapped(&key->source)) {
		at.len_bits = ADDR_V4_BITS + VERDICT_WIDE_BITS_V4;
		at.addr.b[15] = 0;
	} else {
		at.len_bits = VERDICT_WIDE_BITS_V6;
		at.addr.b[6] = 0;
		at.addr.b[7] = 0;
	}
	v = bpf_map_lookup_elem(&verdict_source, &at);
	if (v)
		verdict_merge(v, now_ns, ret);
}

/* New is a SYN without ACK, and all that has no connections the kernel could tell apart. */
static __always_inline bool verdict_hits(const struct pkt *p, __u8 action)
{
	return action == VERDICT_DROP ||
	       (action == VERDICT_DROP_NEW && ((p->flags & PKT_SYN) || p->proto != PROTO_TCP));
}

/* Later fragments have no ports and match no flow; without the first one they are harmless. */
static __always_inline bool verdict_on_flow(struct pkt *p)
{
	struct verdict *v;

	if (p->flags & PKT_QUOTES)
		return false;
	v = bpf_map_lookup_elem(&verdict_flow, &p->flow);
	return v && v->until_ns > pkt_now(p) && verdict_hits(p, v->action);
}

static __always_inline enum stage_result stage_verdict(struct pkt *p)
{
	if (!verdict_enabled || p->exempt)
		return STAGE_NEXT;
	/* In force: client_find lets none pass that has expired. */
	if (p->policy.verdict_action != VERDICT_NONE && verdict_hits(p, p->policy.verdict_action))
		return drop(p, DROP_VERDICT_SOURCE);
	if (p->policy.flow_verdicts && verdict_on_flow(p))
		return drop(p, DROP_VERDICT_FLOW);
	return STAGE_NEXT;
}
