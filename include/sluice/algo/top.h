/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Heavy hitters: which few keys make most of a stream, in fixed memory and one pass.
 *
 * A sampler picks packets by their weight: the stream, laid out as a line of units (bytes, or
 * packets), is cut into strata of 2^shift units, and whoever covers a random point of a stratum is
 * credited all of it. So a packet's expected credit is its weight, whatever the order in which
 * packets come; without randomness, two senders that take turns could be seen as one. With shift 0
 * every packet is credited exactly its weight.
 *
 * What is sampled goes to a set of a few counters by Space-Saving (Metwally, Agrawal, El Abbadi 2005:
 * "Efficient Computation of Frequent and Top-k Elements in Data Streams"), chosen by a keyed hash.
 * In a set that was credited n in all,
 *   a key of more than n / TOP_WAYS is there, and
 *   its weight is at most `count`, and at least `count - over`.
 */
#pragma once

#include <linux/types.h>

#define TOP_WAYS 8
/* Strata have at most 2^15 units. A mask, too: for the verifier. */
#define TOP_SHIFT_MAX 15

/* What is counted. kind tells apart what has equal keys; note is of the last packet credited. */
struct top_item {
	__u64 key;
	__u64 count; /* 0: nobody's */
	__u64 over;  /* of that, at most so much is of others that had this counter before */
	__u32 kind;
	__u32 note;
};

struct top_set {
	__u64 epoch; /* of which window it counts; another one's contents are void */
	struct top_item item[TOP_WAYS];
};

struct top_sampler {
	__s64 left; /* units until the point of this stratum; negative: it was passed */
	__u64 at;   /* where in the stratum that point is */
	__u32 shift;
	__u32 samples; /* since shift was last changed */
};

/*
 * The point was passed (left < 0): what the packet is credited, and the next point. A packet that is
 * longer than a stratum covers several. random32: any number, of which both halves are used.
 */
static inline __u64 top_sample(struct top_sampler *s, __u32 random32)
{
	__u32 shift = s->shift & TOP_SHIFT_MAX;
	__u64 stratum = 1ULL << shift, next = random32 & (stratum - 1);
	__u64 used = s->at - (__u64)s->left; /* since this stratum began */
	__u64 strata = used >> shift;	     /* that ended in this packet */

	used &= stratum - 1;
	s->samples++;
	if (strata && next >= used) { /* the point of the one that it ends in is still to come */
		s->at = next;
		s->left = (__s64)(next - used);
		return strata << shift;
	}
	strata += 1;
	next = random32 >> 16 & (stratum - 1);
	s->at = next;
	s->left = (__s64)(stratum - used + next);
	return strata << shift;
}

/* Begin a stratum of another length here; what is left of the old one, less than its length, is lost. */
static inline void top_set_shift(struct top_sampler *s, __u32 shift, __u32 random32)
{
	s->shift = shift & TOP_SHIFT_MAX;
	s->at = random32 & ((1ULL << s->shift) - 1);
	s->left = (__s64)s->at;
	s->samples = 0;
}

/* Empty what is left of another window. */
static inline void top_set_begin(struct top_set *set, __u64 epoch)
{
	int i;

	if (set->epoch == epoch)
		return;
	for (i = 0; i < TOP_WAYS; i++)
		set->item[i].count = 0;
	set->epoch = epoch;
}

/* Where the key is counted: its counter, or else the smallest one. */
static inline __u32 top_set_find(const struct top_set *set, __u64 key, __u32 kind)
{
	__u64 least = ~0ULL;
	__u32 at = 0;
	int i;

	for (i = 0; i < TOP_WAYS; i++) {
		__u64 count = set->item[i].count;

		if (count && set->item[i].key == key && set->item[i].kind == kind)
			return (__u32)i;
		if (count < least) {
			least = count;
			at = (__u32)i;
		}
	}
	return at;
}

static inline void top_item_add(struct top_item *item, __u64 key, __u32 kind, __u32 note,
				__u64 credit)
{
	if (item->count == 0 || item->key != key || item->kind != kind) {
		item->key = key;
		item->kind = kind;
		item->over = item->count;
	}
	item->count += credit;
	item->note = note;
}
