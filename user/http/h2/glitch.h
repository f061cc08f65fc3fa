/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client does that costs more than it is worth, and that a sound one does now and then: each
 * takes from a budget that refills with time. Over it the connection ends (ENHANCE_YOUR_CALM).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define H2_GLITCHES_MAX	    200	      /* at once */
#define H2_GLITCH_REFILL_NS 50000000U /* one in so long: 20 a second */

struct h2_glitch {
	uint32_t used;
	uint64_t since_ns; /* up to where it was refilled */
};

/* n more of them at now_ns (a clock that does not go back). */
static inline void h2_glitch_note(struct h2_glitch *g, uint32_t n, uint64_t now_ns)
{
	uint64_t back = (now_ns - g->since_ns) / H2_GLITCH_REFILL_NS;

	g->since_ns += back * H2_GLITCH_REFILL_NS;
	g->used -= back < g->used ? (uint32_t)back : g->used;
	g->used = g->used + n < H2_GLITCHES_MAX + 1 ? g->used + n : H2_GLITCHES_MAX + 1;
}

static inline bool h2_glitch_over(const struct h2_glitch *g)
{
	return g->used > H2_GLITCHES_MAX;
}

/* A client that is merely unlucky does not come so far: its refusals are worth telling. */
static inline bool h2_glitch_suspect(const struct h2_glitch *g)
{
	return g->used > H2_GLITCHES_MAX / 2;
}
