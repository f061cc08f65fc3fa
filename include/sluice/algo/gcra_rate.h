/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rates of gcra.h from and to what people say: "units per period, burst of so many", and whole units
 * that a bucket holds. The packet path needs none of it.
 */
#pragma once

#include <asm-generic/errno-base.h>

#include "gcra.h"

/* floor((x << shift) / mult) for results that fit; mult < GCRA_MULT_MAX where shift > 0. */
static inline __u64 gcra_units_of(const struct gcra_rate *rate, __u64 x)
{
	__u64 whole = x / rate->mult, rest = x % rate->mult;
	__u32 i;

	for (i = 0; i < rate->shift; i++) {
		rest <<= 1;
		whole = whole << 1 | (rest >= rate->mult);
		if (rest >= rate->mult)
			rest -= rate->mult;
	}
	return whole;
}

/* Whole units that the bucket holds now. */
static inline __u64 gcra_remaining(const __u64 *word, const struct gcra_rate *rate, __u64 now_fp)
{
	__u64 level = gcra_level(*(const volatile __u64 *)word, now_fp, rate->tolerance_fp);

	if (rate->mult == 0)
		return 0;
	return gcra_units_of(rate, rate->tolerance_fp - (level - now_fp));
}

/* ceil((x << shift) / units), x < 2^63, units < 2^63; ~0 when that passes 64 bits. */
static inline __u64 gcra_scale(__u64 x, __u64 units, __u32 shift)
{
	__u64 whole = x / units, rest = x % units;
	__u32 i;

	for (i = 0; i < shift; i++) {
		if (whole >> 63)
			return ~0ULL;
		rest <<= 1;
		whole = whole << 1 | (rest >= units);
		if (rest >= units)
			rest -= units;
	}
	return whole + (rest != 0);
}

/*
 * Encode "units per period, burst of so many".
 *   units      1..2^63-1 per period_ns, 1..2^55-1 (416 days)
 *   burst      what a full bucket admits at once; at least 1
 * The realised rate is never above the one asked for and at most 0.1 % below (gcra_rate_per_1000_s).
 * Returns 0, or -ERANGE with *ret untouched: a zero, or a burst that takes over 52 days to refill, or
 * a rate over 2^63 a second.
 */
static inline int gcra_rate_set(struct gcra_rate *ret, __u64 units, __u64 period_ns, __u64 burst)
{
	struct gcra_rate rate = { 0 };
	__u64 whole, mask;

	if (units == 0 || units >> 63 || period_ns == 0 || period_ns >> 55 || burst == 0)
		return -ERANGE;
	period_ns <<= GCRA_FP_SHIFT;
	rate.mult = gcra_scale(period_ns, units, 0);
	/* 2^20 and more steps per unit where whole ones are too coarse. */
	if (rate.mult < GCRA_WHOLE_COST_FP) {
		do {
			rate.shift++;
			rate.mult = gcra_scale(period_ns, units, rate.shift);
		} while (rate.mult < (1U << 20) && rate.shift < GCRA_SHIFT_MAX);
		if (rate.mult < GCRA_WHOLE_COST_FP)
			return -ERANGE;
	}
	/*
	 * ceil(burst * mult >> shift), so that one decision about all of the burst is admitted. The
	 * product may pass 64 bits, the tolerance must not.
	 */
	mask = (1ULL << rate.shift) - 1;
	whole = burst >> rate.shift;
	if (whole > GCRA_TOLERANCE_MAX / rate.mult)
		return -ERANGE;
	rate.tolerance_fp = whole * rate.mult + (((burst & mask) * rate.mult + mask) >> rate.shift);
	if (rate.tolerance_fp > GCRA_TOLERANCE_MAX)
		return -ERANGE;
	*ret = rate;
	return 0;
}

/* x > y << shift */
static inline int gcra_exceeds(__u64 x, __u32 shift, __u64 y)
{
	return x >> shift > y || (x >> shift == y && (x & ((1ULL << shift) - 1)));
}

/* Is a unit dearer at the second rate? Then what a word says is less debt there than it was here. */
static inline int gcra_is_slower(const struct gcra_rate *from, const struct gcra_rate *to)
{
	if (from->shift == to->shift)
		return to->mult > from->mult;
	if (from->shift < to->shift)
		return gcra_exceeds(to->mult, to->shift - from->shift, from->mult);
	return to->mult > from->mult >> (from->shift - to->shift);
}

/*
 * How far ahead of now a word has to be at another rate so that as many units are spent: at most an
 * empty bucket. Rounded up to a whole unit.
 */
static inline __u64 gcra_carry(const struct gcra_rate *from, const struct gcra_rate *to,
			       __u64 ahead_fp)
{
	__u64 units, mask = (1ULL << to->shift) - 1, whole, cost;

	if (ahead_fp > from->tolerance_fp)
		ahead_fp = from->tolerance_fp;
	units = ahead_fp ? gcra_units_of(from, ahead_fp - 1) + 1 : 0;
	whole = units >> to->shift;
	if (whole > GCRA_TOLERANCE_MAX / to->mult)
		return to->tolerance_fp;
	cost = whole * to->mult + (((units & mask) * to->mult + mask) >> to->shift);
	return cost < to->tolerance_fp ? cost : to->tolerance_fp;
}

/* The rate as realised, in units per 1,000 s (rounded down): for people. 0: no limit. */
static inline __u64 gcra_rate_per_1000_s(const struct gcra_rate *rate)
{
	return rate->mult ? gcra_units_of(rate, 1000 * GCRA_FP_PER_S) : 0;
}

/* The burst as realised. */
static inline __u64 gcra_burst(const struct gcra_rate *rate)
{
	return rate->mult ? gcra_units_of(rate, rate->tolerance_fp) : 0;
}
