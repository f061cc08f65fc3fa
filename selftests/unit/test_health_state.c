/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of probes, one after the other: who is up, who is damped, who has what share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "health/health_state.h"

static const struct health_rules rules = { .rise = 2, .fall = 3, .slow_start_ms = 0 };
static const struct health_rules slow = { .rise = 2, .fall = 3, .slow_start_ms = 9000 };

/* '+' passes, '-' fails, a second each; what status and how many changes that makes. */
static unsigned int feed(struct health_state *s, const struct health_rules *r, const char *results,
			 uint64_t *now_ms)
{
	unsigned int changes = 0;

	for (; *results; results++, *now_ms += 1000)
		changes += health_state_note(s, r, *results == '+', *now_ms);
	return changes;
}

static void test_results_make_a_status(void **state)
{
	static const struct {
		const char *what;
		uint32_t share;
		const char *results;
		enum health_status status;
		unsigned int changes;
	} rows[] = {
		{ "nothing is known of one that nobody probed", 100, "", HEALTH_UNKNOWN, 0 },
		{ "one in the ring stays for two failures", 100, "--", HEALTH_UNKNOWN, 0 },
		{ "and goes at the third", 100, "---", HEALTH_DOWN, 1 },
		{ "one out of the ring comes by one pass", 0, "+", HEALTH_UP, 1 },
		{ "and is down at the first failure", 0, "-", HEALTH_DOWN, 1 },
		{ "after which it needs two passes", 0, "-+", HEALTH_DOWN, 1 },
		{ "in a row", 0, "-+-+", HEALTH_DOWN, 1 },
		{ "which it has", 0, "-+-++", HEALTH_UP, 2 },
		{ "failures count in a row", 0, "+--+--+--", HEALTH_UP, 1 },
		{ "and take it down", 0, "+--+---", HEALTH_DOWN, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct health_state s;
		uint64_t now_ms = 1;
		unsigned int changes;

		health_state_init(&s, rows[i].share, now_ms);
		changes = feed(&s, &rules, rows[i].results, &now_ms);
		if (s.status != rows[i].status || changes != rows[i].changes)
			fail_msg("%s: status %d, %u changes", rows[i].what, (int)s.status, changes);
	}
}

static uint32_t passes_until_up(struct health_state *s, uint64_t *now_ms)
{
	uint32_t n = 0;

	for (; s->status != HEALTH_UP; n++, *now_ms += 1000)
		health_state_note(s, &rules, true, *now_ms);
	return n;
}

static void test_one_that_fails_often_is_down_longer_each_time_and_not_for_ever(void **state)
{
	static const uint32_t passes[] = { 2, 4, 8, 16, 32, 64, 64, 64 };
	struct health_state s;
	uint64_t now_ms = 1;

	(void)state;
	health_state_init(&s, 0, now_ms);
	feed(&s, &rules, "+", &now_ms);
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		feed(&s, &rules, "---", &now_ms);
		assert_int_equal(s.status, HEALTH_DOWN);
		assert_int_equal(passes_until_up(&s, &now_ms), passes[i]);
	}
	/* Nearly ten minutes without a failure forgive nothing, ten all. */
	now_ms = s.changed_ms + HEALTH_FORGET_MS - 2001;
	feed(&s, &rules, "---", &now_ms);
	assert_int_equal(passes_until_up(&s, &now_ms), 64);
	now_ms = s.changed_ms + HEALTH_FORGET_MS;
	feed(&s, &rules, "---", &now_ms);
	assert_int_equal(passes_until_up(&s, &now_ms), 2);
}

static void test_a_slow_start_rises_by_tenths_to_the_whole(void **state)
{
	struct health_state s;
	uint64_t now_ms = 1, begin_ms;

	(void)state;
	health_state_init(&s, 0, now_ms);
	assert_int_equal(health_state_share(&s, &slow, now_ms), 0);
	begin_ms = now_ms;
	feed(&s, &slow, "+", &now_ms);
	for (uint32_t step = 0; step < 9; step++) {
		assert_int_equal(health_state_share(&s, &slow, begin_ms + step * 1000),
				 10 + 10 * step);
		assert_int_equal(health_state_share(&s, &slow, begin_ms + step * 1000 + 999),
				 10 + 10 * step);
		assert_true(s.slow);
	}
	assert_int_equal(health_state_share(&s, &slow, begin_ms + 9000), 100);
	assert_false(s.slow);
	assert_int_equal(health_state_share(&s, &slow, begin_ms + 9001), 100);
}

static void test_one_that_was_found_in_the_ring_loses_nothing_by_passing(void **state)
{
	(void)state;
	for (uint32_t found = 1; found <= HEALTH_SHARE_FULL; found++) {
		struct health_state s;
		uint64_t now_ms = 1000000;
		uint32_t share;

		health_state_init(&s, found, now_ms);
		assert_int_equal(health_state_share(&s, &slow, now_ms), found);
		feed(&s, &slow, "+", &now_ms);
		share = health_state_share(&s, &slow, now_ms - 1000);
		/* in steps, so up to one step less, and never a step more */
		if (share + HEALTH_SHARE_STEP <= found || share > found + HEALTH_SHARE_STEP)
			fail_msg("found with %u, has %u", found, share);
		assert_int_equal(health_state_share(&s, &slow, now_ms + 9000), 100);
	}
}

static void test_what_was_lost_is_remembered(void **state)
{
	struct health_state s;
	uint64_t now_ms = 1;

	(void)state;
	health_state_init(&s, 0, now_ms);
	feed(&s, &rules, "-", &now_ms);
	assert_int_equal(s.lost_share, 0);
	feed(&s, &rules, "++", &now_ms);
	feed(&s, &rules, "---", &now_ms);
	assert_int_equal(s.lost_share, 100);
	assert_int_equal(health_state_share(&s, &rules, now_ms), 0);
	health_state_init(&s, 40, now_ms);
	feed(&s, &rules, "---", &now_ms);
	assert_int_equal(s.lost_share, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results_make_a_status),
		cmocka_unit_test(
			test_one_that_fails_often_is_down_longer_each_time_and_not_for_ever),
		cmocka_unit_test(test_a_slow_start_rises_by_tenths_to_the_whole),
		cmocka_unit_test(test_one_that_was_found_in_the_ring_loses_nothing_by_passing),
		cmocka_unit_test(test_what_was_lost_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
