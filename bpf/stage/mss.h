/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maximum segment size that a SYN offers (RFC 9293 s3.7.1) is lowered to what its backend's record
 * says, and never raised. A SYN without one stays without: 536 bytes (1,220 of IPv6) are meant then, and
 * fit. So does one in a fragment, or behind extension headers.
 */
#pragma once

#include "../explain.h"
#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/algo/csum.h"

#define MSS_TCP_MAX	60
#define MSS_OPTIONS_MAX 24 /* options that are looked at; a real SYN has up to 8 */

enum mss_kind { MSS_KIND_END = 0, MSS_KIND_NOP = 1, MSS_KIND_MSS = 2 }; /* IANA */

struct mss_work {
	union {
		struct tcphdr tcp;
		__u8 byte[64];
	};
	__u32 bytes; /* 20..60 */
	__u32 at;
	__u32 value_at; /* 0: there is none */
	__u32 pad;
};

static __always_inline __u8 mss_byte(const struct mss_work *w, __u32 at)
{
	return w->byte[at & 63];
}

/*
 * Find the option; of several the last, as receivers do. Where it stands is kept in memory of which the
 * verifier knows nothing, so that all paths through an option look the same to it.
 */
__noinline int mss_find(struct mss_work *w)
{
	__u32 i, at, kind, bytes;

	if (!w) /* never; a global function's argument may be, for the verifier */
		return 0;
	w->at = sizeof(struct tcphdr);
	for (i = 0; i < MSS_OPTIONS_MAX; i++) {
		at = *(volatile __u32 *)&w->at;
		if (at >= w->bytes)
			return 0;
		kind = mss_byte(w, at);
		if (kind == MSS_KIND_END)
			return 0;
		bytes = kind == MSS_KIND_NOP ? 1 : mss_byte(w, at + 1);
		if (bytes == 0 || at + bytes > w->bytes || (bytes == 1 && kind != MSS_KIND_NOP))
			return 0;
		if (kind == MSS_KIND_MSS && bytes == 4)
			w->value_at = at + 2;
		*(volatile __u32 *)&w->at = at + bytes;
	}
	return 0;
}

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

static __always_inline bool mss_load(FRAME_CONTEXT *ctx, struct mss_work *w, __u32 at)
{
	__u32 bytes = w->bytes - 1;

	barrier_var(bytes); /* 1..64, which verifiers of before 6.3 understand */
	return !frame_load(ctx, at, w->byte, (bytes & 63) + 1);
}

/* Nothing of it is looked at behind: a SYN that cannot be changed goes on as it is. */
__noinline int mss_lower(FRAME_CONTEXT *ctx, struct pkt_facts *p, __u32 mss)
{
	struct mss_work w = {};
	__u8 to[2] = { mss >> 8, (__u8)mss };
	__u32 at, value_at;
	__be16 was, is;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	at = mss_tcp_at(ctx, p);
	w.bytes = p->header_bytes - at;
	if (!at || w.bytes <= sizeof(struct tcphdr) || w.bytes > MSS_TCP_MAX ||
	    !mss_load(ctx, &w, at))
		return 0;
	mss_find(&w);
	value_at = *(volatile __u32 *)&w.value_at;
	was = bpf_htons((__u16)(mss_byte(&w, value_at) << 8 | mss_byte(&w, value_at + 1)));
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
