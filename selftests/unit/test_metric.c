/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/metric.h"

static void test_counting_goes_to_the_page_in_use(void **state)
{
	struct metric_page *page = calloc(1, sizeof(*page)), *before = metric_page;

	(void)state;
	metric_add(METRIC_REQUESTS, 1);
	metric_use(page);
	metric_add(METRIC_REQUESTS, 5);
	assert_int_equal(page->counter[METRIC_REQUESTS], 5);
	assert_int_equal(before->counter[METRIC_REQUESTS], 1);
	metric_use(NULL);
	assert_ptr_equal(metric_page, before);
	free(page);
}

static void test_a_duration_lands_in_the_first_bucket_that_holds_it(void **state)
{
	static const struct {
		uint64_t us;
		unsigned int bucket;
	} rows[] = {
		{ 0, 0 },	{ 500, 0 },	 { 501, 1 },	     { 100000, 7 },
		{ 2500000, 9 }, { 2500001, 10 }, { UINT32_MAX, 10 },
	};
	struct metric_route *route;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		route = calloc(1, sizeof(*route));
		metric_observe_us(route, rows[i].us);
		assert_int_equal(route->duration[rows[i].bucket], 1);
		assert_int_equal(route->duration_sum_us, rows[i].us);
		free(route);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counting_goes_to_the_page_in_use),
		cmocka_unit_test(test_a_duration_lands_in_the_first_bucket_that_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
