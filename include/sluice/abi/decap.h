/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What xdp_decap of a backend takes out of outer headers. Its maps are not pinned: the link keeps them. */
#pragma once

#include <linux/types.h>

#include "size.h"

/* Map `decap` (array, one). */
struct decap_settings {
	__be16 gue_port; /* 0: none */
	__u8 ipip;	 /* 1: take IP in IP */
	__u8 pad;
};
ABI_SIZE(struct decap_settings, 4);

#define DECAP_SOURCES_MAX 1024

/* Map `decap_source` (LPM trie): struct prefix of who may send, and a byte that means nothing. */

/* Map `stats_decap` (per-CPU array of u64), by enum decap_count. */
#define DECAP_COUNTS(X)                                                                   \
	X(IPIP, "ipip", "taken out of IP")                                                \
	X(GUE, "gue", "taken out of UDP")                                                 \
	X(SOURCE, "source", "dropped: from an address that is none of decap.sources")     \
	X(MALFORMED, "malformed", "dropped: an outer or inner header contradicts itself") \
	X(ECN, "ecn", "dropped: congestion that the inner packet cannot be told of")

enum decap_count {
#define DECAP_COUNT_ENUM(id, label, doc) DECAP_##id,
	DECAP_COUNTS(DECAP_COUNT_ENUM)
#undef DECAP_COUNT_ENUM
		DECAP_COUNT_COUNT,
};
