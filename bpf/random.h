/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers that cannot be foretold; in tests of a series, so that a run can be repeated. */
#pragma once

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "config.h"

/* The next; in tests that of the series. */
static __always_inline __u32 random_next(__u64 *series)
{
	if (!clock_injected)
		return bpf_get_prandom_u32();
	/* Knuth's linear congruential generator of 64 bits; the upper half is good enough. */
	*series = *series * 6364136223846793005 + 1442695040888963407;
	return *series >> 32;
}

static __always_inline __u32 random_u32(void)
{
	return random_next(&test_random);
}
