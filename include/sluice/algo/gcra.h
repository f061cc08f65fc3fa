/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The generic cell rate algorithm (virtual scheduling, ITU-T I.371) on one 64-bit word.
 *
 * A meter is a theoretical arrival time (TAT): the instant at which its bucket will be full again,
 * in fixed point, 1/256 ns since the monotonic clock's epoch. It wraps after 2.28 years, so words
 * are only ever compared by signed difference. Zero is a meter that was never used: a full bucket.
 *
 * Bound: in any window W a meter admits at most burst + rate * (W + skew) units, skew being the
 * difference between the clocks of the CPUs that spend it. A refusal writes nothing (gcra_clamp
 * aside), so contention is bounded by what is admitted and not by what is offered.
 *
 * How a rate is encoded, and what a word says to people: gcra_rate.h.
 */
#pragma once

#include <linux/types.h>

#define GCRA_FP_SHIFT 8
#define GCRA_FP_PER_S 256000000000ULL /* fixed-point units */
/* A tolerance stays below this, so that a signed difference never overflows: 52 days. */
#define GCRA_TOLERANCE_MAX (1ULL << 60)
/* Fractional rates only: mult stays below this, so that units * mult stays inside 64 bits. */
#define GCRA_MULT_MAX  (1ULL << 44)
#define GCRA_SHIFT_MAX 36
/* The most units that one decision may ask for; merged packets have at most 512 KiB. */
#define GCRA_UNITS_MAX (1U << 24)
/* 50 ms: beyond any clock skew, below what an operator who raises a rate notices. */
#define GCRA_CLAMP_FP (GCRA_FP_PER_S / 20)
/* What costs more than any bucket holds. */
#define GCRA_NEVER_FP (1ULL << 62)
/* From this cost of one unit on, rounding it up to a whole number costs less than 0.1 % of rate. */
#define GCRA_WHOLE_COST_FP 1024

/*
 * A rate as the meters spend it. A decision about n units costs ceil(n * mult >> shift).
 * All zero means "no limit" (tolerance_fp == 0).
 *
 * With shift 0 costs are exact multiples, so a burst of n single units admits exactly n. With a
 * shift (units dearer than 250 million a second, which are bytes) each decision is rounded up by
 * less than 1/256 ns: what conforms needs that much slack for each of its packets.
 */
struct gcra_rate {
	__u64 mult;
	__u64 tolerance_fp; /* burst * cost of one unit */
	__u32 shift;
	__u32 pad;
};

enum gcra_result {
	GCRA_ADMIT,
	GCRA_REFUSE,
	GCRA_CONTENDED, /* refused: another CPU won every one of the bounded tries */
};

/* Clock in nanoseconds to fixed point. */
static inline __u64 gcra_now_fp(__u64 now_ns)
{
	return now_ns << GCRA_FP_SHIFT;
}

/*
 * What n units cost, n <= GCRA_UNITS_MAX. Rounded up: the rate is never exceeded. A product past 62
 * bits (many units of a rate of days) is GCRA_NEVER_FP instead of something that wrapped.
 */
static inline __u64 gcra_cost_fp(const struct gcra_rate *rate, __u32 n)
{
	if ((rate->mult >> 32) * n >= GCRA_NEVER_FP >> 32)
		return GCRA_NEVER_FP;
	return (n * rate->mult + ((1ULL << rate->shift) - 1)) >> rate->shift;
}

/*
 * The word that a meter has now: full buckets forget idle time, corrupt ones become empty. A meter
 * left alone for 1.14 years (half the wrap) counts as corrupt: it is refused for one tolerance.
 */
static inline __u64 gcra_level(__u64 word, __u64 now_fp, __u64 tolerance_fp)
{
	__s64 ahead = (__s64)(word - now_fp);

	if (word == 0 || ahead < 0)
		return now_fp;
	if ((__u64)ahead > tolerance_fp)
		return now_fp + tolerance_fp;
	return word;
}

/* Of two words, is the first the fuller bucket? */
static inline int gcra_before(__u64 a, __u64 b)
{
	return a == 0 || (b != 0 && (__s64)(a - b) < 0);
}

/*
 * A refusal's one write: else the bucket would stay just empty until the clock reaches the word. Not
 * a little beyond: a CPU that lags would hand back, again and again, what others have spent.
 */
static inline void gcra_clamp(__u64 *word, __u64 seen, __u64 level)
{
	if (seen != 0 && (__s64)(seen - level) > (__s64)GCRA_CLAMP_FP)
		__sync_val_compare_and_swap(word, seen, level);
}

/* Would n units be admitted now? Spends nothing; a refusal clamps the word, if it may. */
static inline int gcra_ask(__u64 *word, const struct gcra_rate *rate, __u64 now_fp, __u32 n,
			   int may_clamp)
{
	__u64 seen = *(volatile __u64 *)word;
	__u64 level = gcra_level(seen, now_fp, rate->tolerance_fp);

	if (level + gcra_cost_fp(rate, n) - now_fp <= rate->tolerance_fp)
		return 1;
	if (may_clamp)
		gcra_clamp(word, seen, level);
	return 0;
}

static inline int gcra_peek(__u64 *word, const struct gcra_rate *rate, __u64 now_fp, __u32 n)
{
	return gcra_ask(word, rate, now_fp, n, 1);
}

/*
 * Spend n units if the bucket has them; a refusal clamps the word, if it may.
 *   word    the meter, shared by CPUs and processes
 *   tries   how often to compete before giving up; a constant in BPF
 * A word beyond now + tolerance (a lowered burst, a raised rate, corruption) is clamped to an empty
 * bucket; that is the only write that a refusal makes.
 */
static inline enum gcra_result gcra_take(__u64 *word, const struct gcra_rate *rate, __u64 now_fp,
					 __u32 n, int tries, int may_clamp)
{
	__u64 cost = gcra_cost_fp(rate, n);
	int i;

	for (i = 0; i < tries; i++) {
		__u64 seen = *(volatile __u64 *)word;
		__u64 level = gcra_level(seen, now_fp, rate->tolerance_fp);
		__u64 next = level + cost;

		if (next - now_fp > rate->tolerance_fp) {
			if (may_clamp)
				gcra_clamp(word, seen, level);
			return GCRA_REFUSE;
		}
		if (next == 0) /* the one instant in 2.28 years that would read as "never used" */
			next = 1;
		if (__sync_val_compare_and_swap(word, seen, next) == seen)
			return GCRA_ADMIT;
	}
	return GCRA_CONTENDED;
}

static inline enum gcra_result gcra_spend(__u64 *word, const struct gcra_rate *rate, __u64 now_fp,
					  __u32 n, int tries)
{
	return gcra_take(word, rate, now_fp, n, tries, 1);
}

/*
 * Nanoseconds until n units would be admitted, 0 when they are now; ~0 when they never are
 * (they cost more than the burst). Rounded up: Retry-After is never earlier than the bucket.
 */
static inline __u64 gcra_wait_ns(const __u64 *word, const struct gcra_rate *rate, __u64 now_fp,
				 __u32 n)
{
	__u64 level = gcra_level(*(const volatile __u64 *)word, now_fp, rate->tolerance_fp);
	__u64 cost = gcra_cost_fp(rate, n);
	__u64 ahead = level + cost - now_fp;

	if (cost > rate->tolerance_fp)
		return ~0ULL;
	if (ahead <= rate->tolerance_fp)
		return 0;
	return (ahead - rate->tolerance_fp + (1U << GCRA_FP_SHIFT) - 1) >> GCRA_FP_SHIFT;
}

/*
 * Charge n units to a bucket that others decide for: as far as it has them, and empty beyond: what
 * is emptier already (debt that is carried to a slower rate, a lowered burst) stays. Lost where all
 * tries are lost to others, who charged it meanwhile.
 */
static inline void gcra_charge(__u64 *word, const struct gcra_rate *rate, __u64 now_fp, __u32 n,
			       int tries)
{
	__u64 cost = gcra_cost_fp(rate, n), seen, level;
	int i;

	for (i = 0; i < tries; i++) {
		seen = *(volatile __u64 *)word;
		level = gcra_level(seen, now_fp, rate->tolerance_fp);
		if (cost > rate->tolerance_fp - (level - now_fp))
			level = now_fp + rate->tolerance_fp;
		else
			level += cost;
		if (!gcra_before(seen, level))
			return;
		if (__sync_val_compare_and_swap(word, seen, level) == seen)
			return;
	}
}

/* Make the bucket at most as full as a word of another one says. */
static inline void gcra_raise(__u64 *word, __u64 to, int tries)
{
	__u64 seen;
	int i;

	for (i = 0; i < tries; i++) {
		seen = *(volatile __u64 *)word;
		if (!gcra_before(seen, to) || __sync_val_compare_and_swap(word, seen, to) == seen)
			return;
	}
}

/* How much of the bucket is in use, in 256ths, 0..256: a full bucket 0, an empty one 256. */
static inline __u32 gcra_in_use(const __u64 *word, const struct gcra_rate *rate, __u64 now_fp)
{
	__u64 level = gcra_level(*(const volatile __u64 *)word, now_fp, rate->tolerance_fp);
	__u64 step = rate->tolerance_fp >> 8;

	return step ? (__u32)((level - now_fp) / step) : 256;
}
