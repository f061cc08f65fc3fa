/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "conf/conf_text.h"

static void test_rates_that_parse(void **state)
{
	static const struct {
		const char *rate, *burst;
		uint64_t count, period_s, burst_units;
	} rows[] = {
		{ "100/s", "20", 100, 1, 20 },
		{ "6000/min", "1", 6000, 60, 1 },
		{ "10/h", "5", 10, 3600, 5 },
		{ "1000/d", "5", 1000, 86400, 5 },
		{ "10MB/s", "10MB", 10000000, 1, 10000000 },
		{ "1MiB/s", "64KiB", 1048576, 1, 65536 },
		{ "100Mbit/s", "1514", 12500000, 1, 1514 },
		{ "1.5GB/s", "1MB", 1500000000, 1, 1000000 },
		{ "10000000B/s", "1MB", 10000000, 1, 1000000 },
		/* without a burst: one second of the rate, at least 1, or a merged packet of 64 KiB */
		{ "100/s", NULL, 100, 1, 100 },
		{ "6000/min", NULL, 6000, 60, 100 },
		{ "10/h", NULL, 10, 3600, 1 },
		{ "10MB/s", NULL, 10000000, 1, 10000000 },
		{ "1kB/s", NULL, 1000, 1, 73728 },
	};
	struct conf_rate rate;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct errmsg err = { "" };

		assert_int_equal(conf_rate_parse(rows[i].rate, rows[i].burst, &rate, &err), 0);
		assert_int_equal(rate.count, rows[i].count);
		assert_int_equal(rate.period_ns, rows[i].period_s * NS_PER_S);
		assert_int_equal(rate.burst, rows[i].burst_units);
	}
}

static void test_what_is_no_rate_is_refused_and_says_what_one_looks_like(void **state)
{
	static const struct {
		const char *rate, *burst;
		int err;
		const char *says;
	} rows[] = {
		{ "", NULL, -EINVAL, "write e.g. 100/s" },
		{ "100", NULL, -EINVAL, "write e.g. 100/s" },
		{ "/s", NULL, -EINVAL, "write e.g. 100/s" },
		{ "100/", NULL, -EINVAL, "write e.g. 100/s" },
		{ "100/fortnight", NULL, -EINVAL, "write e.g. 100/s" },
		{ "10 per second", NULL, -EINVAL, "write e.g. 100/s" },
		{ "-1/s", NULL, -EINVAL, "write e.g. 100/s" },
		{ "0.5/s", NULL, -EINVAL, "write e.g. 100/s" },
		{ "1.5B/s", NULL, -EINVAL, "write e.g. 100/s" },
		{ "1e3/s", NULL, -EINVAL, "write e.g. 100/s" },
		{ "99999999999999999999/s", NULL, -ERANGE, "write e.g. 100/s" },
		{ "99999999999TB/s", NULL, -ERANGE, "write e.g. 100/s" },
		{ "0/s", NULL, -EINVAL, "would admit nothing" },
		{ "100/s", "0", -EINVAL, "burst of 0" },
		{ "100/s", "10MB", -EINVAL, "not a burst; write e.g. 200" },
		{ "10MB/s", "10 MB", -EINVAL, "not a burst; write e.g. 10MB" },
		{ "1/d", "1000", -ERANGE, "52 days" },
		/* less time for each than meters can tell apart */
		{ "18000000000000000000/s", "1", -ERANGE, "cannot be metered" },
	};
	struct conf_rate rate, before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct errmsg err = { "" };

		rate = before;
		assert_int_equal(conf_rate_parse(rows[i].rate, rows[i].burst, &rate, &err),
				 rows[i].err);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_memory_equal(&rate, &before, sizeof(rate));
	}
}

static void test_a_rate_is_printed_as_it_was_written(void **state)
{
	static const char *const rows[] = { "100/s", "6000/min", "10/h", "1/d" };
	struct conf_rate rate = { 0 };
	char text[CONF_TEXT_MAX], small[4];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(conf_rate_parse(rows[i], "1", &rate, NULL), 0);
		assert_int_equal(conf_rate_format(&rate, text, sizeof(text)), 0);
		assert_string_equal(text, rows[i]);
	}
	assert_int_equal(conf_rate_format(&(struct conf_rate) { 0 }, text, sizeof(text)), 0);
	assert_string_equal(text, "none");
	assert_int_equal(conf_rate_format(&(struct conf_rate) { 0 }, small, sizeof(small)),
			 -ENOSPC);
}

static void test_sizes_and_durations_are_read_back_as_written(void **state)
{
	static const uint64_t values[] = {
		0,	  1,	999,	  1000,	 1024,	  1514,	      65536,	  1000000,
		10000000, 1536, 86400000, 90000, 5400000, 1ULL << 40, UINT64_MAX,
	};
	char text[CONF_TEXT_MAX];
	uint64_t read;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		conf_text_size_format(values[i], text);
		assert_int_equal(conf_text_size(str_of(text), &read), 0);
		assert_int_equal(read, values[i]);
		conf_text_duration_format(values[i], text);
		assert_int_equal(conf_text_duration(str_of(text), &read), 0);
		assert_int_equal(read, values[i]);
		conf_text_rate_format(values[i] ? values[i] : 1, NS_PER_S, CONF_TEXT_BYTES, text);
		assert_int_equal(conf_text_rate(str_of(text), &read, &(uint64_t) { 0 }),
				 CONF_TEXT_BYTES);
		assert_int_equal(read, values[i] ? values[i] : 1);
	}
}

/* Units admitted one by one at one instant, and then over a second of virtual time. */
static void spend(const struct gcra_rate *rate, uint64_t *ret_burst, uint64_t *ret_second)
{
	uint64_t now = 12345, n = 0;
	__u64 word = 0;

	while (gcra_spend(&word, rate, gcra_now_fp(now), 1, 1) == GCRA_ADMIT)
		n++;
	*ret_burst = n;
	n = 0;
	for (int step = 0; step < 1000; step++) {
		now += NS_PER_MS;
		while (gcra_spend(&word, rate, gcra_now_fp(now), 1, 1) == GCRA_ADMIT)
			n++;
	}
	*ret_second = n;
}

static void test_a_compiled_rate_admits_exactly_the_burst_and_then_the_rate(void **state)
{
	static const struct {
		const char *rate, *burst;
		uint64_t burst_units, per_s;
	} rows[] = {
		{ "100/s", "20", 20, 100 },
		{ "30000/s", "10000", 10000, 30000 },
		{ "50000/s", "1", 1, 1000 }, /* one slot: one per step of this test */
		{ "6000/min", "100", 100, 100 },
		{ "77777/s", "7777", 7777, 77777 },
		{ "1000000/s", "5000", 5000, 1000000 },
	};
	struct conf_rate rate;
	struct gcra_rate compiled;
	uint64_t burst, second;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(conf_rate_parse(rows[i].rate, rows[i].burst, &rate, NULL), 0);
		assert_int_equal(conf_rate_compile(&rate, &compiled), 0);
		spend(&compiled, &burst, &second);
		assert_int_equal(burst, rows[i].burst_units);
		/* never more; less only by what rounding up costs, and the unit in flight */
		assert_true(second <= rows[i].per_s);
		assert_true(second + 1 + rows[i].per_s / 1000 >= rows[i].per_s);
	}
}

static void test_every_rate_is_within_a_thousandth_and_never_over(void **state)
{
	static const uint64_t counts[] = {
		1,
		3,
		7,
		100,
		999,
		65537,
		1000003,
		12500000,
		125000000,
		312500001,
		1250000000,
		12500000000ULL,
		125000000000ULL,
	};
	struct gcra_rate compiled;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct conf_rate rate = { counts[i], NS_PER_S, 10 };
		/* cost of 2^18 units against the exact one, in 128 bits */
		unsigned __int128 exact = ((unsigned __int128)GCRA_FP_PER_S << 18) / counts[i],
				  cost;

		assert_int_equal(conf_rate_compile(&rate, &compiled), 0);
		assert_true(compiled.shift == 0 || compiled.mult < GCRA_MULT_MAX);
		cost = gcra_cost_fp(&compiled, 1U << 18);
		assert_true(cost >= exact);
		assert_true((cost - exact) * 1000 <= exact + 1000);
		assert_true(compiled.tolerance_fp >= gcra_cost_fp(&compiled, 10));
	}
}

static void test_what_meters_cannot_hold_is_refused(void **state)
{
	struct gcra_rate compiled, before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	compiled = before;
	assert_int_equal(conf_rate_compile(&(struct conf_rate) { 1, NS_PER_S, 0 }, &compiled),
			 -ERANGE);
	assert_int_equal(
		conf_rate_compile(&(struct conf_rate) { 1, NS_PER_S, 1ULL << 40 }, &compiled),
		-ERANGE);
	assert_int_equal(
		conf_rate_compile(&(struct conf_rate) { UINT64_MAX, NS_PER_S, 1 }, &compiled),
		-ERANGE);
	assert_int_equal(
		conf_rate_compile(&(struct conf_rate) { 1, UINT64_MAX, UINT64_MAX }, &compiled),
		-ERANGE);
	assert_memory_equal(&compiled, &before, sizeof(before));
	/* no rate is no limit */
	assert_int_equal(conf_rate_compile(&(struct conf_rate) { 0 }, &compiled), 0);
	assert_int_equal(compiled.tolerance_fp, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_that_parse),
		cmocka_unit_test(test_what_is_no_rate_is_refused_and_says_what_one_looks_like),
		cmocka_unit_test(test_a_rate_is_printed_as_it_was_written),
		cmocka_unit_test(test_sizes_and_durations_are_read_back_as_written),
		cmocka_unit_test(test_a_compiled_rate_admits_exactly_the_burst_and_then_the_rate),
		cmocka_unit_test(test_every_rate_is_within_a_thousandth_and_never_over),
		cmocka_unit_test(test_what_meters_cannot_hold_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
