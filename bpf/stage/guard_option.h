/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP options: what those of a SYN say, and those of its answer, which are among them and fit into
 * their place; what is left is padding.
 */
#pragma once

#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/abi/guard.h"

#define GUARD_TCP_MAX	  60
#define GUARD_OPTIONS_MAX 24 /* options that are looked at; a real SYN has up to 8 */
#define GUARD_WSCALE_MAX  14 /* RFC 7323 s2.3 */

enum guard_option {
	GUARD_HAS_MSS = 1,
	GUARD_HAS_WSCALE = 2,
	GUARD_HAS_SACK = 4,
	GUARD_HAS_TIMESTAMP = 8,
};

/* TCP option kinds (IANA). */
enum guard_option_kind {
	GUARD_KIND_END = 0,
	GUARD_KIND_NOP = 1,
	GUARD_KIND_MSS = 2,
	GUARD_KIND_WSCALE = 3,
	GUARD_KIND_SACK = 4,
	GUARD_KIND_TIMESTAMP = 8,
};

/* A TCP header, and what its options say. */
struct guard_tcp {
	union {
		struct tcphdr tcp;
		__u8 byte[64];
		__be32 word[16];
	};
	__u32 bytes; /* 20..60 */
	__u32 has;   /* enum guard_option */
	__u32 wscale;
	__u32 timestamp; /* host order */
	__u32 at;
	__u32 pad;
};

/* What a SYN is answered by; numbers in host order. */
struct guard_answer {
	__u32 seq;
	__u32 ack;
	__u32 window;
	__u32 mss;
	__u32 options; /* as struct guard has them */
	__u32 pad;
};

static __always_inline __u8 guard_byte(const struct guard_tcp *t, __u32 at)
{
	return t->byte[at & 63];
}

/*
 * Read the options of a SYN. Where it stands is kept in memory of which the verifier knows nothing,
 * so that all paths through an option look the same to it.
 */
__noinline int guard_options(struct guard_tcp *t)
{
	__u32 i, at, kind, bytes;

	if (!t) /* never; a global function's argument may be, for the verifier */
		return 0;
	t->at = sizeof(struct tcphdr);
	for (i = 0; i < GUARD_OPTIONS_MAX; i++) {
		at = *(volatile __u32 *)&t->at;
		if (at >= t->bytes)
			return 0;
		kind = guard_byte(t, at);
		if (kind == GUARD_KIND_END)
			return 0;
		bytes = kind == GUARD_KIND_NOP ? 1 : guard_byte(t, at + 1);
		if (bytes == 0 || at + bytes > t->bytes || (bytes == 1 && kind != GUARD_KIND_NOP))
			return 0;
		if (kind == GUARD_KIND_MSS && bytes == 4)
			t->has |= GUARD_HAS_MSS;
		if (kind == GUARD_KIND_SACK && bytes == 2)
			t->has |= GUARD_HAS_SACK;
		if (kind == GUARD_KIND_WSCALE && bytes == 3) {
			t->has |= GUARD_HAS_WSCALE;
			t->wscale = guard_byte(t, at + 2);
		}
		if (kind == GUARD_KIND_TIMESTAMP && bytes == 10) {
			t->has |= GUARD_HAS_TIMESTAMP;
			t->timestamp = (__u32)guard_byte(t, at + 2) << 24 |
				       (__u32)guard_byte(t, at + 3) << 16 |
				       (__u32)guard_byte(t, at + 4) << 8 | guard_byte(t, at + 5);
		}
		*(volatile __u32 *)&t->at = at + bytes;
	}
	return 0;
}

/*
 * Timestamps as the kernel's cookies have them (net/ipv4/syncookies.c): the low 6 bits of our clock
 * in ms are the client's window scale, or 15, and whether it takes selective acknowledgements.
 */
static __always_inline __u32 guard_timestamp(struct pkt_facts *p, const struct guard_tcp *t)
{
	__u32 now_ms = pkt_now(p) / 1000000, value = now_ms & ~63U;

	if (!(t->has & GUARD_HAS_WSCALE))
		value |= 15;
	else
		value |= t->wscale < GUARD_WSCALE_MAX ? t->wscale : GUARD_WSCALE_MAX;
	if (t->has & GUARD_HAS_SACK)
		value |= 16;
	/* Not later than now: the connection goes on with the clock itself. */
	return (__s32)(value - now_ms) > 0 ? value - 64 : value;
}

/*
 * Options of the answer, each only if the SYN has it. They fit: the MSS takes one word, timestamps
 * three (with the SACK in the place of padding), the window scale one, as in what they answer.
 */
static __always_inline void guard_reply_options(struct pkt_facts *p, struct guard_tcp *t,
						const struct guard_answer *answer)
{
	__u32 i;

#pragma unroll
	for (i = sizeof(struct tcphdr) / 4; i < GUARD_TCP_MAX / 4; i++)
		t->word[i] = i * 4 < t->bytes ? bpf_htonl(0x01010101) : 0;
	if (!(t->has & GUARD_HAS_MSS))
		return;
	t->word[5] = bpf_htonl(GUARD_KIND_MSS << 24 | 4 << 16 | answer->mss);
	if (!(answer->options & GUARD_OPTIONS) || !(t->has & GUARD_HAS_TIMESTAMP))
		return;
	t->word[6] = bpf_htonl(t->has & GUARD_HAS_SACK ? 0x0402080a : 0x0101080a);
	t->word[7] = bpf_htonl(guard_timestamp(p, t));
	t->word[8] = bpf_htonl(t->timestamp);
	if (t->has & GUARD_HAS_WSCALE)
		t->word[9] = bpf_htonl(0x01030300 | (answer->options & GUARD_WSCALE_MASK));
}
