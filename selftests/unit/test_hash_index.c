/* SPDX-License-Identifier: BSD-2-Clause */
/* An index finds all that was put in and not deleted, and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash_index.h"

#define PLACES 4096

/* How often a walk over hash meets the place. */
static uint32_t times_found(const struct hash_index *x, uint32_t hash, uint32_t place)
{
	uint32_t step = 0, at, n = 0;

	while (hash_index_next(x, hash, &step, &at))
		n += at == place;
	return n;
}

static uint32_t found_in_all(const struct hash_index *x, uint32_t hash)
{
	uint32_t step = 0, at, n = 0;

	while (hash_index_next(x, hash, &step, &at))
		n++;
	return n;
}

static void what_is_put_in_is_found_while_it_grows(void **state)
{
	struct hash_index x;
	uint32_t i;

	(void)state;
	assert_int_equal(hash_index_open(&x, 0), 0);
	for (i = 0; i < PLACES; i++) {
		uint32_t hash = hash_index_hash(&x, &i, sizeof(i));

		assert_int_equal(times_found(&x, hash, i), 0);
		assert_int_equal(hash_index_put(&x, hash, i), 0);
	}
	assert_int_equal(x.n, PLACES);
	assert_in_range(x.room, PLACES * 4 / 3, PLACES * 4);
	for (i = 0; i < PLACES; i++)
		assert_int_equal(times_found(&x, hash_index_hash(&x, &i, sizeof(i)), i), 1);
	hash_index_clear(&x);
}

static void places_of_one_key_are_all_found(void **state)
{
	struct hash_index x;
	uint32_t i;

	(void)state;
	assert_int_equal(hash_index_open(&x, 0), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(hash_index_put(&x, 7, i), 0);
	assert_int_equal(hash_index_put(&x, 8, 100), 0);
	assert_int_equal(found_in_all(&x, 7), 100);
	assert_int_equal(found_in_all(&x, 8), 1);
	assert_true(hash_index_del(&x, 7, 50));
	assert_false(hash_index_del(&x, 7, 50));
	assert_int_equal(found_in_all(&x, 7), 99);
	assert_int_equal(found_in_all(&x, 8), 1);
	hash_index_clear(&x);
}

/* Few hashes, all near the end of the slots: runs are long, overlap and wrap. */
static void deleting_in_any_order_loses_nobody_else(void **state)
{
	bool in[PLACES] = { false };
	struct hash_index x;
	uint32_t i, turn, n = 0;
	unsigned int seed = 1;

	(void)state;
	assert_int_equal(hash_index_open(&x, 200), 0);
	for (turn = 0; turn < 20000; turn++) {
		uint32_t place = (uint32_t)rand_r(&seed) % 180, hash = UINT32_MAX - place % 37;

		if (in[place])
			assert_true(hash_index_del(&x, hash, place));
		else
			assert_int_equal(hash_index_put(&x, hash, place), 0);
		n += in[place] ? -1U : 1;
		in[place] = !in[place];
		assert_int_equal(x.n, n);
		if (turn % 100)
			continue;
		for (i = 0; i < 180; i++)
			assert_int_equal(times_found(&x, UINT32_MAX - i % 37, i), in[i]);
	}
	hash_index_clear(&x);
}

static void nothing_is_found_in_one_that_is_not_open(void **state)
{
	struct hash_index x = { 0 };

	(void)state;
	assert_int_equal(found_in_all(&x, 1), 0);
	assert_false(hash_index_del(&x, 1, 1));
	hash_index_clear(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_in_is_found_while_it_grows),
		cmocka_unit_test(places_of_one_key_are_all_found),
		cmocka_unit_test(deleting_in_any_order_loses_nobody_else),
		cmocka_unit_test(nothing_is_found_in_one_that_is_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
