/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings: shared by weight, the same on every node, and quiet when an endpoint comes or goes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sluice/algo/maglev.h"
#include "sluice/algo/siphash.h"

#define SIZE 65537
#define N    100

static uint32_t ring[SIZE], other[SIZE];

static struct maglev_endpoint endpoint(uint32_t id, uint32_t weight)
{
	static const __u64 key[2] = { 5, 6 };

	return (struct maglev_endpoint) { .id = id,
					  .weight = weight,
					  .hash = siphash24(&id, sizeof(id), key) };
}

static void make(struct maglev_endpoint *ret, uint32_t n, uint32_t weight)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		ret[i] = endpoint(i + 1, weight ? weight : 1 + i % 7);
}

static uint32_t slots_of(const uint32_t *of, uint32_t size, uint32_t id)
{
	uint32_t n = 0, i;

	for (i = 0; i < size; i++)
		n += of[i] == id;
	return n;
}

static void slots_are_shared_by_weight_within_one_percent(void **state)
{
	struct maglev_endpoint endpoints[N];
	uint64_t total = 0;
	uint32_t i;

	(void)state;
	make(endpoints, N, 0);
	for (i = 0; i < N; i++)
		total += endpoints[i].weight;
	assert_int_equal(maglev_fill(ring, SIZE, endpoints, N), 0);
	for (i = 0; i < N; i++) {
		double fair = (double)SIZE * endpoints[i].weight / (double)total;
		double got = slots_of(ring, SIZE, endpoints[i].id);

		/* One percent, or the one slot that cannot be halved. */
		assert_true(got > fair * 0.99 - 1 && got < fair * 1.01 + 1);
	}
	assert_int_equal(slots_of(ring, SIZE, 0), 0);
}

static void weights_far_apart_are_kept(void **state)
{
	struct maglev_endpoint two[] = { endpoint(1, 1), endpoint(2, 1000) };
	struct maglev_endpoint huge[] = { endpoint(1, UINT32_MAX), endpoint(2, UINT32_MAX) };

	(void)state;
	assert_int_equal(maglev_fill(ring, SIZE, two, 2), 0);
	assert_in_range(slots_of(ring, SIZE, 1), 64, 67);
	assert_int_equal(maglev_fill(ring, SIZE, huge, 2), 0);
	assert_in_range(slots_of(ring, SIZE, 1), 32768, 32769);
}

static void the_callers_order_is_irrelevant(void **state)
{
	struct maglev_endpoint endpoints[N], shuffled[N];
	uint32_t i, j, round;

	(void)state;
	make(endpoints, N, 0);
	memcpy(shuffled, endpoints, sizeof(endpoints));
	assert_int_equal(maglev_fill(ring, SIZE, endpoints, N), 0);
	srand(2);
	for (round = 0; round < 5; round++) {
		for (i = N - 1; i > 0; i--) {
			struct maglev_endpoint swap = shuffled[i];

			j = (uint32_t)rand() % (i + 1);
			shuffled[i] = shuffled[j];
			shuffled[j] = swap;
		}
		assert_int_equal(maglev_fill(other, SIZE, shuffled, N), 0);
		assert_memory_equal(ring, other, sizeof(ring));
	}
}

/* Each of them in turn. */
static void a_removal_disturbs_few_slots_of_others(void **state)
{
	struct maglev_endpoint endpoints[N], fewer[N];
	uint32_t gone, i, n, moved, worst = 0;

	(void)state;
	make(endpoints, N, 1);
	assert_int_equal(maglev_fill(ring, SIZE, endpoints, N), 0);
	for (gone = 1; gone <= N; gone += 9) {
		for (i = 0, n = 0; i < N; i++) {
			if (endpoints[i].id != gone)
				fewer[n++] = endpoints[i];
		}
		assert_int_equal(maglev_fill(other, SIZE, fewer, n), 0);
		for (i = 0, moved = 0; i < SIZE; i++)
			moved += ring[i] != gone && ring[i] != other[i];
		worst = moved > worst ? moved : worst;
		assert_int_equal(slots_of(other, SIZE, gone), 0);
	}
	/* 0.8 % of the slots that the others have. */
	assert_true(worst <= SIZE * 8 / 1000);
}

static void weight_zero_is_out(void **state)
{
	struct maglev_endpoint three[] = { endpoint(1, 1), endpoint(2, 0), endpoint(3, 1) };
	struct maglev_endpoint none[] = { endpoint(1, 0), endpoint(2, 0) };

	(void)state;
	assert_int_equal(maglev_fill(ring, SIZE, three, 3), 0);
	assert_int_equal(slots_of(ring, SIZE, 2), 0);
	assert_int_equal(slots_of(ring, SIZE, 0), 0);
	assert_int_equal(maglev_fill(ring, SIZE, none, 2), 0);
	assert_int_equal(slots_of(ring, SIZE, 0), SIZE);
	memset(ring, 0xff, sizeof(ring));
	assert_int_equal(maglev_fill(ring, SIZE, NULL, 0), 0);
	assert_int_equal(slots_of(ring, SIZE, 0), SIZE);
}

static void a_size_that_is_no_prime_is_refused(void **state)
{
	static const uint32_t bad[] = { 0, 1, 4, 65535, 65536, 4294967295U };
	struct maglev_endpoint one[] = { endpoint(1, 1) };
	struct maglev_endpoint nobody[] = { endpoint(0, 1) };
	uint32_t *untouched = calloc(65536, sizeof(*untouched));
	size_t i;

	(void)state;
	assert_non_null(untouched);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(maglev_fill(untouched, bad[i], one, 1), -EINVAL);
	assert_int_equal(maglev_fill(untouched, 2, nobody, 1), -EINVAL);
	for (i = 0; i < 65536; i++)
		assert_int_equal(untouched[i], 0);
	free(untouched);
}

/* The paper's loop as it stands there, for weights that are all the same: the j-th choice is offset + j * skip. */
static void fill_as_published(uint32_t *of, uint64_t size, struct maglev_endpoint *endpoints,
			      uint32_t n)
{
	uint64_t tried[N] = { 0 }, slot, mixed, filled;
	uint32_t i;

	memset(of, 0, size * sizeof(*of));
	for (filled = 0, i = 0; filled < size; filled++, i = (i + 1) % n) {
		mixed = maglev_mix(endpoints[i].hash);
		do
			slot = (mixed % size + tried[i]++ * (maglev_mix(mixed) % (size - 1) + 1)) %
			       size;
		while (of[slot]);
		of[slot] = endpoints[i].id;
	}
}

/* offset + j * skip passes 32 bits on the way: others shipped a table that wrapped here. */
static void a_large_ring_is_filled(void **state)
{
	struct maglev_endpoint endpoints[N];
	const uint32_t size = 655373;
	uint32_t *large = malloc(size * sizeof(*large)), *published = malloc(size * sizeof(*large)),
		 i;

	(void)state;
	assert_non_null(large);
	assert_non_null(published);
	make(endpoints, N, 1);
	assert_int_equal(maglev_fill(large, size, endpoints, N), 0);
	for (i = 0; i < N; i++)
		assert_in_range(slots_of(large, size, endpoints[i].id), 6488, 6619);
	fill_as_published(published, size, endpoints, N); /* in order of their hash by now */
	assert_memory_equal(large, published, size * sizeof(*large));
	free(published);
	free(large);
}

static void more_endpoints_than_slots_is_a_ring_too(void **state)
{
	struct maglev_endpoint endpoints[N];

	(void)state;
	make(endpoints, N, 1);
	assert_int_equal(maglev_fill(ring, 7, endpoints, N), 0);
	assert_int_equal(slots_of(ring, 7, 0), 0);
	assert_int_equal(maglev_fill(ring, 2, endpoints, N), 0);
	assert_int_equal(slots_of(ring, 2, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_shared_by_weight_within_one_percent),
		cmocka_unit_test(weights_far_apart_are_kept),
		cmocka_unit_test(the_callers_order_is_irrelevant),
		cmocka_unit_test(a_removal_disturbs_few_slots_of_others),
		cmocka_unit_test(weight_zero_is_out),
		cmocka_unit_test(a_size_that_is_no_prime_is_refused),
		cmocka_unit_test(a_large_ring_is_filled),
		cmocka_unit_test(more_endpoints_than_slots_is_a_ring_too),
	};

	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
