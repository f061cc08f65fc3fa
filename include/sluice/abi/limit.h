/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limit classes. Map `limit_class` (array, memory-mapped by the agent) holds rates by class id. Which
 * classes a packet meets: at most LIMIT_SET_CLASSES by where it is from and where it goes
 * (map `limit_set`), and one by what kind of packet it is (map `limit_state`).
 *
 * The state of a limit, its meters, is elsewhere, so a change of rate resets no bucket: exact per
 * source in map `clients`, for sources that were proven real; for all others in map `limit_rows`.
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

/* What a class refuses for: a unit of its meters, or that the source has its connections already. */
enum limit_refusal { LIMIT_CONCURRENT = LIMIT_UNITS, LIMIT_REFUSALS };

#define LIMIT_CLASSES	 256 /* ids 1..255 */
#define LIMIT_CLASS_NONE 0

/* One word per unit; see algo/gcra.h. */
struct limit_meters {
	__u64 tat[LIMIT_UNITS];
	__u64 pad;
};
ABI_SIZE(struct limit_meters, 32);

enum limit_flag {
	LIMIT_DRY_RUN = 1,    /* count what would be dropped, drop nothing */
	LIMIT_PER_PREFIX = 2, /* one bucket per /24 or /48 instead of per address or /64 */
	LIMIT_HAS_TOTAL = 4,  /* some unit of total is limited */
	LIMIT_CARRYING =
		8, /* the agent rewrites the meters for a slower rate: none may be clamped */
};

/* One version of a class: a unit whose tolerance is 0 is not limited. */
struct limit_rates {
	struct gcra_rate unit[LIMIT_UNITS];  /* per source */
	struct gcra_rate total[LIMIT_UNITS]; /* over all sources of the class */
	__u32 flags;			     /* enum limit_flag */
	__u32 concurrent; /* connections of a source at a time (abi/limit_concurrent.h); 0: any */
};
ABI_SIZE(struct limit_rates, 152);

/*
 * Two versions and the one in force: the agent writes the idle one and then flips `active`, so that
 * no packet sees half of a change.
 */
struct limit_class {
	__u32 active; /* 0 or 1 */
	__u32 row_first; /* the class's cells in limit_rows: two rows of 2^row_bits, one after the other */
	__u32 row_bits;
	__u32 pad;
	char name[24]; /* as in the configuration, cut, NUL terminated: for bpftool */
	struct limit_rates rates[2];
};
ABI_SIZE(struct limit_class, 344);

/*
 * Map `limit_rows` (array, memory-mapped): the meters of sources that nobody has proven. A source has
 * one cell in each of its class's two rows, by two keyed hashes of its prefix (limit_row_hash). It is
 * admitted if either cell admits it, then both are charged. Nothing is allocated or evicted: others
 * in the same cells may cost a source its rate, and never give it more.
 */

/* Map `limit_total` (array): meters of a class over all its sources, by class id. */

/* Classes of a packet by source group and service, the most specific first; 0: no more. */
#define LIMIT_SET_CLASSES 3

struct limit_set_entry {
	__u8 limit_class[4]; /* the last is unused */
};

#define LIMIT_SERVICES 256

/* Map `limit_set` (array, memory-mapped), by source group (abi/source.h). */
struct limit_set {
	struct limit_set_entry service[LIMIT_SERVICES];
};
ABI_SIZE(struct limit_set, 1024);

/* What kind of packet a limit can name, whatever its source and destination. */
enum limit_kind {
	LIMIT_KIND_NONE,
	LIMIT_KIND_FRAGMENT,	  /* IP fragments, first and later */
	LIMIT_KIND_AMPLIFICATION, /* UDP from a port of the agent's list of reflectors */
	LIMIT_KIND_ICMP,	  /* ICMP and ICMPv6, neighbour discovery aside */
	LIMIT_KIND_OTHER_L4,	  /* neither TCP, UDP nor ICMP */
	LIMIT_KINDS,
};

#define LIMIT_ROW_KEYS \
	2 /* generations of the hash key: the one in force and the one before or next */

/* Words of a key: one constant and one factor per hashed word, for each of the two rows. */
#define LIMIT_ROW_KEY_WORDS 4

struct limit_row_key {
	__u64 row[2][LIMIT_ROW_KEY_WORDS];
};
ABI_SIZE(struct limit_row_key, 64);

/* Map `limit_state` (array, one element, memory-mapped). */
struct limit_state {
	struct limit_row_key key[LIMIT_ROW_KEYS]; /* random per boot, secret */
	__u32 active_key;			  /* 0 or 1: cells that admit and are charged */
	__u32 charge_both; /* 1 while a key is rotated in: what a source has used goes to its cells */
	__u32 has_ports;   /* 1: map `limit_port` has services of what comes in */
	__u32 key_since_s;    /* CLOCK_MONOTONIC: since when the key in force is; 0: unknown */
	__u32 has_egress;     /* 1: map `limit_port` has services of what goes out */
	__u32 has_concurrent; /* 1: some class has `concurrent` */
	__u8 kind_class[8];   /* by enum limit_kind: a limit class */

	/* Of map `limit_concurrent`: secret, random at first, and never changed while it counts. */
	struct limit_row_key concurrent_key;
	__u32 concurrent_map;	     /* the kernel's id of the map that the generation is of */
	__u32 concurrent_generation; /* what was counted in another one is not in the table */
	__u64 concurrent_uncounted;  /* connections for which there was no word, or no memory */
};
ABI_SIZE(struct limit_state, 240);

/*
 * Map `limit_port` (array, memory-mapped): service by the port of this side, which is the destination
 * of what comes in and the source of what goes out. On the way out every packet has a service, so that
 * limits of one direction never meet packets of the other: of what is neither TCP nor UDP it is port
 * 0 of the last table.
 */
enum limit_port_table {
	LIMIT_PORT_UDP,
	LIMIT_PORT_TCP,
	LIMIT_PORT_EGRESS_UDP,
	LIMIT_PORT_EGRESS_TCP,
	LIMIT_PORT_EGRESS_OTHER,
	LIMIT_PORT_TABLES,
};

struct limit_ports {
	__u8 service[65536]; /* host order */
};
ABI_SIZE(struct limit_ports, 65536);

/* Map `limit_amplifier` (array, one element, memory-mapped): bit per UDP source port, host order. */
struct limit_amplifier {
	__u64 port[1024];
};
ABI_SIZE(struct limit_amplifier, 8192);

/*
 * The cell of a source in row 0 or 1, as an index into a row of 2^32 that is cut to its size: a
 * multilinear hash, strongly universal under a secret key (Lemire and Kaser, "Strongly universal
 * string hashing is fast"), of the 64 bits that tell prefixes apart. Each class has rows of its own.
 */
static inline __u32 limit_row_hash(const struct limit_row_key *key, __u32 row, __u32 high,
				   __u32 low)
{
	const __u64 *k = key->row[row];

	return (__u32)((k[0] + k[1] * high + k[2] * low) >> 32);
}
