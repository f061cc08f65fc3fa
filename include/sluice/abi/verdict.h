/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts: decisions about a source or a flow that the kernel enforces until they expire. Maps
 * `verdict_source` and `verdict_flow` are authoritative and never evict; a full one refuses the
 * write. Expiry needs no user space; the agent only sweeps what has expired.
 */
#pragma once

#include "addr.h"

enum ABI_BYTE verdict_action {
	VERDICT_NONE,	  /* only says that the source has flow verdicts */
	VERDICT_DROP_NEW, /* new connections: TCP SYN, and every packet that is not TCP */
	VERDICT_DROP,	  /* every packet */
};

/* Append only, like drop reasons: label and documentation. */
#define VERDICT_REASONS(X)                                        \
	X(OPERATOR, "operator", "set by an operator")             \
	X(LIMIT, "limit", "kept sending requests over its limit") \
	X(AUTH, "auth", "kept failing authentication")

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
	__u64 until_ns; /* CLOCK_MONOTONIC */
	__u64 since_ns;
	enum verdict_action action;
	enum verdict_reason reason;
	__u16 flows; /* verdict_flow entries of this source; only in keys of the unit's length */
	__u32 pad;
};
ABI_SIZE(struct verdict, 24);
