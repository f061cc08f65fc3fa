/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maglev hashing (Eisenbud et al., NSDI 2016), weighted: fill a ring so that slots are shared by
 * weight and a change of one endpoint moves few slots of the others.
 *
 * Every node that knows the same endpoints builds the same ring: they are put in order of their
 * stable hash, which also makes each one's preference list, so the caller's order is irrelevant.
 * In each round an endpoint earns its weight, and takes its next free slot whenever it has earned
 * the largest weight.
 */
#pragma once

#include <asm-generic/errno-base.h>
#include <linux/types.h>

struct maglev_endpoint {
	__u64 hash; /* of what the endpoint is (address, port), not of when or where it was added */
	__u32 id;   /* what the ring's slots will say; not 0 */
	__u32 weight; /* relative; 0: gets no slot */
	/* Working state of maglev_fill. */
	__u64 credit;
	__u32 next; /* slot to try next */
	__u32 skip;
};

/* Spread a hash again: offset and skip must not be correlated (finaliser of SplitMix64). */
static inline __u64 maglev_mix(__u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static inline int maglev_size_is_prime(__u32 size)
{
	__u32 i;

	if (size < 2)
		return 0;
	for (i = 2; (__u64)i * i <= size; i++) {
		if (size % i == 0)
			return 0;
	}
	return 1;
}

static inline int maglev_before(const struct maglev_endpoint *a, const struct maglev_endpoint *b)
{
	return a->hash != b->hash ? a->hash < b->hash : a->id < b->id;
}

/* The endpoint at `at` goes down to where none below it comes after it. */
static inline void maglev_sift(struct maglev_endpoint *endpoints, __u32 at, __u32 n)
{
	struct maglev_endpoint moving = endpoints[at];
	__u32 below;

	for (; (below = at * 2 + 1) < n; at = below) {
		if (below + 1 < n && maglev_before(&endpoints[below], &endpoints[below + 1]))
			below++;
		if (!maglev_before(&moving, &endpoints[below]))
			break;
		endpoints[at] = endpoints[below];
	}
	endpoints[at] = moving;
}

/* By hash. Heapsort: a ring may have ten thousands of endpoints, and there is nothing to call here. */
static inline void maglev_sort(struct maglev_endpoint *endpoints, __u32 n)
{
	struct maglev_endpoint last;
	__u32 i;

	for (i = n / 2; i-- > 0;)
		maglev_sift(endpoints, i, n);
	for (i = n; i-- > 1;) {
		last = endpoints[i];
		endpoints[i] = endpoints[0];
		endpoints[0] = last;
		maglev_sift(endpoints, 0, i);
	}
}

/* The next slot on the endpoint's preference list that is still free; there must be one. */
static inline __u32 maglev_take(struct maglev_endpoint *e, const __u32 *ring, __u32 size)
{
	__u32 slot;

	do {
		slot = e->next;
		/* Both are below size: subtracting is the remainder, and neither passes 2^32. */
		e->next =
			e->next >= size - e->skip ? e->next - (size - e->skip) : e->next + e->skip;
	} while (ring[slot] != 0);
	return slot;
}

/*
 * Fill ring[0..size-1] with endpoint ids.
 *   size       a prime, so that every skip visits every slot
 *   endpoints  reordered, and their working state overwritten
 * No endpoint with a weight: all slots 0. Returns 0, or -EINVAL (size is no prime, an id is 0) with
 * ring untouched.
 */
static inline int maglev_fill(__u32 *ring, __u32 size, struct maglev_endpoint *endpoints, __u32 n)
{
	__u32 i, filled, weight_max = 0;

	if (!maglev_size_is_prime(size))
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (endpoints[i].id == 0)
			return -EINVAL;
		if (endpoints[i].weight > weight_max)
			weight_max = endpoints[i].weight;
	}
	maglev_sort(endpoints, n);
	for (i = 0; i < n; i++) {
		__u64 mixed = maglev_mix(endpoints[i].hash);

		endpoints[i].next = (__u32)(mixed % size);
		endpoints[i].skip = (__u32)(maglev_mix(mixed) % (size - 1)) + 1;
		endpoints[i].credit = 0;
	}
	for (i = 0; i < size; i++)
		ring[i] = 0;
	for (filled = 0, i = 0; weight_max && filled < size; i = i + 1 < n ? i + 1 : 0) {
		struct maglev_endpoint *e = &endpoints[i];

		e->credit += e->weight;
		if (e->credit < weight_max)
			continue;
		e->credit -= weight_max;
		ring[maglev_take(e, ring, size)] = e->id;
		filled++;
	}
	return 0;
}
