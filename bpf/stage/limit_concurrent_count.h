/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who makes connections here counts them: in when they begin, out when they end. */
#pragma once

#include "limit_concurrent_table.h"

/* A try is lost only to a CPU that counted in the same word, or took the one that was free. */
#define LIMIT_CONCURRENT_TRIES 16

/* A connection stays uncounted: so nobody is refused for want of room here. */
static __always_inline void limit_concurrent_lose(void)
{
	__u32 zero = 0;
	struct limit_state *state = bpf_map_lookup_elem(&limit_state, &zero);

	if (state)
		__sync_fetch_and_add(&state->concurrent_uncounted, 1);
}

/* Count one more for is: 1 and the way; 0: it was not its turn; negative: there is no room. */
static __always_inline int limit_concurrent_try(struct limit_concurrent_set *set, __u64 is)
{
	__u32 way, found = LIMIT_CONCURRENT_WAYS;
	__u64 word, seen = 0;

#pragma unroll
	for (way = 0; way < LIMIT_CONCURRENT_WAYS; way++) {
		word = *(volatile __u64 *)&set->word[way];
		if (limit_concurrent_is(word, is) || (!word && found == LIMIT_CONCURRENT_WAYS)) {
			found = way;
			seen = word;
		}
	}
	if (found >= LIMIT_CONCURRENT_WAYS ||
	    (seen & LIMIT_CONCURRENT_COUNT) == LIMIT_CONCURRENT_COUNT)
		return -1;
	word = __sync_val_compare_and_swap(&set->word[found], seen, (seen ? seen : is) + 1);
	return word == seen ? 1 + (int)found : 0;
}

/*
 * Count a connection of the source in a class: its place in the table, as in limit_concurrent_place.
 * 0: the class does not count them, or there is no room, which is counted. A global function, for the
 * verifier to walk its loops once.
 */
__noinline int limit_concurrent_add(struct pkt_facts *p, __u32 id)
{
	const struct limit_rates *rates;
	struct limit_concurrent_set *set;
	struct limit_state *state;
	__u32 zero = 0, at, i;
	int found = 0;
	__u64 is;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	rates = limit_concurrent_rates(id);
	state = bpf_map_lookup_elem(&limit_state, &zero);
	if (!rates || !rates->concurrent || !state)
		return 0;
	at = limit_concurrent_at(p, state, id, rates->flags, &is);
	set = bpf_map_lookup_elem(&limit_concurrent, &at);
	for (i = 0; set && i < LIMIT_CONCURRENT_TRIES && !found; i++)
		found = limit_concurrent_try(set, is);
	if (found > 0)
		return (int)(at * LIMIT_CONCURRENT_WAYS) + found;
	limit_concurrent_lose();
	return 0;
}

static __always_inline void limit_concurrent_take(__u32 number)
{
	__u32 at = (number - 1) / LIMIT_CONCURRENT_WAYS, way = number - 1;
	struct limit_concurrent_set *set = bpf_map_lookup_elem(&limit_concurrent, &at);
	__u64 word;

	if (!set)
		return;
	way &= LIMIT_CONCURRENT_WAYS - 1;
	word = __sync_fetch_and_sub(&set->word[way], 1) - 1;
	/* Lost to another of the same: then it counts on. */
	if (!(word & LIMIT_CONCURRENT_COUNT))
		__sync_val_compare_and_swap(&set->word[way], word, 0);
}

/*
 * A connection begins: count it in each class that was noted in p->limit. What translates addresses
 * does so with a flow's first packet, and keeps *ret with the flow.
 *   generation  limit_state.concurrent_generation; a program that may run beside its successor, on
 *               another table, has it as a constant
 */
static __always_inline void limit_concurrent_begin(struct pkt_facts *p, __u32 generation,
						   struct limit_concurrent_place *ret)
{
	__u32 i;

	ret->generation = generation;
#pragma unroll
	for (i = 0; i < LIMIT_SET_CLASSES; i++) {
		__u32 id = p->limit[LIMIT_SCOPE_SET + i].limit_class;

		ret->word[i] = id ? limit_concurrent_add(p, id) : 0;
	}
}

/* It ends: once. */
static __always_inline void limit_concurrent_end(const struct limit_concurrent_place *place,
						 __u32 generation)
{
	__u32 i;

	if (place->generation != generation)
		return;
#pragma unroll
	for (i = 0; i < LIMIT_SET_CLASSES; i++) {
		if (place->word[i])
			limit_concurrent_take(place->word[i]);
	}
}
