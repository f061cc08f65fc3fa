/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet with other addresses and ports. Checksums are told of the difference (RFC 1624); one that UDP
 * over IPv4 does without stays away. It has passed a router, so its TTL is one less.
 *
 * The entry includes lib/frame_xdp.h or lib/frame_tc.h before this.
 */
#pragma once

#include "../lib/address.h"
#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/abi/nat.h"
#include "sluice/algo/csum.h"

#define NAT_OFFSET_MAX 127 /* what frame_patch reaches */

/* What it becomes, and what that changes in the sums of addresses and of ports. */
struct nat_change {
	struct addr src;
	struct addr dst;
	__be16 sport;
	__be16 dport;
	__u32 l4_at; /* from the start of the frame */
	__u64 addresses;
	__u64 ports;
};

/* What a packet becomes: too large for the stack, and the program is alone on its CPU. Not pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_change);
} nat_work SEC(".maps");

static __always_inline struct nat_change *nat_work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_work, &zero);
}

static __always_inline __u64 nat_sum_32(__u64 sum, __be32 from, __be32 to)
{
	return csum_add_32(csum_add_32(sum, ~from), to);
}

static __always_inline __u64 nat_sum_16(__u64 sum, __be16 from, __be16 to)
{
	return sum + (~from & 0xffff) + to;
}

/* Of a mapped IPv4 address only the last word differs. */
static __always_inline __u64 nat_sum_addresses(__u64 sum, const struct addr *from,
					       const struct addr *to, bool v6)
{
	__u32 i;

	sum = nat_sum_32(sum, from->w[3], to->w[3]);
#pragma unroll
	for (i = 0; i < 3; i++) {
		if (v6)
			sum = nat_sum_32(sum, from->w[i], to->w[i]);
	}
	return sum;
}

static __always_inline bool nat_is_same(const struct flow_key *a, const struct flow_key *b)
{
	__u32 differs = (__u32)(a->sport ^ b->sport) | (__u32)(a->dport ^ b->dport) |
			(__u32)(a->proto ^ b->proto);
	__u32 i;

#pragma unroll
	for (i = 0; i < 4; i++)
		differs |= (a->src.w[i] ^ b->src.w[i]) | (a->dst.w[i] ^ b->dst.w[i]);
	return !differs;
}

/*
 * What the packet of a slot's flow becomes. False: the slot is another's by now.
 *   is_back  it is an answer; the client and the vip talk to each other, as far as he knows
 */
static __always_inline bool nat_plan(const struct pkt_facts *p, const struct nat_flow *f,
				     bool is_back, struct nat_change *ret)
{
	const struct flow_key *is = is_back ? &f->answer : &f->client;
	const struct flow_key *becomes = is_back ? &f->client : &f->answer;
	bool v6 = p->flags & PKT_IPV6;

	ret->src = becomes->dst;
	ret->dst = becomes->src;
	ret->sport = becomes->dport;
	ret->dport = becomes->sport;
	barrier();
	if (!nat_is_same(is, &p->flow))
		return false;
	ret->ports =
		nat_sum_16(nat_sum_16(0, p->flow.sport, ret->sport), p->flow.dport, ret->dport);
	ret->addresses = nat_sum_addresses(0, &p->flow.src, &ret->src, v6);
	ret->addresses = nat_sum_addresses(ret->addresses, &p->flow.dst, &ret->dst, v6);
	return true;
}

/* Where the transport header is; 0: it is not where it can be worked on, for p->reason. */
static __always_inline __u32 nat_l4_at(FRAME_CONTEXT *ctx, struct pkt_facts *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = p->l2_bytes & 31;
	const struct ipv6hdr *v6 = data + at;
	const struct iphdr *v4 = data + at;

	p->reason = DROP_NAT_SHAPE;
	if (p->flags & PKT_IPV6) {
		if ((void *)(v6 + 1) > end || v6->nexthdr != p->proto)
			return 0;
		p->reason = v6->hop_limit > 1 ? DROP_NONE : DROP_TTL;
		return p->reason ? 0 : at + sizeof(*v6);
	}
	if ((void *)(v4 + 1) > end)
		return 0;
	p->reason = v4->ttl > 1 ? DROP_NONE : DROP_TTL;
	return p->reason ? 0 : at + v4->ihl * 4;
}

/* From the TTL on: TTL, protocol, checksum, addresses. */
struct nat_part_v4 {
	__be16 hop;
	__sum16 check;
	__be32 src;
	__be32 dst;
};

/* From the next header on; the addresses are written by words, which they are aligned for. */
struct nat_part_v6 {
	struct {
		__u8 next;
		__u8 hop;
	} at;
	struct addr address[2]; /* from, to */
};
#define NAT_V6_ADDRESS_AT (sizeof(struct ipv6hdr) - 2 * sizeof(struct addr))

static __always_inline long nat_ip_v4(FRAME_CONTEXT *ctx, __u32 at, const struct nat_change *c,
				      const struct addr *src)
{
	struct nat_part_v4 part;
	__be16 hop;
	__u64 sum;

	at += __builtin_offsetof(struct iphdr, ttl);
	if (frame_peek(ctx, at, &part, sizeof(part)))
		return -1;
	hop = part.hop;
	part.hop = bpf_htons(bpf_ntohs(hop) - 0x100);
	sum = nat_sum_16(~part.check & 0xffff, hop, part.hop);
	sum = nat_sum_32(nat_sum_32(sum, part.src, src->w[3]), part.dst, c->dst.w[3]);
	part.check = csum_fold(sum);
	part.src = src->w[3];
	part.dst = c->dst.w[3];
	return frame_patch(ctx, at, &part, sizeof(part));
}

static __always_inline long nat_ip_v6(FRAME_CONTEXT *ctx, __u32 at, const struct nat_change *c,
				      const struct addr *src)
{
	const __u32 next_at = at + __builtin_offsetof(struct ipv6hdr, nexthdr);
	struct nat_part_v6 part;

	if (frame_peek(ctx, next_at, &part.at, sizeof(part.at)))
		return -1;
	part.at.hop--;
	part.address[0] = *src;
	part.address[1] = c->dst;
	return frame_patch(ctx, next_at, &part.at, sizeof(part.at)) ||
	       frame_patch(ctx, at + NAT_V6_ADDRESS_AT, part.address, sizeof(part.address));
}

/* The IP header, with that source. */
static __always_inline long nat_ip(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
				   const struct nat_change *c, const struct addr *src)
{
	__u32 at = p->l2_bytes & 31;

	return p->flags & PKT_IPV6 ? nat_ip_v6(ctx, at, c, src) : nat_ip_v4(ctx, at, c, src);
}

/* The packet of a flow itself. */
__noinline int nat_packet(FRAME_CONTEXT *ctx, struct pkt_facts *p)
{
	struct nat_change *c = nat_work_get();
	__be16 ports[2];
	bool udp;

	if (!p || !c) /* never; a global function's argument may be, for the verifier */
		return -1;
	udp = p->proto == PROTO_UDP;
	ports[0] = c->sport;
	ports[1] = c->dport;
	if (nat_ip(ctx, p, c, &c->src) || frame_put_ports(ctx, c->l4_at & NAT_OFFSET_MAX, ports))
		return -1;
	return (int)frame_adjust_l4(ctx, (c->l4_at + (udp ? 6 : 16)) & NAT_OFFSET_MAX, c->addresses,
				    c->ports, udp);
}
