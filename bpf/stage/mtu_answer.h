/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * "Fragmentation needed" (RFC 792, RFC 1191) and "packet too big" (RFC 4443 s3.2), made of the packet
 * that was too big, from the vip's address: it says what fits to the flow's backend, outer headers
 * taken off. Not to fragments, to errors, or to who is nobody's address (RFC 1812 s4.3.2.7, RFC 4443
 * s2.4), and not oftener than too_big_per_s over all CPUs.
 *
 * An IPv4 packet that may be fragmented is answered like one that may not: nothing here fragments, and
 * its sender can. It quotes all that an error may have: 576 bytes in all, or 1,280 of IPv6. A backend's
 * MTU below that leaves packets without an answer.
 */
#pragma once

#include "../lib/proto.h"
#include "../explain.h"
#include "../pipeline.h"
#include "sluice/algo/csum.h"
#include "sluice/algo/gcra.h"

#define MTU_QUOTE_V4   548
#define MTU_QUOTE_V6   1232
#define MTU_ICMP_BYTES 8
#define MTU_TTL	       64
#define MTU_PRECEDENCE 0xc0 /* internetwork control: RFC 1812 s4.3.2.5 */
#define MTU_TRIES      2
#define MTU_SUM_MAX    512 /* what bpf_csum_diff takes at a time */

/* When the bucket of answers is full again; shared by all CPUs. */
__u64 mtu_answers_tat = 0;

/* A function of its own, as the next: their stack is not the answer's. */
__noinline int mtu_may_answer(struct pkt_facts *p)
{
	struct gcra_rate rate = { .tolerance_fp = GCRA_FP_PER_S / 10 };

	if (!p || too_big_per_s == 0)
		return false;
	rate.mult = GCRA_FP_PER_S / too_big_per_s;
	if (rate.tolerance_fp < rate.mult)
		rate.tolerance_fp = rate.mult;
	if (explaining)
		return gcra_wait_ns(&mtu_answers_tat, &rate, gcra_now_fp(pkt_now_coarse(p)), 1) ==
		       0;
	return gcra_spend(&mtu_answers_tat, &rate, gcra_now_fp(pkt_now_coarse(p)), 1, MTU_TRIES) ==
	       GCRA_ADMIT;
}

/* Somebody's own address: not a group's, this host's to itself, or none. */
static __always_inline bool mtu_is_somebody(const struct pkt_facts *p)
{
	__u8 first = p->flags & PKT_IPV6 ? p->source.b[0] : p->source.b[12];

	if (p->flags & PKT_IPV6)
		return first != 0xff && (p->source.w[0] | p->source.w[1] | p->source.w[2]);
	return first != 0 && first != 127 && first < 224;
}

static __always_inline bool mtu_is_answerable(const struct pkt_facts *p)
{
	__u32 quote = p->flags & PKT_IPV6 ? MTU_QUOTE_V6 : MTU_QUOTE_V4;

	return !(p->flags & (PKT_FRAGMENT | PKT_QUOTES)) && p->l3_bytes >= quote &&
	       mtu_is_somebody(p);
}

/* Add `bytes` (a constant) from `at` to *sum; false: they are not readable. */
static __always_inline bool mtu_sum(__u64 *sum, void *at, void *end, const __u32 bytes)
{
	__s64 more;

	if (at + bytes > end)
		return false;
	more = bpf_csum_diff(NULL, 0, at, bytes, 0);
	*sum += (__u32)more;
	return more >= 0;
}

/* Of what will be quoted, in 16 bits as in memory; negative: it is not readable. */
__noinline int mtu_sum_quote(FRAME_CONTEXT *ctx, __u32 l2_bytes, __u32 v6)
{
	void *at = (void *)(long)ctx->data + (l2_bytes & 31);
	void *end = (void *)(long)ctx->data_end;
	__u64 sum = 0;
	bool all = mtu_sum(&sum, at, end, MTU_SUM_MAX);

	if (v6)
		all = all && mtu_sum(&sum, at + MTU_SUM_MAX, end, MTU_SUM_MAX) &&
		      mtu_sum(&sum, at + 2 * MTU_SUM_MAX, end, MTU_QUOTE_V6 - 2 * MTU_SUM_MAX);
	else
		all = all && mtu_sum(&sum, at + MTU_SUM_MAX, end, MTU_QUOTE_V4 - MTU_SUM_MAX);
	return all ? ~csum_fold(sum) & 0xffff : -1;
}

/* The eight bytes of ICMP are where an outer UDP header would be. */
static __always_inline void mtu_icmp(__be32 *icmp, __u8 type, __u8 code, __u32 mtu, __u64 sum)
{
	icmp[0] = bpf_htonl((__u32)type << 24 | (__u32)code << 16);
	icmp[1] = bpf_htonl(mtu);
	sum = csum_add_32(csum_add_32(sum, icmp[0]), icmp[1]);
	icmp[0] |= bpf_htonl(bpf_ntohs(csum_fold(sum)));
}

static __always_inline void mtu_make_v4(struct frame_outer_v4 *o, const struct pkt_facts *p,
					__u32 mtu, __u64 sum)
{
	const __be16 *word = (const __be16 *)&o->ip;
	__u64 header = 0;
	__u32 i;

	o->ip.version = 4;
	o->ip.ihl = sizeof(o->ip) / 4;
	o->ip.tos = MTU_PRECEDENCE;
	o->ip.tot_len = bpf_htons(sizeof(o->ip) + MTU_ICMP_BYTES + MTU_QUOTE_V4);
	o->ip.frag_off = bpf_htons(IPV4_FRAG_DONT); /* and so no id: RFC 6864 s4.1 */
	o->ip.ttl = MTU_TTL;
	o->ip.protocol = PROTO_ICMP;
	o->ip.saddr = p->flow.dst.w[3];
	o->ip.daddr = p->flow.src.w[3];
#pragma unroll
	for (i = 0; i < sizeof(o->ip) / 2; i++)
		header += word[i];
	o->ip.check = csum_fold(header);
	mtu_icmp((__be32 *)&o->udp, 3, 4, mtu, sum);
}

static __always_inline void mtu_make_v6(struct frame_outer_v6 *o, const struct pkt_facts *p,
					__u32 mtu, __u64 sum)
{
	__u32 i;

	o->ip.version = 6;
	o->ip.priority = MTU_PRECEDENCE >> 4;
	o->ip.payload_len = bpf_htons(MTU_ICMP_BYTES + MTU_QUOTE_V6);
	o->ip.nexthdr = PROTO_ICMPV6;
	o->ip.hop_limit = MTU_TTL;
	__builtin_memcpy(&o->ip.saddr, &p->flow.dst, sizeof(o->ip.saddr));
	__builtin_memcpy(&o->ip.daddr, &p->flow.src, sizeof(o->ip.daddr));
	/* The pseudo-header (RFC 8200 s8.1). */
#pragma unroll
	for (i = 0; i < 4; i++)
		sum = csum_add_32(csum_add_32(sum, p->flow.dst.w[i]), p->flow.src.w[i]);
	sum = csum_add_32(sum, bpf_htonl(MTU_ICMP_BYTES + MTU_QUOTE_V6));
	sum = csum_add_32(sum, bpf_htonl(PROTO_ICMPV6));
	mtu_icmp((__be32 *)&o->udp, 2, 0, mtu, sum);
}

/* The link header, turned around; false for a frame that was for many. */
static __always_inline bool mtu_link(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
				     struct frame_outer *o)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || (eth->h_dest[0] & 1))
		return false;
	__builtin_memcpy(o->link.h_dest, eth->h_source, sizeof(o->link.h_dest));
	__builtin_memcpy(o->link.h_source, eth->h_dest, sizeof(o->link.h_source));
	o->link.h_proto = p->flags & PKT_IPV6 ? bpf_htons(ETHER_IPV6) : bpf_htons(ETHER_IPV4);
	o->v6 = p->flags & PKT_IPV6;
	o->has_udp = 1;
	o->is_plain = 1;
	return true;
}

/* STAGE_REPLY, or STAGE_DROP. Checked by the verifier on its own. */
__noinline int mtu_answer(FRAME_CONTEXT *ctx, struct pkt_facts *p, __u32 mtu)
{
	struct frame_outer o = {};
	__u32 keep;
	int sum;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return STAGE_DROP;
	keep = p->l2_bytes + (p->flags & PKT_IPV6 ? MTU_QUOTE_V6 : MTU_QUOTE_V4);
	/* What cannot be answered spends nothing, and is dropped as it came. */
	if (!mtu_is_answerable(p) || !frame_takes_outer(p->l2_bytes) || !mtu_link(ctx, p, &o) ||
	    !mtu_may_answer(p) || frame_pull(ctx, keep))
		return STAGE_DROP;
	sum = mtu_sum_quote(ctx, p->l2_bytes, p->flags & PKT_IPV6);
	if (sum < 0)
		return STAGE_DROP;
	if (o.v6)
		mtu_make_v6(&o.v6_udp, p, mtu, (__u32)sum);
	else
		mtu_make_v4(&o.v4, p, mtu, (__u32)sum);
	if (frame_cut(ctx, p->frame_bytes, keep) || frame_push(ctx, p->l2_bytes, &o))
		return STAGE_DROP;
	return STAGE_REPLY;
}
