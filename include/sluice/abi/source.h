/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the lists say of a source prefix, compiled by the agent into tables that cost one look-up at
 * any size: an answer per IPv4 /24, and a hash of IPv6 prefixes behind a filter.
 *
 * An answer is already resolved: allow over deny over the longest prefix that a limit names. So the
 * first match, the longest, is the answer.
 */
#pragma once

#include "addr.h"

/* 0, a group of limits (index of map `limit_set`), or one of the last values. */
enum source_answer {
	SOURCE_NONE = 0,
	SOURCE_GROUP_MAX = 250,
	SOURCE_ALLOW = 253, /* exempt from deny, verdicts and limits */
	SOURCE_DENY = 254,
	SOURCE_SPLIT = 255, /* IPv4 only: there are several answers inside */
};

/*
 * Map `source_v4` (array, memory-mapped): the /24 with number n has answer n % 64 of line n / 64. Behind
 * them are those of /16s, which are asked first and stay in a cache: n / 256 has the answer with number
 * SOURCE_WIDE + n / 256, SOURCE_SPLIT unless its /24s all have the same.
 */
#define SOURCE_LINE_ANSWERS 64
#define SOURCE_WIDE	    (1U << 24)
#define SOURCE_LINES	    ((SOURCE_WIDE + (1U << 16)) / SOURCE_LINE_ANSWERS)

struct source_line {
	__u8 answer[SOURCE_LINE_ANSWERS]; /* enum source_answer */
};
ABI_SIZE(struct source_line, 64);

/*
 * Map `source_split` (hash) by the number of the /24, host order. Address i of it is allowed if bit
 * i % 64 of allow[i / 64] is set, else denied by the same bit of deny, else `rest` answers, unless
 * `longer` is set: then map `source_long` is asked first.
 */
struct source_split {
	__u64 allow[4];
	__u64 deny[4];
	__u32 rest;   /* SOURCE_NONE or a group */
	__u32 longer; /* 1: source_long has prefixes inside this /24 */
};
ABI_SIZE(struct source_split, 72);

/* Map `source_long` (LPM trie, key struct prefix): groups of IPv4 prefixes longer than /24. */
struct source_group {
	__u32 group; /* SOURCE_NONE..SOURCE_GROUP_MAX */
};
ABI_SIZE(struct source_group, 4);

/* Map `source_v6` (hash): prefixes of /1 to /64, host bits zero; value struct source_v6_answer. */
struct source_v6_key {
	__be32 w[2];
	__u32 len_bits; /* 1..64 */
};
ABI_SIZE(struct source_v6_key, 12);

struct source_v6_answer {
	__u32 answer; /* enum source_answer */
};
ABI_SIZE(struct source_v6_answer, 4);

/*
 * Map `source_v6_lines` (array, memory-mapped): which prefixes may cover an address, in a cache line per
 * hash of its first bits. Bit 64 - l of `lengths` is set if one of length l may; of those, `filter` knows
 * most that do not: a prefix has three bits of one of its words (a Bloom filter). Bits too many cost a
 * look-up; a bit too few loses a prefix.
 *
 * Lengths 32..64 are in the line of the address's first 32 bits, 1..31 in that of its first 20; a shorter
 * one is in each line that it meets. `lengths` of the last line is the answer where no prefix has one,
 * that of ::/0: most sources need nothing else.
 */
#define SOURCE_V6_LINES_32 65536
#define SOURCE_V6_LINES_20 16384
#define SOURCE_V6_REST	   (SOURCE_V6_LINES_32 + SOURCE_V6_LINES_20)
#define SOURCE_V6_LINES	   (SOURCE_V6_REST + 1)
#define SOURCE_V6_WORDS	   7
#define SOURCE_V6_LENGTHS  33 /* in a line, at most */

struct source_v6_line {
	__u64 lengths;
	__u64 filter[SOURCE_V6_WORDS];
};
ABI_SIZE(struct source_v6_line, 64);

/* addr here and below: the first 64 bits of an address, host order. */
static inline __u32 source_v6_line_32(__u64 addr)
{
	return (__u32)(addr >> 32) * 0x9e3779b1U >> 16;
}

static inline __u32 source_v6_line_20(__u64 addr)
{
	return SOURCE_V6_LINES_32 + ((__u32)(addr >> 44) * 0x9e3779b1U >> 18);
}

/* Of the prefix of addr whose length is bit 64 - l; the bit behind the prefix tells 2000::/3 from /4. */
static inline __u64 source_v6_hash(__u64 addr, __u64 bit)
{
	return ((addr & -bit) | bit >> 1) * 0x9e3779b97f4a7c15ULL;
}

static inline __u32 source_v6_filter_word(__u64 hash)
{
	return (__u32)(hash >> 56) * SOURCE_V6_WORDS >> 8;
}

static inline __u64 source_v6_filter_bits(__u64 hash)
{
	return 1ULL << (hash >> 50 & 63) | 1ULL << (hash >> 44 & 63) | 1ULL << (hash >> 38 & 63);
}
