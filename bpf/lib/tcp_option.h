/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the options of a TCP header say (RFC 9293 s3.2). */
#pragma once

#include "proto.h"

#define TCP_HEADER_MAX	60
#define TCP_OPTIONS_MAX 24 /* options that are looked at; a real SYN has up to 8 */

enum tcp_option {
	TCP_HAS_MSS = 1,
	TCP_HAS_WSCALE = 2,
	TCP_HAS_SACK = 4,
	TCP_HAS_TIMESTAMP = 8,
};

/* TCP option kinds (IANA). */
enum tcp_option_kind {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_WSCALE = 3,
	TCP_OPTION_SACK = 4,
	TCP_OPTION_TIMESTAMP = 8,
};

/* A TCP header, and what its options say. */
struct tcp_options {
	union {
		struct tcphdr tcp;
		__u8 byte[64];
		__be32 word[16];
	};
	__u32 bytes; /* 20..60 */
	__u32 has;   /* enum tcp_option */
	__u32 wscale;
	__u32 timestamp; /* host order */
	__u32 mss_at;	 /* of the last one, as receivers take it; 0: none */
	__u32 at;
};

static __always_inline __u8 tcp_option_byte(const struct tcp_options *t, __u32 at)
{
	return t->byte[at & 63];
}

/*
 * Read the options of a SYN. Where it stands is kept in memory of which the verifier knows nothing,
 * so that all paths through an option look the same to it.
 */
__noinline int tcp_option_read(struct tcp_options *t)
{
	__u32 i, at, kind, bytes;

	if (!t) /* never; a global function's argument may be, for the verifier */
		return 0;
	t->at = sizeof(struct tcphdr);
	for (i = 0; i < TCP_OPTIONS_MAX; i++) {
		at = *(volatile __u32 *)&t->at;
		if (at >= t->bytes)
			return 0;
		kind = tcp_option_byte(t, at);
		if (kind == TCP_OPTION_END)
			return 0;
		bytes = kind == TCP_OPTION_NOP ? 1 : tcp_option_byte(t, at + 1);
		if (bytes == 0 || at + bytes > t->bytes || (bytes == 1 && kind != TCP_OPTION_NOP))
			return 0;
		if (kind == TCP_OPTION_MSS && bytes == 4) {
			t->has |= TCP_HAS_MSS;
			t->mss_at = at + 2;
		}
		if (kind == TCP_OPTION_SACK && bytes == 2)
			t->has |= TCP_HAS_SACK;
		if (kind == TCP_OPTION_WSCALE && bytes == 3) {
			t->has |= TCP_HAS_WSCALE;
			t->wscale = tcp_option_byte(t, at + 2);
		}
		if (kind == TCP_OPTION_TIMESTAMP && bytes == 10) {
			t->has |= TCP_HAS_TIMESTAMP;
			t->timestamp = (__u32)tcp_option_byte(t, at + 2) << 24 |
				       (__u32)tcp_option_byte(t, at + 3) << 16 |
				       (__u32)tcp_option_byte(t, at + 4) << 8 |
				       tcp_option_byte(t, at + 5);
		}
		*(volatile __u32 *)&t->at = at + bytes;
	}
	return 0;
}
