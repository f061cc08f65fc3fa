/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct server return to backends that need not be on the link: the packet is put into one to the
 * backend's own address, by IP in IP (RFC 2003, RFC 2473) or by UDP (GUE, variant 1: the inner packet
 * follows the UDP header, as Linux's fou takes it). The backend takes it out, has the vip's address
 * and answers by itself.
 *
 * The inner packet has passed a router: its TTL is one less (RFC 2003 s3.1). The outer one copies its
 * traffic class, with ECN as it is (RFC 6040 s4.1, normal mode). UDP has no checksum, over IPv6 neither
 * (RFC 6935 s5): the inner packet has its own, and it cannot be summed here. Its source port, and the
 * flow label of IPv6 (RFC 6438), differ by flow, so that routers and receivers spread flows.
 */
#pragma once

#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/algo/csum.h"

#define ENCAP_TTL 64
/* RFC 6335 s6: ports that nobody is assigned. */
#define ENCAP_PORT_FIRST 0xc000

/* What of the inner header the outer one depends on, and its part with one hop less to live. */
struct encap_inner {
	__u32 bytes; /* the packet's */
	__u8 traffic_class;
	__u8 v6;
	__be16 id;   /* IPv4 */
	__be16 frag; /* IPv4, as in the header */
	__u16 hop_at;
	/* IPv4: TTL, protocol, checksum; IPv6: next header, hop limit. */
	union {
		__u8 hop[4];
		__be16 hop_word[2];
	};
};

/* The checksum is told of the difference (RFC 1624). */
static __always_inline bool encap_read_v4(const struct iphdr *ip, struct encap_inner *ret)
{
	__be16 before;

	ret->traffic_class = ip->tos;
	ret->id = ip->id;
	ret->frag = ip->frag_off;
	ret->hop_at = __builtin_offsetof(struct iphdr, ttl);
	__builtin_memcpy(&before, &ip->ttl, sizeof(before));
	ret->hop[0] = ip->ttl - 1;
	ret->hop[1] = ip->protocol;
	ret->hop_word[1] = csum_replace_16(ip->check, before, ret->hop_word[0]);
	return ip->ttl > 1;
}

static __always_inline bool encap_read_v6(const struct ipv6hdr *ip, struct encap_inner *ret)
{
	ret->traffic_class = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	ret->hop_at = __builtin_offsetof(struct ipv6hdr, nexthdr);
	ret->hop[0] = ip->nexthdr;
	ret->hop[1] = ip->hop_limit - 1;
	return ip->hop_limit > 1;
}

/* False, with the reason, where it cannot go on. */
static __always_inline bool encap_read(FRAME_CONTEXT *ctx, struct pkt_facts *p,
				       struct encap_inner *ret)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *at = data + (p->l2_bytes & 31);

	p->reason = DROP_INTERNAL;
	ret->bytes = p->l3_bytes;
	ret->v6 = p->flags & PKT_IPV6;
	if (at + (ret->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > end)
		return false;
	p->reason = DROP_TTL;
	return ret->v6 ? encap_read_v6(at, ret) : encap_read_v4(at, ret);
}

/* Count the hop in the inner header, once it is behind the outer ones. */
static __always_inline long encap_hop(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
				      const struct frame_outer *o, const struct encap_inner *in)
{
	__u32 at = p->l2_bytes + frame_outer_bytes(o) + in->hop_at;

	return in->v6 ? frame_patch(ctx, at, in->hop, 2) : frame_patch(ctx, at, in->hop, 4);
}

/* Of what the kernel merged, lengths past 64 KiB are 0, as it has them itself (BIG TCP). */
static __always_inline __be16 encap_length(__u32 bytes)
{
	return bytes > 0xffff ? 0 : bpf_htons((__u16)bytes);
}

static __always_inline void encap_udp_make(struct udphdr *udp, const struct pkt_facts *p,
					   const struct backend *b, __u32 inner_bytes)
{
	udp->source = bpf_htons(ENCAP_PORT_FIRST | p->flow_bits);
	udp->dest = b->port;
	udp->len = encap_length(inner_bytes + BACKEND_OUTER_UDP);
	udp->check = 0;
}

/*
 * RFC 6864: what may be fragmented needs an id that its source does not use twice: the inner one's,
 * told apart by flow. Don't Fragment is what the inner packet says (RFC 2003 s3.1).
 */
static __always_inline void encap_v4_make(struct frame_outer_v4 *o, const struct pkt_facts *p,
					  const struct backend *b, const struct encap_inner *in)
{
	__u32 udp_bytes = b->mode == BACKEND_GUE ? BACKEND_OUTER_UDP : 0;
	const __be16 *word = (const __be16 *)&o->ip;
	__u64 sum = 0;
	__u32 i;

	o->ip.version = 4;
	o->ip.ihl = sizeof(o->ip) / 4;
	o->ip.tos = in->traffic_class;
	o->ip.tot_len = encap_length(in->bytes + udp_bytes + BACKEND_OUTER_V4);
	o->ip.frag_off = in->frag & bpf_htons(IPV4_FRAG_DONT);
	o->ip.id = o->ip.frag_off ? 0 : in->id ^ bpf_htons(p->flow_bits);
	o->ip.ttl = ENCAP_TTL;
	o->ip.protocol = udp_bytes ? PROTO_UDP : PROTO_IPIP;
	o->ip.saddr = b->source.w[3];
	o->ip.daddr = b->addr.w[3];
#pragma unroll
	for (i = 0; i < sizeof(o->ip) / 2; i++)
		sum += word[i];
	o->ip.check = csum_fold(sum);
	encap_udp_make(&o->udp, p, b, in->bytes);
}

static __always_inline void encap_v6_make(struct frame_outer_v6 *o, const struct pkt_facts *p,
					  const struct backend *b, const struct encap_inner *in)
{
	__u32 udp_bytes = b->mode == BACKEND_GUE ? BACKEND_OUTER_UDP : 0;

	o->first = bpf_htonl(6U << 28 | (__u32)in->traffic_class << 20 | p->flow_bits);
	o->ip.payload_len = encap_length(in->bytes + udp_bytes);
	o->ip.nexthdr = udp_bytes ? PROTO_UDP : in->v6 ? PROTO_IPV6 : PROTO_IPIP;
	o->ip.hop_limit = ENCAP_TTL;
	__builtin_memcpy(&o->ip.saddr, &b->source, sizeof(o->ip.saddr));
	__builtin_memcpy(&o->ip.daddr, &b->addr, sizeof(o->ip.daddr));
	encap_udp_make(&o->udp, p, b, in->bytes);
}

/* The packet, to be sent to its backend. Checked by the verifier on its own. */
__noinline int encap_push(FRAME_CONTEXT *ctx, struct pkt_facts *p, struct backend *b)
{
	struct encap_inner inner = {};
	struct frame_outer o = {};

	if (!p || !b) /* never; a global function's argument may be, for the verifier */
		return STAGE_DROP;
	if (!encap_read(ctx, p, &inner))
		return STAGE_DROP;
	frame_link_to(&o.link, b);
	o.has_udp = b->mode == BACKEND_GUE;
	o.v6 = !address_is_mapped(&b->addr);
	o.link.h_proto = o.v6 ? bpf_htons(ETHER_IPV6) : bpf_htons(ETHER_IPV4);
	if (o.v6)
		encap_v6_make(&o.v6_udp, p, b, &inner);
	else
		encap_v4_make(&o.v4, p, b, &inner);
	p->reason = DROP_ENCAP;
	if ((inner.v6 && !o.v6) || frame_push(ctx, p->l2_bytes, &o) ||
	    encap_hop(ctx, p, &o, &inner))
		return STAGE_DROP;
	p->reason = DROP_NONE;
	p->egress_ifindex = b->ifindex;
	return STAGE_TX;
}

static __always_inline enum stage_result stage_encap(struct pkt *p)
{
	if (!p->backend || p->backend->mode == BACKEND_L2 || p->backend->mode == BACKEND_NAT)
		return STAGE_NEXT;
	/* It is the last to touch the packet: the verifier is told so. */
	return encap_push(p->ctx, &p->facts, p->backend) == STAGE_TX ? STAGE_TX : STAGE_DROP;
}
