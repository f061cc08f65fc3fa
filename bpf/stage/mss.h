/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maximum segment size that a SYN offers (RFC 9293 s3.7.1) is lowered to what its backend's record
 * says, and never raised. A SYN without one stays without: 536 bytes (1,220 of IPv6) are meant then, and
 * fit. So does one in a fragment, or behind extension headers.
 */
#pragma once

#include "../explain.h"
#include "../lib/proto.h"
#include "../lib/tcp_option.h"
#include "../pipeline.h"
#include "sluice/algo/csum.h"

/* Where the TCP header is; 0: behind extension headers, or nowhere. */
static __always_inline __u32 mss_tcp_at(FRAME_CONTEXT *ctx, const struct pkt_facts *p)
{
	__u8 byte = 0;

	if (p->flags & PKT_IPV6) {
		frame_load(ctx, p->l2_bytes + __builtin_offsetof(struct ipv6hdr, nexthdr), &byte,
			   1);
		return byte == PROTO_TCP ? p->l2_bytes + sizeof(struct ipv6hdr) : 0;
	}
	return frame_load(ctx, p->l2_bytes, &byte, 1) ? 0 : p->l2_bytes + (byte & 15) * 4;
}

static __always_inline bool mss_load(FRAME_CONTEXT *ctx, struct tcp_options *w, __u32 at)
{
	__u32 bytes = w->bytes - 1;

	barrier_var(bytes); /* 1..64, which verifiers of before 6.3 understand */
	return !frame_load(ctx, at, w->byte, (bytes & 63) + 1);
}

/* Nothing of it is looked at behind: a SYN that cannot be changed goes on as it is. */
__noinline int mss_lower(FRAME_CONTEXT *ctx, struct pkt_facts *p, __u32 mss)
{
	struct tcp_options w = {};
	__u8 to[2] = { mss >> 8, (__u8)mss };
	__u32 at, value_at;
	__be16 was, is;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	at = mss_tcp_at(ctx, p);
	w.bytes = p->header_bytes - at;
	if (!at || w.bytes <= sizeof(struct tcphdr) || w.bytes > TCP_HEADER_MAX ||
	    !mss_load(ctx, &w, at))
		return 0;
	tcp_option_read(&w);
	value_at = *(volatile __u32 *)&w.mss_at;
	was = bpf_htons(
		(__u16)(tcp_option_byte(&w, value_at) << 8 | tcp_option_byte(&w, value_at + 1)));
	if (!value_at || bpf_ntohs(was) <= mss)
		return 0;
	if (explaining)
		explain_mss(bpf_ntohs(was), mss);
	is = bpf_htons((__u16)mss);
	if (value_at & 1) { /* half in one word of the sum, half in the next */
		was = __builtin_bswap16(was);
		is = __builtin_bswap16(is);
	}
	frame_patch_summed(ctx, at + (value_at & 63), to,
			   at + __builtin_offsetof(struct tcphdr, check), was, is);
	return 0;
}

static __always_inline enum stage_result stage_mss(struct pkt *p)
{
	FRAME_CONTEXT *ctx = p->ctx;

	if (!p->backend || !p->backend->mss || !(p->flags & PKT_SYN) ||
	    (p->flags & (PKT_FRAGMENT | PKT_QUOTES)))
		return STAGE_NEXT;
	mss_lower(ctx, &p->facts, p->backend->mss);
	p->data = (void *)(long)ctx->data;
	p->end = (void *)(long)ctx->data_end;
	return STAGE_NEXT;
}
