/* SPDX-License-Identifier: BSD-2-Clause */
/* SipHash against the vectors of its authors (github.com/veorq/SipHash, vectors.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sluice/abi/flow_hash.h"

/* Key 00..0f, input 00, 01, .. of so many bytes. */
static const struct {
	uint32_t bytes;
	uint64_t want;
} vectors[] = {
	{ 0, 0x726fdb47dd0e0e31 },  { 1, 0x74f839c593dc67fd },	{ 2, 0x0d6c8009d9a94f5a },
	{ 3, 0x85676696d7fb7e2d },  { 4, 0xcf2794e0277187b7 },	{ 5, 0x18765564cd99a68d },
	{ 6, 0xcbc9466e58fee3ce },  { 7, 0xab0200f58b01d137 },	{ 8, 0x93f5f5799a932462 },
	{ 15, 0xa129ca6149be45e5 }, { 63, 0x958a324ceb064572 },
};

static void siphash24_agrees_with_the_published_vectors(void **state)
{
	static const __u64 key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	uint8_t in[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(siphash24(in, vectors[i].bytes, key), vectors[i].want);
}

static void every_part_of_a_flow_changes_its_hash(void **state)
{
	static const __u64 seed[2] = { 1, 2 }, other_seed[2] = { 1, 3 };
	struct flow_key flow = { .sport = 1, .dport = 2, .proto = 6 }, changed;
	uint8_t *at = (uint8_t *)&changed;
	__u64 hash = flow_hash(&flow, seed);
	size_t i;

	(void)state;
	for (i = 0; i < offsetof(struct flow_key, pad); i++) {
		changed = flow;
		at[i] ^= 0x40;
		/* Of IPv4 the constant part is left out: bytes 8 to 11 of the addresses. */
		if ((i >= 8 && i < 12) || (i >= 24 && i < 28))
			continue;
		assert_true(flow_hash(&changed, seed) != hash);
	}
	assert_true(flow_hash(&flow, other_seed) != hash);
}

static void slots_are_even_and_inside_the_ring(void **state)
{
	static const __u64 seed[2] = { 3, 4 };
	uint32_t count[7] = { 0 }, i;
	struct flow_key flow = { .proto = 17 };

	(void)state;
	for (i = 0; i < 70000; i++) {
		flow.src.w[3] = i;
		count[flow_hash_slot(flow_hash(&flow, seed), 7)]++;
	}
	for (i = 0; i < 7; i++)
		assert_in_range(count[i], 9600, 10400);
	assert_int_equal(flow_hash_slot(~0ULL, 65537), 65536);
	assert_int_equal(flow_hash_slot(0, 65537), 0);
	assert_int_equal(flow_hash_slot(~0ULL, 0xffffffff), 0xfffffffe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash24_agrees_with_the_published_vectors),
		cmocka_unit_test(every_part_of_a_flow_changes_its_hash),
		cmocka_unit_test(slots_are_even_and_inside_the_ring),
	};

	return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
