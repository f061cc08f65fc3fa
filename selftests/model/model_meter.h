/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token bucket as docs/feature/limit.md has it: a word is the absolute time, in 1/256 ns, at which
 * the bucket is full again. All sums have 128 bits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/algo/gcra.h"

typedef unsigned __int128 model_time;

static inline model_time meter_now(uint64_t now_ns)
{
	return (model_time)now_ns * 256;
}

/* ceil(n * mult / 2^shift) */
static inline model_time meter_cost(const struct gcra_rate *rate, uint32_t n)
{
	return ((model_time)n * rate->mult + (((model_time)1 << rate->shift) - 1)) >> rate->shift;
}

/* A full bucket forgets idle time; one emptier than empty is empty. */
static inline model_time meter_level(__u64 word, const struct gcra_rate *rate, model_time now)
{
	model_time level = word > now ? word : now;

	return level > now + rate->tolerance_fp ? now + rate->tolerance_fp : level;
}

/*
 * Are there n units in it? A refusal by a word that is over 50 ms beyond empty (a lowered burst)
 * makes it empty, and is the only question that writes; not while the agent carries debt.
 */
static inline bool meter_has(__u64 *word, const struct gcra_rate *rate, model_time now, uint32_t n,
			     bool may_clamp)
{
	model_time empty = now + rate->tolerance_fp;

	if (meter_level(*word, rate, now) + meter_cost(rate, n) <= empty)
		return true;
	if (may_clamp && *word > empty + (model_time)256 * 50 * 1000 * 1000)
		*word = (__u64)empty;
	return false;
}

/* Take n units if it has them. */
static inline bool meter_take(__u64 *word, const struct gcra_rate *rate, model_time now, uint32_t n)
{
	if (!meter_has(word, rate, now, n, false))
		return false;
	*word = (__u64)(meter_level(*word, rate, now) + meter_cost(rate, n));
	return true;
}

/* Take n units, or all that it has; what is emptier than empty stays so. */
static inline void meter_drain(__u64 *word, const struct gcra_rate *rate, model_time now,
			       uint32_t n)
{
	model_time empty = now + rate->tolerance_fp;
	model_time after = meter_level(*word, rate, now) + meter_cost(rate, n);

	if (after > empty)
		after = empty;
	if (*word < after)
		*word = (__u64)after;
}

/* In 256ths of the bucket, as the shedding of totals compares them. */
static inline uint32_t meter_used(__u64 word, const struct gcra_rate *rate, model_time now)
{
	uint64_t part = rate->tolerance_fp / 256;

	return part ? (uint32_t)((meter_level(word, rate, now) - now) / part) : 256;
}
