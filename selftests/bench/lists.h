/* SPDX-License-Identifier: BSD-2-Clause */
/* What lists.bpf.c looks up, so that who fills its maps has the same. */
#pragma once

#include <linux/types.h>

#include "vary.h"

#define LISTS_V6_NET 0x20010000U /* all of IPv6 here is in its /16 */

struct lists_key {
	__u32 len_bits; /* in front, as an LPM trie wants it */
	__u32 w[2];	/* IPv4: one word and 0; IPv6: the first two; network byte order */
};

/* The nth of a series of addresses, host byte order. */
static inline void lists_address(__u32 series, __u32 nth, int v6, __u32 ret[2])
{
	__u32 x = vary_source(nth ^ series), y = vary_source(x + series);

	ret[0] = v6 ? LISTS_V6_NET | (x & 0xffff) : x;
	ret[1] = v6 ? y : 0;
}
