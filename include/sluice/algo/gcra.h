/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The generic cell rate algorithm (virtual scheduling, ITU-T I.371) on one 64-bit word.
 *
 * A meter is a theoretical arrival time (TAT): the instant at which its bucket will be full again,
 * in fixed point, 1/256 ns since the monotonic clock's epoch. It wraps after 2.28 years, so words
 * are only ever compared by signed difference. Zero is a meter that was never used: a full bucket.
 *
 * Bound: in any window W a meter admits at most burst + rate * (W + skew) units, skew being the
 * difference between the clocks of the CPUs that spend it. A refusal writes nothing, so contention
 * is bounded by what is admitted and not by what is offered.
 *
 * Compiled by the BPF programs, by the agent and by the tests; nothing here allocates or calls.
 */
#pragma once

#include <linux/types.h>

#define GCRA_FP_SHIFT 8
/* Fixed-point units per second: 256 * 10^9. */
#define GCRA_FP_PER_S 256000000000ULL
/* A tolerance stays below this, so that a signed difference never overflows: 52 days. */
#define GCRA_TOLERANCE_MAX (1ULL << 60)
#define GCRA_MULT_MAX	   (1ULL << 44)
#define GCRA_SHIFT_MAX	   36
/* The most units that one decision may ask for: keeps units * mult inside 64 bits. */
#define GCRA_UNITS_MAX (1U << 18)

/*
 * A rate as the meters spend it. A decision about n units costs ceil(n * mult >> shift).
 * All zero means "no limit" (tolerance_fp == 0).
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

/* What n units cost; n <= GCRA_UNITS_MAX. Rounded up once: the rate is never exceeded. */
static inline __u64 gcra_cost_fp(const struct gcra_rate *rate, __u32 n)
{
	return (n * rate->mult + ((1ULL << rate->shift) - 1)) >> rate->shift;
}

/* The word that a meter has now: full buckets forget idle time, corrupt ones become empty. */
static inline __u64 gcra_level(__u64 word, __u64 now_fp, __u64 tolerance_fp)
{
	__s64 ahead = (__s64)(word - now_fp);

	if (word == 0 || ahead < 0)
		return now_fp;
	if ((__u64)ahead > tolerance_fp)
		return now_fp + tolerance_fp;
	return word;
}

/* Would n units be admitted now? Writes nothing. */
static inline int gcra_peek(const __u64 *word, const struct gcra_rate *rate, __u64 now_fp, __u32 n)
{
	__u64 level = gcra_level(*(const volatile __u64 *)word, now_fp, rate->tolerance_fp);

	return level + gcra_cost_fp(rate, n) - now_fp <= rate->tolerance_fp;
}

/*
 * Spend n units if the bucket has them.
 *   word    the meter, shared by CPUs and processes
 *   tries   how often to compete before giving up; a constant in BPF
 * A word beyond now + tolerance (a lowered burst, a raised rate, corruption) is clamped to an empty
 * bucket; that is the only write that a refusal makes.
 */
static inline enum gcra_result gcra_spend(__u64 *word, const struct gcra_rate *rate, __u64 now_fp,
					  __u32 n, int tries)
{
	__u64 cost = gcra_cost_fp(rate, n);
	int i;

	for (i = 0; i < tries; i++) {
		__u64 seen = *(volatile __u64 *)word;
		__u64 level = gcra_level(seen, now_fp, rate->tolerance_fp);
		__u64 next = level + cost;

		if (next - now_fp > rate->tolerance_fp) {
			if ((__s64)(seen - level) > 0 && seen != 0)
				__sync_val_compare_and_swap(word, seen, level);
			return GCRA_REFUSE;
		}
		if (next == 0) /* the one instant in 2.28 years that would read as "never used" */
			next = 1;
		if (__sync_val_compare_and_swap(word, seen, next) == seen)
			return GCRA_ADMIT;
	}
	return GCRA_CONTENDED;
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

/* Whole units that the bucket holds now. */
static inline __u64 gcra_remaining(const __u64 *word, const struct gcra_rate *rate, __u64 now_fp)
{
	__u64 level = gcra_level(*(const volatile __u64 *)word, now_fp, rate->tolerance_fp);
	__u64 free_fp = rate->tolerance_fp - (level - now_fp);
	__u64 one = gcra_cost_fp(rate, 1);

	return one ? free_fp / one : 0;
}
