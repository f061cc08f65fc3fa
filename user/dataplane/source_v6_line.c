/* SPDX-License-Identifier: BSD-2-Clause */
#include "source_v6_line.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* Bits of an address that tell the line of prefixes shorter than /32. */
#define SHORT_BITS 20

static void set(__u64 *word, __u64 bits)
{
	if ((*word & bits) != bits)
		__atomic_store_n(word, *word | bits, __ATOMIC_RELEASE);
}

void source_v6_line_add(struct source_v6_line *lines, const struct source_net *net)
{
	const uint64_t bit = net->len ? 1ULL << (64 - net->len) : 0;
	const uint64_t hash = source_v6_hash(net->addr, bit), bits = source_v6_filter_bits(hash);
	const uint32_t word = source_v6_filter_word(hash);
	uint64_t i, n = net->len < SHORT_BITS ? 1ULL << (SHORT_BITS - net->len) : 1;

	if (!net->len) /* ::/0 is the last line */
		return;
	for (i = 0; i < n; i++) {
		const uint64_t addr = net->addr | i << (64 - SHORT_BITS);
		struct source_v6_line *l =
			&lines[net->len < 32 ? source_v6_line_20(addr) : source_v6_line_32(addr)];

		set(&l->filter[word], bits);
		set(&l->lengths, bit);
	}
}

static void put(__u64 *word, __u64 value)
{
	if (*word != value)
		__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

int source_v6_line_set(struct source_v6_line *lines, const struct source_nets *nets)
{
	CLEANUP_FREE struct source_v6_line *want = calloc(SOURCE_V6_REST, sizeof(*want));
	size_t i;

	if (!want)
		return -ENOMEM;
	for (i = 0; i < nets->n; i++)
		source_v6_line_add(want, &nets->v[i]);
	for (i = 0; i < SOURCE_V6_REST; i++) {
		for (int w = 0; w < SOURCE_V6_WORDS; w++)
			put(&lines[i].filter[w], want[i].filter[w]);
		put(&lines[i].lengths, want[i].lengths);
	}
	return 0;
}
