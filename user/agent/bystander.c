/* SPDX-License-Identifier: BSD-2-Clause */
#include "bystander.h"

#include "base/addr.h"
#include "base/clock.h"

#define AHEAD_S 1U

/* Stamps are whole seconds, rounded down: one more keeps the promise to the end. */
static uint32_t memory_s(uint64_t nat_memory_ms)
{
	uint64_t s = (nat_memory_ms + 999) / 1000 + 1;

	return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

/*
 * 0: free, or being written to this moment, in which case its consumer is served by now. A second
 * ahead is a stamp that was set since we read the clock; more is a worker's that lies, and would
 * otherwise shield an address for ever.
 */
static bool is_recent(uint32_t seen_s, uint32_t now_s, uint32_t within_s)
{
	return seen_s && (seen_s > now_s ? seen_s - now_s <= AHEAD_S : now_s - seen_s <= within_s);
}

static bool matches(const struct presence_entry *e, const struct addr *unit, uint32_t consumer)
{
	return e->consumer && e->consumer != consumer && addr_eq(&e->source, unit);
}

enum judge_presence bystander_find(const struct presence_region *const *regions, size_t n,
				   const struct addr *source, uint32_t consumer,
				   uint64_t nat_memory_ms, uint64_t now_ns,
				   struct judge_bystander *ret)
{
	const uint32_t now_s = (uint32_t)(now_ns / NS_PER_S), within_s = memory_s(nat_memory_ms);
	const struct addr unit = addr_unit(source);
	enum judge_presence answer = JUDGE_ALONE;
	uint32_t newest = 0;

	for (size_t i = 0; i < n; i++) {
		const struct presence_entry *e = regions[i] ? &regions[i]->entry[0][0] : NULL;

		if (!e)
			continue;
		if (!newest && is_recent(__atomic_load_n(&regions[i]->evicted_s, __ATOMIC_RELAXED),
					 now_s, within_s))
			answer = JUDGE_UNKNOWN;
		for (size_t k = 0; k < (size_t)PRESENCE_SETS * PRESENCE_WAYS; k++) {
			uint32_t seen_s = __atomic_load_n(&e[k].seen_s, __ATOMIC_ACQUIRE);

			if (seen_s <= newest || !is_recent(seen_s, now_s, within_s) ||
			    !matches(&e[k], &unit, consumer))
				continue;
			newest = seen_s;
			answer = JUDGE_NOT_ALONE;
			ret->consumer = e[k].consumer;
			ret->seconds_ago = now_s > seen_s ? now_s - seen_s : 0;
		}
	}
	return answer;
}

size_t bystander_regions(const struct presence_region *const *regions, size_t n)
{
	for (; n; n--) {
		const struct presence_region *r = regions[n - 1];
		const struct presence_entry *e = r ? &r->entry[0][0] : NULL;

		if (!r)
			continue;
		if (r->evicted_s)
			return n;
		for (size_t k = 0; k < (size_t)PRESENCE_SETS * PRESENCE_WAYS; k++) {
			if (e[k].consumer)
				return n;
		}
	}
	return 0;
}
