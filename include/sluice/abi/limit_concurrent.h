/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many connections a source has at a time, by limit class. Map `limit_concurrent` (array,
 * memory-mapped) is a fixed set-associative table: a source and class have one set, by a keyed hash,
 * and in it a word of tag, class and count, claimed and given back by compare-and-swap. A word whose
 * count is 0 is free. Who counted remembers the word and takes himself off there, so nothing is looked
 * up again, and a word that counts is never another's.
 *
 * Two words of one set may have one tag (two CPUs that met the source at the same time): the count is
 * their sum. Two sources of one set and tag would share a count: 2^-32 for each pair, by a secret key.
 */
#pragma once

#include "limit.h"

#define LIMIT_CONCURRENT_WAYS 8 /* words of a set: a line of the cache */

struct limit_concurrent_set {
	__u64 word[LIMIT_CONCURRENT_WAYS];
};
ABI_SIZE(struct limit_concurrent_set, 64);

/* A word: 32 bits of tag, 8 of class, 24 of count. */
#define LIMIT_CONCURRENT_TAG_SHIFT   32
#define LIMIT_CONCURRENT_CLASS_SHIFT 24
#define LIMIT_CONCURRENT_COUNT	     0xffffffULL

/*
 * The words that a connection is counted in: (set * LIMIT_CONCURRENT_WAYS + way) + 1; 0: none. Valid
 * while the table is of this generation (limit_state.concurrent_generation).
 */
struct limit_concurrent_place {
	__u32 generation;
	__u32 word[LIMIT_SET_CLASSES];
};
ABI_SIZE(struct limit_concurrent_place, 16);

/* Map `limit_concurrent_sk` (socket storage): struct limit_concurrent_place of a connection. */

/* Set of n_sets, and the word without its count, of a source: its unit's 64 bits, and its class. */
static inline __u32 limit_concurrent_hash(const struct limit_row_key *key, __u32 n_sets, __u32 high,
					  __u32 low, __u32 class_id, __u64 *ret_word)
{
	const __u64 *set = key->row[0], *tag = key->row[1];
	__u64 at = (set[0] + set[1] * high + set[2] * low + set[3] * class_id) >> 32;
	__u64 is = (tag[0] + tag[1] * high + tag[2] * low + tag[3] * class_id) >> 32;

	*ret_word = is << LIMIT_CONCURRENT_TAG_SHIFT | (__u64)class_id
							       << LIMIT_CONCURRENT_CLASS_SHIFT;
	return (__u32)(at * n_sets >> 32);
}

/* Do two words count for the same source and class? */
static inline int limit_concurrent_is(__u64 a, __u64 b)
{
	return (a ^ b) >> LIMIT_CONCURRENT_CLASS_SHIFT == 0;
}
