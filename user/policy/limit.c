/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limits of the consumer's plan, on words shared by all workers: docs/feature/consumer-limit.md.
 *
 * All limits are asked first and only then spent, in the plan's order, so that a refusal consumes
 * nothing. Between the two another worker may take the last unit of a later limit: that request is
 * refused and the units it spent on earlier limits stay spent. Giving them back could over-credit a
 * word that was clamped meanwhile, and the bound goes before one unit lost in a race.
 */
#include "base/clock.h"
#include "base/metric.h"
#include "policy_set.h"
#include "sluice/abi/meter.h"
#include "sluice/algo/gcra_rate.h"

#define SPEND_TRIES 64 /* one per worker that may compete, abi/presence.h */

static uint64_t seconds_up(uint64_t ns)
{
	return ns / NS_PER_S + (ns % NS_PER_S != 0);
}

static bool has_slot(const struct policy_exchange *x, size_t i)
{
	uint32_t slot = x->consumer->meter_slot[i];

	return slot != METER_SLOT_NONE && slot < x->n_meters;
}

/* NULL: not limited. Never for want of a meter: then all such consumers of the plan share one. */
static __u64 *meter_of(const struct policy_exchange *x, size_t i)
{
	const struct policy_consumer *c = x->consumer;

	if (c->rate[i].tolerance_fp == 0)
		return NULL;
	/* same size: u64 has two names in C */
	return (__u64 *)(has_slot(x, i) ? &x->meters[c->meter_slot[i]] : &c->overflow[i]);
}

/*
 * Parameter t of RateLimit: seconds until the bucket is full again; of an empty one, until it has a
 * unit, so that Retry-After is never earlier than t. Rounded up.
 */
static uint64_t reset_s(const __u64 *word, const struct gcra_rate *rate, uint64_t now_fp,
			uint64_t remaining)
{
	__u64 level = gcra_level(*(const volatile __u64 *)word, now_fp, rate->tolerance_fp);

	if (!remaining)
		return seconds_up(gcra_wait_ns(word, rate, now_fp, 1));
	return seconds_up((level - now_fp + (1U << GCRA_FP_SHIFT) - 1) >> GCRA_FP_SHIFT);
}

/* Limit i refuses: the answer waits for the longest of all that do. */
static void add_violated(struct policy_exchange *x, size_t i, const __u64 *word, uint64_t now_fp)
{
	uint64_t wait_s = seconds_up(gcra_wait_ns(word, &x->consumer->rate[i], now_fp, 1));
	struct policy_refusal *r = &x->refusal;

	if (!wait_s)
		wait_s = 1; /* another worker emptied it and it filled since: ask for a pause */
	r->violated[r->n_violated++] = x->consumer->plan->limits[i].name;
	if (wait_s <= r->retry_after_s)
		return;
	r->retry_after_s = wait_s;
	r->limit = x->consumer->plan->limits[i].name;
	x->nearest = &x->consumer->plan->limits[i];
	x->nearest_remaining = 0;
	x->nearest_reset_s = wait_s;
}

static void find_violated(struct policy_exchange *x, uint64_t now_fp)
{
	for (size_t i = 0; i < x->consumer->plan->n_limits; i++) {
		__u64 *word = meter_of(x, i);

		if (word && !has_slot(x, i))
			metric_add(METRIC_LIMIT_OVERFLOW, 1);
		if (word && !gcra_peek(word, &x->consumer->rate[i], now_fp, 1))
			add_violated(x, i, word, now_fp);
	}
}

/* Index of the limit that refused after all, or -1. */
static int spend_all(const struct policy_exchange *x, uint64_t now_fp)
{
	for (size_t i = 0; i < x->consumer->plan->n_limits; i++) {
		__u64 *word = meter_of(x, i);

		if (word &&
		    gcra_spend(word, &x->consumer->rate[i], now_fp, 1, SPEND_TRIES) != GCRA_ADMIT)
			return (int)i;
	}
	return -1;
}

static void find_nearest(struct policy_exchange *x, uint64_t now_fp)
{
	for (size_t i = 0; i < x->consumer->plan->n_limits; i++) {
		const struct gcra_rate *rate = &x->consumer->rate[i];
		const __u64 *word = meter_of(x, i);
		uint64_t left;

		if (!word)
			continue;
		left = gcra_remaining(word, rate, now_fp);
		if (x->nearest && left >= x->nearest_remaining)
			continue;
		x->nearest = &x->consumer->plan->limits[i];
		x->nearest_remaining = left;
		x->nearest_reset_s = reset_s(word, rate, now_fp, left);
	}
}

enum policy_answer limit_run(const struct conf_policies *p, struct policy_exchange *x)
{
	uint64_t now_fp;
	int refused;

	if (p->limit == CONF_OFF || !x->consumer || !x->consumer->plan->n_limits)
		return POLICY_CONTINUE;
	/* never the loop's clock: a stale one breaks the bound in both directions */
	now_fp = gcra_now_fp(x->now_ns ? x->now_ns : clock_now_ns());
	find_violated(x, now_fp);
	if (!x->refusal.n_violated) {
		refused = spend_all(x, now_fp);
		if (refused < 0) {
			find_nearest(x, now_fp);
			metric_add(METRIC_LIMIT_ADMITTED, 1);
			return POLICY_CONTINUE;
		}
		add_violated(x, (size_t)refused, meter_of(x, (size_t)refused), now_fp);
	}
	if (p->limit == CONF_SHADOW) {
		x->shadowed = true;
		metric_add(METRIC_LIMIT_SHADOWED, 1);
		return POLICY_CONTINUE;
	}
	metric_add(METRIC_LIMIT_REFUSED, 1);
	return policy_refuse(x, TERMINATION_LIMIT, VERDICT_REASON_LIMIT);
}
