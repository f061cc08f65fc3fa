/* SPDX-License-Identifier: BSD-2-Clause */
/* Heavy hitters against exact counts: the bounds of Space-Saving, and a sampler without a bias. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sluice/abi/top.h"

#define KEYS  100000
#define SETS  TOP_SETS
#define STEP  1024
#define TRACE 1000000

/* splitmix64: the same stream on every run. */
static uint64_t seed;

static uint64_t random64(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

struct sketch {
	struct top_sampler sampler;
	uint32_t shift_max;
	uint64_t hash[2];
	uint64_t credit;
	uint64_t samples;
	uint64_t of_set[SETS];
	struct top_set set[SETS];
};

static struct sketch *sketch_new(uint32_t shift_max)
{
	struct sketch *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->shift_max = shift_max;
	s->hash[0] = random64();
	s->hash[1] = random64() | 1;
	return s;
}

static uint32_t set_of(const struct sketch *s, uint64_t key)
{
	return (uint32_t)((s->hash[0] + s->hash[1] * key) >> (64 - TOP_SETS_SHIFT));
}

/* As bpf/obs/top.h does. */
static void sketch_add(struct sketch *s, uint64_t key, uint64_t weight)
{
	uint64_t credit;
	struct top_set *set;

	s->sampler.left -= (int64_t)weight;
	if (s->sampler.left >= 0)
		return;
	credit = top_sample(&s->sampler, (uint32_t)random64());
	s->samples++;
	if (s->sampler.samples >= STEP && s->sampler.shift < s->shift_max)
		top_set_shift(&s->sampler, s->sampler.shift + 1, (uint32_t)random64());
	s->credit += credit;
	s->of_set[set_of(s, key)] += credit;
	set = &s->set[set_of(s, key)];
	top_item_add(&set->item[top_set_find(set, key, 0)], key, 0, 0, credit);
}

static const struct top_item *sketch_find(const struct sketch *s, uint64_t key)
{
	const struct top_set *set = &s->set[set_of(s, key)];
	const struct top_item *item = &set->item[top_set_find(set, key, 0)];

	return item->count && item->key == key ? item : NULL;
}

/* Everything that was sampled is accounted for, and every key over its set's n / 8 is there. */
static void assert_bounds(const struct sketch *s, const uint64_t *exact, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < SETS; i++) {
		uint64_t of_set = 0;

		for (int w = 0; w < TOP_WAYS; w++) {
			const struct top_item *item = &s->set[i].item[w];

			of_set += item->count;
			assert_true(item->over <= item->count);
			assert_true(item->over <= s->of_set[i] / TOP_WAYS);
			if (item->count)
				assert_in_range(exact[item->key], item->count - item->over,
						item->count);
		}
		assert_int_equal(of_set, s->of_set[i]);
		sum += of_set;
	}
	assert_int_equal(sum, s->credit);
	for (size_t key = 0; key < n; key++) {
		if (exact[key] > s->of_set[set_of(s, key)] / TOP_WAYS)
			assert_non_null(sketch_find(s, key));
	}
}

/* Zipf's law over n keys: key k comes with a weight of 1 / (k + 1). */
static size_t zipf(const double *cumulated, size_t n)
{
	double x = (double)(random64() >> 11) / 9007199254740992.0 * cumulated[n - 1];
	size_t low = 0, high = n - 1;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (cumulated[mid] < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static double *zipf_new(size_t n)
{
	double *c = calloc(n, sizeof(*c)), sum = 0;

	assert_non_null(c);
	for (size_t i = 0; i < n; i++)
		c[i] = sum += 1 / (double)(i + 1);
	return c;
}

static void exact_counts_bound_a_zipf_trace(void **state)
{
	double *cumulated = zipf_new(KEYS);
	uint64_t *exact = calloc(KEYS, sizeof(*exact));
	struct sketch *s = sketch_new(0);

	(void)state;
	seed = 1;
	for (int i = 0; i < TRACE; i++) {
		size_t key = zipf(cumulated, KEYS);

		exact[key]++;
		sketch_add(s, key, 1);
	}
	assert_int_equal(s->credit, TRACE);
	assert_bounds(s, exact, KEYS);
	/* The 50 largest have over 0.16 % each; their counters are right to 0.1 % of the trace. */
	for (size_t key = 0; key < 50; key++) {
		const struct top_item *item = sketch_find(s, key);

		assert_non_null(item);
		assert_true(item->over < TRACE / 1000);
	}
	free(s);
	free(exact);
	free(cumulated);
}

/* Nobody comes twice but the heavy ones, 1 % of the packets each, who begin only half-way. */
static void heavy_ones_are_found_in_a_flood_of_random_sources(void **state)
{
	(void)state;
	seed = 100;
	for (uint64_t run = 0; run < 10; run++) {
		struct sketch *s = sketch_new(8);
		uint64_t heavy[3] = { random64(), random64(), random64() };
		uint64_t exact[3] = { 0 };

		for (int i = 0; i < TRACE; i++) {
			uint64_t r = random64() % 100;
			int who = r < 3 && i > TRACE / 2 ? (int)r : -1;

			sketch_add(s, who < 0 ? random64() : heavy[who], 1);
			if (who >= 0)
				exact[who]++;
		}
		/* A packet in 256 in the end: 8 lengths of 1,024 samples, then the rest. */
		assert_true(s->samples < 8 * STEP + TRACE / 256);
		assert_true(fabs((double)s->credit - TRACE) < 1000);
		for (int k = 0; k < 3; k++) {
			const struct top_item *item = sketch_find(s, heavy[k]);
			double low, high;

			assert_non_null(item);
			low = (double)(item->count - item->over);
			high = (double)item->count;
			/* 5,000 packets are some 20 samples: four sigma. */
			assert_true(low < (double)exact[k] * 1.9);
			assert_true(high > (double)exact[k] * 0.1);
			assert_true((double)item->over < TRACE / 500.0);
		}
		free(s);
	}
}

/* Whatever the sizes and the order: over many turns the credit is the weight. */
static void sampling_has_no_bias(void **state)
{
	static const uint64_t weights[] = { 60, 1500, 60, 60, 9000, 600, 64, 65536 };
	enum { KINDS = sizeof(weights) / sizeof(weights[0]), TURNS = 200000 };

	(void)state;
	for (uint32_t shift = 0; shift <= TOP_SHIFT_MAX; shift += 3) {
		struct top_sampler sampler = { 0 };
		double credit[KINDS] = { 0 };

		seed = shift + 1;
		top_set_shift(&sampler, shift, (uint32_t)random64());
		for (int turn = 0; turn < TURNS; turn++) {
			for (int i = 0; i < KINDS; i++) {
				sampler.left -= (int64_t)weights[i];
				if (sampler.left < 0)
					credit[i] +=
						(double)top_sample(&sampler, (uint32_t)random64());
			}
		}
		for (int i = 0; i < KINDS; i++) {
			double want = (double)weights[i] * TURNS;
			/* Each sample is worth a stratum: its share of them varies as a coin does. */
			double sigma = sqrt(want * (double)(1ULL << shift));

			assert_true(fabs(credit[i] - want) <= 5 * sigma * (shift != 0));
		}
	}
}

/* A fixed step of 64 would see the same one of two senders that take turns, always. */
static void senders_in_turn_are_both_seen(void **state)
{
	struct top_sampler sampler = { 0 };
	double credit[2] = { 0 };

	(void)state;
	seed = 7;
	top_set_shift(&sampler, 6, (uint32_t)random64());
	for (int i = 0; i < TRACE; i++) {
		sampler.left--;
		if (sampler.left < 0)
			credit[i & 1] += (double)top_sample(&sampler, (uint32_t)random64());
	}
	assert_true(credit[0] > TRACE * 0.45 && credit[1] > TRACE * 0.45);
}

static void a_window_begins_empty(void **state)
{
	struct top_set set = { .epoch = 4 };

	(void)state;
	top_item_add(&set.item[top_set_find(&set, 9, 0)], 9, 0, 0, 100);
	top_item_add(&set.item[top_set_find(&set, 9, 1)], 9, 1, 0, 1);
	top_set_begin(&set, 4);
	assert_int_equal(set.item[top_set_find(&set, 9, 0)].count, 100);
	assert_int_equal(set.item[top_set_find(&set, 9, 1)].count, 1);
	top_set_begin(&set, 6);
	for (int i = 0; i < TOP_WAYS; i++)
		assert_int_equal(set.item[i].count, 0);
	/* What was there before does not count as an error of who comes now. */
	top_item_add(&set.item[top_set_find(&set, 9, 0)], 9, 0, 0, 5);
	assert_int_equal(set.item[0].count, 5);
	assert_int_equal(set.item[0].over, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_counts_bound_a_zipf_trace),
		cmocka_unit_test(heavy_ones_are_found_in_a_flood_of_random_sources),
		cmocka_unit_test(sampling_has_no_bias),
		cmocka_unit_test(senders_in_turn_are_both_seen),
		cmocka_unit_test(a_window_begins_empty),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
