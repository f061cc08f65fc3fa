/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Echo requests (RFC 792, RFC 4443 s4.1) to an address of vips are answered here: no backend needs to be
 * reached for it, and each has the same address. Asked is the vip that fragments of TCP to the address go
 * to, then the one of UDP. Lists, verdicts and limits were met before.
 *
 * Not answered, but left to the host: what has IP options or extension headers, is a fragment, is from
 * nobody's own address (RFC 1122 s3.2.2.6, RFC 4443 s4.2), or came in a frame for many.
 */
#pragma once

#include "../explain.h"
#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/algo/csum.h"
#include "sluice/algo/gcra.h"
#include "vip_wide.h"

#define VIP_ECHO_TTL   64
#define VIP_ECHO_TRIES 2

/* When the bucket of answers is full again; shared by all CPUs. */
__u64 vip_echo_tat = 0;

/* The first bytes of a request and of its answer: link, tags, IP, ICMP. */
struct vip_echo_headers {
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
		__be16 word[20];
	};
	__u8 mac[12];
	struct {
		__u8 type;
		__u8 code;
		__sum16 check;
	} icmp;
};

/* A function of its own: its stack is not the answer's. */
__noinline int vip_echo_is_wanted(struct pkt_facts *p)
{
	struct vip_wide_key key = { .len_bits = VIP_WIDE_PROTO_BITS + 128, .proto = PROTO_TCP };
	const struct vip_wide *wide;
	const struct vip *vip;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return false;
	key.addr = p->flow.dst;
	wide = bpf_map_lookup_elem(&vip_wide, &key);
	if (!wide) {
		key.proto = PROTO_UDP;
		wide = bpf_map_lookup_elem(&vip_wide, &key);
	}
	vip = wide ? bpf_map_lookup_elem(&vips, &wide->fragments) : NULL;
	return vip && (vip->flags & VIP_ECHO);
}

__noinline int vip_echo_may_answer(struct pkt_facts *p)
{
	struct gcra_rate rate = { .tolerance_fp = GCRA_FP_PER_S / 10 };
	__u64 now_fp;

	if (!p || echo_per_s == 0)
		return false;
	rate.mult = GCRA_FP_PER_S / echo_per_s;
	if (rate.tolerance_fp < rate.mult)
		rate.tolerance_fp = rate.mult;
	now_fp = gcra_now_fp(pkt_now_coarse(p));
	if (explaining)
		return gcra_wait_ns(&vip_echo_tat, &rate, now_fp, 1) == 0;
	return gcra_spend(&vip_echo_tat, &rate, now_fp, 1, VIP_ECHO_TRIES) == GCRA_ADMIT;
}

/* Somebody's own address: not a group's, this host's to itself, or none. */
static __always_inline bool vip_echo_is_somebody(const struct pkt_facts *p)
{
	const __u8 first = p->flags & PKT_IPV6 ? p->source.b[0] : p->source.b[12];

	if (p->flags & PKT_IPV6)
		return first != 0xff && (p->source.w[0] | p->source.w[1] | p->source.w[2]);
	return first != 0 && first != 127 && first < 224;
}

/* Headers of fixed length, that ICMP's first 8 bytes follow at once. */
static __always_inline bool vip_echo_is_plain(const struct pkt_facts *p)
{
	const __u32 ip_bytes = p->flags & PKT_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	return !(p->flags & PKT_FRAGMENT) && p->header_bytes == p->l2_bytes + ip_bytes + 8 &&
	       vip_echo_is_somebody(p);
}

/* Addresses change places, which no checksum sees; the time to live begins anew. */
static __always_inline void vip_echo_turn_v4(struct iphdr *ip)
{
	const __be32 saddr = ip->saddr;
	__be16 was, is;

	__builtin_memcpy(&was, &ip->ttl, sizeof(was));
	ip->ttl = VIP_ECHO_TTL;
	__builtin_memcpy(&is, &ip->ttl, sizeof(is));
	ip->check = csum_replace_16(ip->check, was, is);
	ip->saddr = ip->daddr;
	ip->daddr = saddr;
}

static __always_inline void vip_echo_turn_v6(struct ipv6hdr *ip)
{
	const struct in6_addr saddr = ip->saddr;

	ip->hop_limit = VIP_ECHO_TTL;
	ip->saddr = ip->daddr;
	ip->daddr = saddr;
}

/*
 * Where all that it covers becomes zero the sum is as well, and 0 would not be a checksum of that; the
 * other zero is, of all that has 0.
 */
static __always_inline void vip_echo_turn_icmp(struct vip_echo_headers *h, __u8 type)
{
	const __be16 was = bpf_htons((__u16)(h->icmp.type << 8)),
		     is = bpf_htons((__u16)(type << 8));

	h->icmp.type = type;
	h->icmp.check = csum_replace_16(h->icmp.check, was, is);
	if (!h->icmp.check)
		h->icmp.check = 0xffff;
}

static __always_inline long vip_echo_swap_link(FRAME_CONTEXT *ctx, struct vip_echo_headers *h)
{
	__u8 back[12];

	__builtin_memcpy(back, h->mac + 6, 6);
	__builtin_memcpy(back + 6, h->mac, 6);
	return frame_store(ctx, 0, back, sizeof(back));
}

/* STAGE_REPLY, or STAGE_DROP. Checked by the verifier on its own. */
__noinline int vip_echo_answer(FRAME_CONTEXT *ctx, struct pkt_facts *p)
{
	struct vip_echo_headers h = {};
	__u32 l2, at;
	bool v6;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return STAGE_DROP;
	v6 = p->flags & PKT_IPV6;
	l2 = p->l2_bytes;
	at = l2 + (v6 ? sizeof(h.v6) : sizeof(h.v4));
	p->reason = DROP_INTERNAL;
	if (frame_load(ctx, 0, h.mac, sizeof(h.mac)) ||
	    frame_load(ctx, at, &h.icmp, sizeof(h.icmp)) ||
	    (v6 ? frame_load(ctx, l2, &h.v6, sizeof(h.v6))
		: frame_load(ctx, l2, &h.v4, sizeof(h.v4))))
		return STAGE_DROP;
	if (v6)
		vip_echo_turn_v6(&h.v6);
	else
		vip_echo_turn_v4(&h.v4);
	vip_echo_turn_icmp(&h, v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY);
	if (vip_echo_swap_link(ctx, &h) || frame_store(ctx, at, &h.icmp, sizeof(h.icmp)) ||
	    (v6 ? frame_store(ctx, l2, &h.v6, sizeof(h.v6))
		: frame_store(ctx, l2, &h.v4, sizeof(h.v4))))
		return STAGE_DROP;
	p->reason = DROP_NONE;
	return STAGE_REPLY;
}

static __always_inline bool vip_echo_is_for_one(const struct pkt *p)
{
	const struct ethhdr *eth = p->data;

	return (void *)(eth + 1) <= p->end && !(eth->h_dest[0] & 1);
}

static __always_inline enum stage_result stage_vip_echo(struct pkt *p)
{
	if (!(p->flags & PKT_ECHO) || !vip_enabled || echo_per_s == 0 || vip_is_empty())
		return STAGE_NEXT;
	if (!vip_echo_is_plain(&p->facts) || !vip_echo_is_for_one(p) ||
	    !vip_echo_is_wanted(&p->facts))
		return STAGE_NEXT;
	if (!vip_echo_may_answer(&p->facts))
		return drop(p, DROP_ECHO);
	/* It is the last to touch the packet: the verifier is told so. */
	return vip_echo_answer(p->ctx, &p->facts) == STAGE_REPLY ? STAGE_REPLY : STAGE_DROP;
}
