/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An ICMP error about a flow that is translated, with what it quotes. */
#pragma once

#include "nat_rewrite.h"

#define NAT_ICMP_BYTES 8

/* What an error quotes: the same packet seen from the other side. */
struct nat_quoted {
	__u32 ip_at;
	__u32 l4_at;
	__u64 sum; /* by which the error's checksum changes */
};

static __always_inline long nat_quoted_v4(FRAME_CONTEXT *ctx, const struct nat_change *c,
					  struct nat_quoted *q)
{
	struct nat_part_v4 part;
	__u32 at = q->ip_at + __builtin_offsetof(struct iphdr, ttl);
	__sum16 check;
	__u64 sum;
	__u8 ihl;

	if (frame_load(ctx, q->ip_at, &ihl, 1) || frame_load(ctx, at, &part, sizeof(part)))
		return -1;
	check = part.check;
	sum = nat_sum_32(~check & 0xffff, part.src, c->dst.w[3]);
	sum = nat_sum_32(sum, part.dst, c->src.w[3]);
	part.check = csum_fold(sum);
	q->sum = nat_sum_16(q->sum, check, part.check);
	part.src = c->dst.w[3];
	part.dst = c->src.w[3];
	q->l4_at = q->ip_at + (ihl & 15) * 4;
	return frame_patch(ctx, at, &part, sizeof(part));
}

static __always_inline long nat_quoted_v6(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
					  const struct nat_change *c, struct nat_quoted *q)
{
	__u32 at = q->ip_at + __builtin_offsetof(struct ipv6hdr, nexthdr);
	struct nat_part_v6 part;

	if (frame_load(ctx, at, &part.at, sizeof(part.at)) || part.at.next != p->flow.proto)
		return -1;
	part.address[0] = c->dst;
	part.address[1] = c->src;
	q->l4_at = q->ip_at + sizeof(struct ipv6hdr);
	return frame_patch(ctx, q->ip_at + NAT_V6_ADDRESS_AT, part.address, sizeof(part.address));
}

/* Ports, and of UDP the checksum, are within the eight bytes that are always quoted. */
static __always_inline long nat_quoted_l4(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
					  const struct nat_change *c, struct nat_quoted *q)
{
	__be16 word[4];
	__sum16 check;

	if (frame_load(ctx, q->l4_at, word, sizeof(word)))
		return -1;
	word[0] = c->dport;
	word[1] = c->sport;
	check = word[3];
	if (p->flow.proto == PROTO_UDP && check) {
		word[3] = csum_fold((~check & 0xffff) + c->addresses + c->ports);
		word[3] = word[3] ? word[3] : 0xffff;
	}
	q->sum = nat_sum_16(q->sum + c->addresses + c->ports, check, word[3]);
	return frame_patch(ctx, q->l4_at, word, sizeof(word));
}

/*
 * An ICMP error about the flow. Its source becomes what the other side knows of it, except that of
 * a router at a flow whose client's address stays: so it is not refused as forged.
 */
__noinline int nat_error(FRAME_CONTEXT *ctx, struct pkt_facts *p)
{
	struct nat_change *c = nat_work_get();
	struct nat_quoted q = {};
	struct addr source;
	__sum16 check;
	bool v6;

	if (!p || !c) /* never; a global function's argument may be, for the verifier */
		return -1;
	v6 = p->flags & PKT_IPV6;
	p->reason = DROP_NAT_SHAPE;
	if (c->l4_at != p->l2_bytes + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))
		return -1;
	q.ip_at = c->l4_at + NAT_ICMP_BYTES;
	if ((v6 ? nat_quoted_v6(ctx, p, c, &q) : nat_quoted_v4(ctx, c, &q)) ||
	    nat_quoted_l4(ctx, p, c, &q) || frame_load(ctx, c->l4_at + 2, &check, sizeof(check)))
		return -1;
	source = c->src;
	if (c->src.w[0] == p->flow.src.w[0] && c->src.w[1] == p->flow.src.w[1] &&
	    c->src.w[2] == p->flow.src.w[2] && c->src.w[3] == p->flow.src.w[3])
		source = p->source;
	if (v6) {
		q.sum = nat_sum_addresses(q.sum, &p->source, &source, true);
		q.sum = nat_sum_addresses(q.sum, &p->flow.dst, &c->dst, true);
	}
	check = csum_fold((~check & 0xffff) + q.sum);
	if (nat_ip(ctx, p, c, &source) || frame_patch(ctx, c->l4_at + 2, &check, sizeof(check)))
		return -1;
	p->reason = DROP_NONE;
	return 0;
}
