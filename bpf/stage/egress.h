/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is particular to the way out. Stages there see a packet turned: who it goes to is its source,
 * and its flow is that of the client's own packets. So the classes, meters and proofs of the way in
 * serve both. It is turned back before it is counted.
 *
 * Packets that are balanced to a backend at TC ingress come through here as well; they go to a vip
 * and not to a client, and are let through.
 */
#pragma once

#include "../lib/proto.h"
#include "../pipeline.h"

/*
 * The low two bits of the traffic class, in the first 16 bits of a header: IPv4 has it in the second
 * byte, IPv6 across both. ECT(1) and ECT(0) can be marked, and CE is the mark (RFC 3168 s5).
 */
#define EGRESS_ECN_V4 0x0003
#define EGRESS_ECN_V6 0x0030
/* Of the IPv4 header's checksum in it. */
#define EGRESS_CHECKSUM_V4 10

static __always_inline void egress_swap(struct pkt *p)
{
	struct addr client = p->flow.dst;
	__be16 port = p->flow.dport;

	p->flow.dst = p->flow.src;
	p->flow.dport = p->flow.sport;
	p->flow.src = client;
	p->flow.sport = port;
}

static __always_inline bool egress_is_ect(const struct pkt *p)
{
	__u16 ce = p->flags & PKT_IPV6 ? EGRESS_ECN_V6 : EGRESS_ECN_V4, ecn;
	__be16 head;

	if (bpf_skb_load_bytes(p->ctx, p->l2_bytes, &head, sizeof(head)))
		return false;
	ecn = bpf_ntohs(head) & ce;
	return ecn && ecn != ce;
}

/* Not bpf_skb_ecn_set_ce: it takes a second VLAN tag for the header. Were headers shared, these copy. */
static __always_inline bool egress_set_ce(const struct pkt *p)
{
	__be16 head, marked;

	if (bpf_skb_load_bytes(p->ctx, p->l2_bytes, &head, sizeof(head)))
		return false;
	if (p->flags & PKT_IPV6) {
		marked = head | bpf_htons(EGRESS_ECN_V6);
		return !bpf_skb_store_bytes(p->ctx, p->l2_bytes, &marked, sizeof(marked),
					    BPF_F_RECOMPUTE_CSUM);
	}
	marked = head | bpf_htons(EGRESS_ECN_V4);
	/* A sum over the packet stays as it is: the header's own checksum makes up for the mark. */
	return !bpf_skb_store_bytes(p->ctx, p->l2_bytes, &marked, sizeof(marked), 0) &&
	       !bpf_l3_csum_replace(p->ctx, p->l2_bytes + EGRESS_CHECKSUM_V4, head, marked,
				    sizeof(marked));
}

/*
 * What the parser would not let in goes out as it is: had it been forwarded, the way in would have
 * dropped it, and the host itself is not policed.
 */
static __always_inline enum stage_result stage_egress_begin(struct pkt *p, enum stage_result parsed)
{
	if (parsed == STAGE_DROP && p->reason != DROP_UNKNOWN_L4)
		parsed = STAGE_PASS;
	else if (parsed == STAGE_DROP)
		parsed = STAGE_NEXT;
	p->reason = DROP_NONE;
	return parsed;
}

/* Turn it, unless it is on its way to a backend. */
static __always_inline enum stage_result stage_egress_turn(struct pkt *p)
{
	if (p->vip)
		return STAGE_PASS;
	p->flags |= PKT_EGRESS;
	if (egress_is_ect(p))
		p->flags |= PKT_ECT;
	egress_swap(p);
	p->source = p->flow.src;
	return STAGE_NEXT;
}

/* Turn it back, once all stages have seen it. */
static __always_inline void egress_end(struct pkt *p)
{
	if (!(p->flags & PKT_EGRESS))
		return;
	egress_swap(p);
	p->source = p->flow.src;
}

/* A limit that admitted it is near its end: say so in the packet. */
static __always_inline enum stage_result stage_egress_mark(struct pkt *p)
{
	__u32 i, near = 0;

	if (!(p->flags & PKT_ECT))
		return STAGE_NEXT;
#pragma unroll
	for (i = 0; i < LIMIT_SCOPES; i++)
		near |= p->limit[i].is_near;
	if (near && egress_set_ce(p))
		p->flags |= PKT_MARKED;
	return STAGE_NEXT;
}
