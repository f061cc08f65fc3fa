/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts: decisions about a source or a flow that the kernel enforces until they expire. Maps
 * `verdict_source` and `verdict_flow` are authoritative and never evict; a full one refuses the
 * write. Expiry needs no user space; the agent only sweeps what has expired.
 */
#pragma once

#include "addr.h"

enum ABI_BYTE verdict_action {
	VERDICT_NONE,
	VERDICT_DROP_NEW, /* new connections: TCP SYN, and every packet that is not TCP */
	VERDICT_DROP,	  /* every packet */
};

/* Append only, like drop reasons: label and documentation. */
#define VERDICT_REASONS(X)                                        \
	X(OPERATOR, "operator", "set by an operator")             \
	X(LIMIT, "limit", "kept sending requests over its limit") \
	X(AUTH, "auth", "kept failing authentication")            \
	X(HTTP2, "http2", "kept misusing HTTP/2")

enum ABI_BYTE verdict_reason {
#define VERDICT_REASON_ENUM(id, label, doc) VERDICT_REASON_##id,
	VERDICT_REASONS(VERDICT_REASON_ENUM)
#undef VERDICT_REASON_ENUM
		VERDICT_REASON_COUNT,
};

/* A source prefix: IPv4 /32 or /24, IPv6 /64 or /48 (len_bits 128, 120, 64, 48). */
struct verdict_key {
	__u32 len_bits;
	struct addr addr;
};
ABI_SIZE(struct verdict_key, 20);

struct verdict {
	__u64 until_ns; /* CLOCK_MONOTONIC, as the coarse clock reads it: up to one tick late */
	__u64 since_ns;
	__u64 dropped_packets; /* by this verdict; added to without a lock, so it loses some */
	enum verdict_action action;
	enum verdict_reason reason;
	__u8 pad[6];
};
ABI_SIZE(struct verdict, 32);

/*
 * Map `verdict_filter` (array, one element, memory-mapped): whether a source may have verdicts, by
 * the hash of its /24 or /48. A bit too many costs a look-up; a bit too few loses a verdict, so the
 * agent sets it before the verdict and clears it after. With no verdicts at all the filter is not asked:
 * drop_cache_state.no_verdicts.
 */
#define VERDICT_FILTER_BITS 18

enum verdict_filter_bit {
	VERDICT_FILTER_SOURCE = 1,
	VERDICT_FILTER_FLOW = 2,
};

struct verdict_filter {
	__u8 bucket[1 << VERDICT_FILTER_BITS]; /* enum verdict_filter_bit */
};
ABI_SIZE(struct verdict_filter, 1 << VERDICT_FILTER_BITS);

static inline __u32 verdict_filter_bucket(const struct addr *a)
{
	__u32 h;

	if (a->w[0] == 0 && a->w[1] == 0 && a->b[8] == 0 && a->b[9] == 0 && a->b[10] == 0xff)
		h = ((__u32)a->b[12] << 16) | ((__u32)a->b[13] << 8) | a->b[14];
	else
		h = (__u32)a->w[0] ^ ((((__u32)a->b[4] << 8) | a->b[5]) * 0x85ebca6bU);
	return h * 0x9e3779b1U >> (32 - VERDICT_FILTER_BITS);
}
