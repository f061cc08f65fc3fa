/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP options of an answer, which are among those of its SYN and fit into their place; what is left
 * is padding.
 */
#pragma once

#include "../lib/proto.h"
#include "../lib/tcp_option.h"
#include "../pipeline.h"
#include "sluice/abi/guard.h"

#define GUARD_WSCALE_MAX 14 /* RFC 7323 s2.3 */

/* What a SYN is answered by; numbers in host order. */
struct guard_answer {
	__u32 seq;
	__u32 ack;
	__u32 window;
	__u32 mss;
	__u32 options; /* as struct guard has them */
	__u32 pad;
};

/*
 * Timestamps as the kernel's cookies have them (net/ipv4/syncookies.c): the low 6 bits of our clock
 * in ms are the client's window scale, or 15, and whether it takes selective acknowledgements.
 */
static __always_inline __u32 guard_timestamp(struct pkt_facts *p, const struct tcp_options *t)
{
	__u32 now_ms = pkt_now(p) / 1000000, value = now_ms & ~63U;

	if (!(t->has & TCP_HAS_WSCALE))
		value |= 15;
	else
		value |= t->wscale < GUARD_WSCALE_MAX ? t->wscale : GUARD_WSCALE_MAX;
	if (t->has & TCP_HAS_SACK)
		value |= 16;
	/* Not later than now: the connection goes on with the clock itself. */
	return (__s32)(value - now_ms) > 0 ? value - 64 : value;
}

/*
 * Options of the answer, each only if the SYN has it. They fit: the MSS takes one word, timestamps
 * three (with the SACK in the place of padding), the window scale one, as in what they answer.
 */
static __always_inline void guard_reply_options(struct pkt_facts *p, struct tcp_options *t,
						const struct guard_answer *answer)
{
	__u32 i;

#pragma unroll
	for (i = sizeof(struct tcphdr) / 4; i < TCP_HEADER_MAX / 4; i++)
		t->word[i] = i * 4 < t->bytes ? bpf_htonl(0x01010101) : 0;
	if (!(t->has & TCP_HAS_MSS))
		return;
	t->word[5] = bpf_htonl(TCP_OPTION_MSS << 24 | 4 << 16 | answer->mss);
	if (!(answer->options & GUARD_OPTIONS) || !(t->has & TCP_HAS_TIMESTAMP))
		return;
	t->word[6] = bpf_htonl(t->has & TCP_HAS_SACK ? 0x0402080a : 0x0101080a);
	t->word[7] = bpf_htonl(guard_timestamp(p, t));
	t->word[8] = bpf_htonl(t->timestamp);
	if (t->has & TCP_HAS_WSCALE)
		t->word[9] = bpf_htonl(0x01030300 | (answer->options & GUARD_WSCALE_MASK));
}
