/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that a seed repeats (xorshift64*). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct draw {
	uint64_t state;
};

/* SplitMix64's finaliser: seeds that differ in one bit give traces that have nothing in common. */
static inline struct draw draw_from(uint64_t seed)
{
	seed += 0x9e3779b97f4a7c15ULL;
	seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ seed >> 27) * 0x94d049bb133111ebULL;
	return (struct draw) { (seed ^ seed >> 31) | 1 };
}

static inline uint64_t draw_64(struct draw *d)
{
	d->state ^= d->state >> 12;
	d->state ^= d->state << 25;
	d->state ^= d->state >> 27;
	return d->state * 0x2545f4914f6cdd1dULL;
}

/* 0..below-1 */
static inline uint32_t draw(struct draw *d, uint32_t below)
{
	return (uint32_t)((draw_64(d) >> 32) * below >> 32);
}

static inline bool draw_one_in(struct draw *d, uint32_t n)
{
	return draw(d, n) == 0;
}

/* Each size as likely as any other: 1..10 as often as 10^5..10^6. */
static inline uint64_t draw_magnitude(struct draw *d, uint32_t bits_max)
{
	return draw_64(d) >> (63 - draw(d, bits_max));
}
