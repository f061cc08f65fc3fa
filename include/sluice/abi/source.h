/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the lists say of a source prefix, compiled by the agent into tables that cost one look-up at
 * any size: an answer per IPv4 /24, and a hash of IPv6 prefixes behind a filter of their lengths.
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
	SOURCE_SPLIT = 255, /* IPv4 only: the /24 has several answers, see map `source_split` */
};

/* Map `source_v4` (array, memory-mapped): the /24 with number n is answer n % 64 of line n / 64. */
#define SOURCE_LINE_ANSWERS 64
#define SOURCE_LINES	    (1U << 18)

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
 * Map `source_v6_lengths` (array of u64, memory-mapped): bit l - 1 of the word of an address's first
 * 32 bits (source_v6_bucket) is set if a prefix of length l, 1..64, may cover it. Bits too many cost
 * a look-up; a bit too few loses a prefix. The word behind those is the answer where no prefix has one,
 * that of ::/0: most sources need nothing else.
 */
#define SOURCE_V6_BUCKETS 65536
#define SOURCE_V6_WORDS	  (SOURCE_V6_BUCKETS + 1)

static inline __u32 source_v6_bucket(__be32 first)
{
	return (__u32)first * 0x9e3779b1U >> 16;
}
