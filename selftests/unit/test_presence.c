/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/metric.h"
#include "gateway/presence.h"

static struct presence_region region;

static struct presence fresh(void)
{
	struct presence p;

	memset(&region, 0, sizeof(region));
	presence_init(&p, &region);
	presence_set_memory(&p, 600 * 1000);
	return p;
}

static unsigned int count(const char *source, uint32_t consumer, uint32_t seen_s)
{
	const struct presence_entry *e = &region.entry[0][0];
	unsigned int n = 0;
	struct addr a;

	assert_int_equal(addr_parse(source, &a), 0);
	for (size_t i = 0; i < PRESENCE_SETS * PRESENCE_WAYS; i++)
		n += addr_eq(&e[i].source, &a) && e[i].consumer == consumer &&
		     e[i].seen_s == seen_s;
	return n;
}

static struct addr parse(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void the_same_pair_has_one_entry(void **state)
{
	struct presence p = fresh();
	struct addr a = parse("192.0.2.1");

	(void)state;
	presence_stamp(&p, &a, 5, 1000);
	presence_stamp(&p, &a, 5, 1001);
	presence_stamp(&p, &a, 6, 1001);
	assert_int_equal(count("192.0.2.1", 5, 1000), 0);
	assert_int_equal(count("192.0.2.1", 5, 1001), 1);
	assert_int_equal(count("192.0.2.1", 6, 1001), 1);
	assert_int_equal(region.evicted_s, 0);
}

static void ipv6_counts_by_64(void **state)
{
	struct presence p = fresh();
	struct addr a = parse("2001:db8::1"), b = parse("2001:db8::2:3");

	(void)state;
	presence_stamp(&p, &a, 5, 1000);
	presence_stamp(&p, &b, 5, 1001);
	assert_int_equal(count("2001:db8::", 5, 1001), 1);
}

static void nobody_is_stamped_as_nobody(void **state)
{
	struct presence p = fresh();
	struct addr a = parse("192.0.2.1");

	(void)state;
	presence_stamp(&p, &a, 0, 1000);
	assert_int_equal(count("192.0.2.1", 0, 1000), 0);
}

static void an_eviction_of_a_live_entry_is_recorded(void **state)
{
	struct presence p = fresh();
	struct addr a = parse("192.0.2.1");
	uint64_t before = metric_page->counter[METRIC_PRESENCE_EVICTED];

	(void)state;
	/* more pairs than there are entries: at least one was evicted */
	for (uint32_t i = 1; i <= PRESENCE_SETS * PRESENCE_WAYS + 1; i++)
		presence_stamp(&p, &a, i, 1000);
	assert_int_equal(region.evicted_s, 1000);
	assert_true(metric_page->counter[METRIC_PRESENCE_EVICTED] > before);
}

static void an_entry_that_expired_may_go_unrecorded(void **state)
{
	struct presence p = fresh();
	struct addr a = parse("192.0.2.1");

	(void)state;
	for (uint32_t i = 1; i <= 4 * PRESENCE_SETS * PRESENCE_WAYS; i++)
		presence_stamp(&p, &a, i, 1000);
	region.evicted_s = 0;
	/* all that is there is older than 600 s; a few of the new ones do not fill a set */
	for (uint32_t i = 1; i <= 64; i++)
		presence_stamp(&p, &a, 1000000 + i, 1601);
	assert_int_equal(region.evicted_s, 0);
	for (uint32_t i = 1; i <= 64; i++)
		assert_int_equal(count("192.0.2.1", 1000000 + i, 1601), 1);
}

static void the_oldest_of_a_set_goes_first(void **state)
{
	struct presence p = fresh();
	struct addr a = parse("192.0.2.1");
	uint32_t n = PRESENCE_SETS * PRESENCE_WAYS;

	(void)state;
	for (uint32_t i = 1; i <= n; i++)
		presence_stamp(&p, &a, i, 1000 + i);
	/* the newest was written last, so nothing younger replaced it */
	assert_int_equal(count("192.0.2.1", n, 1000 + n), 1);
	presence_stamp(&p, &a, n + 1, 1000 + n + 1);
	assert_int_equal(count("192.0.2.1", n, 1000 + n), 1);
}

static void a_connection_remembers_whom_it_served(void **state)
{
	struct presence p = fresh();
	struct presence_holds holds = { 0 };
	struct addr a = parse("192.0.2.1");

	(void)state;
	for (uint32_t i = 1; i <= PRESENCE_HOLDS; i++) {
		presence_hold(&holds, i);
		presence_hold(&holds, i);
	}
	presence_stamp_holds(&p, &holds, &a, 1000);
	for (uint32_t i = 1; i <= PRESENCE_HOLDS; i++)
		assert_int_equal(count("192.0.2.1", i, 1000), 1);
	assert_int_equal(region.evicted_s, 0);
	/* one more than it can: as if it had been evicted, for as long as the connection is open */
	presence_hold(&holds, 100);
	presence_stamp_holds(&p, &holds, &a, 1001);
	assert_int_equal(region.evicted_s, 1001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_pair_has_one_entry),
		cmocka_unit_test(ipv6_counts_by_64),
		cmocka_unit_test(nobody_is_stamped_as_nobody),
		cmocka_unit_test(an_eviction_of_a_live_entry_is_recorded),
		cmocka_unit_test(an_entry_that_expired_may_go_unrecorded),
		cmocka_unit_test(the_oldest_of_a_set_goes_first),
		cmocka_unit_test(a_connection_remembers_whom_it_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
