/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limit classes. Map `limit_class` (array, memory-mapped by the agent) holds rates by class id; map
 * `limit_prefix` (LPM trie) gives a source its class; a vip names one in its own record. The state
 * of a limit, the meter, is elsewhere (abi/client.h), so a change of rate resets no bucket.
 */
#pragma once

#include "addr.h"
#include "../algo/gcra.h"

enum limit_unit {
	LIMIT_PACKETS,
	LIMIT_BYTES,	   /* bytes on the wire, without the frame check sequence */
	LIMIT_CONNECTIONS, /* TCP: SYN without ACK; UDP and others: not counted */
	LIMIT_UNITS,
};

#define LIMIT_CLASSES	 256 /* ids 1..255 */
#define LIMIT_CLASS_NONE 0

/* One version of a class: a unit whose tolerance is 0 is not limited. */
struct limit_rates {
	struct gcra_rate unit[LIMIT_UNITS];
	__u32 dry_run; /* 1: count what would be dropped, drop nothing */
	__u32 pad;
};
ABI_SIZE(struct limit_rates, 80);

/*
 * Two versions and the one in force: the agent writes the idle one and then flips `active`, so that
 * no packet sees half of a change.
 */
struct limit_class {
	__u32 active; /* 0 or 1 */
	__u32 pad;
	char name[24]; /* as in the configuration, cut, NUL terminated: for bpftool */
	struct limit_rates rates[2];
};
ABI_SIZE(struct limit_class, 192);

struct limit_prefix_value {
	__u32 limit_class;
};
ABI_SIZE(struct limit_prefix_value, 4);
