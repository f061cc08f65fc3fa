/* SPDX-License-Identifier: BSD-2-Clause */
/* What the supervisor believes of a worker that reports whatever it likes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/proposals.h"
#include "base/addr.h"
#include "base/clock.h"
#include "sluice/abi/verdict.h"

#define NOW_NS (1000 * NS_PER_S)

static struct counters counters;
static const uint32_t known[] = { 900, 11, 12 };

static struct proposals fresh(void)
{
	struct proposals p = { .counters = &counters };

	memset(&counters, 0, sizeof(counters));
	assert_int_equal(proposals_know(&p, 1, known, 3), 0);
	return p;
}

static struct worker_refusal report(const char *source, uint32_t consumer, uint32_t reason,
				    uint32_t count)
{
	struct worker_refusal r = { .consumer = consumer, .reason = reason, .count = count };

	assert_int_equal(addr_parse(source, &r.source), 0);
	return r;
}

static const struct {
	const char *name, *source;
	uint32_t consumer, reason, count;
	enum counter refused; /* COUNTER_COUNT: believed */
} cases[] = {
	{ "an honest row", "192.0.2.7", 11, VERDICT_REASON_LIMIT, 3, COUNTER_COUNT },
	{ "nobody identified", "192.0.2.7", 0, VERDICT_REASON_AUTH, 1, COUNTER_COUNT },
	{ "IPv6", "2001:db8::1", 900, VERDICT_REASON_LIMIT, 1, COUNTER_COUNT },
	{ "a consumer that there is not", "192.0.2.7", 13, VERDICT_REASON_LIMIT, 1,
	  COUNTER_PROPOSALS_CONSUMER },
	{ "an operator's verdict", "192.0.2.7", 11, VERDICT_REASON_OPERATOR, 1,
	  COUNTER_PROPOSALS_REASON },
	{ "a reason out of range", "192.0.2.7", 11, UINT32_MAX, 1, COUNTER_PROPOSALS_REASON },
	{ "no refusal at all", "192.0.2.7", 11, VERDICT_REASON_LIMIT, 0, COUNTER_PROPOSALS_COUNT },
	{ "no address", "::", 11, VERDICT_REASON_LIMIT, 1, COUNTER_PROPOSALS_SOURCE },
	{ "this host", "127.0.0.1", 11, VERDICT_REASON_LIMIT, 1, COUNTER_PROPOSALS_SOURCE },
	{ "this host, IPv6", "::1", 11, VERDICT_REASON_LIMIT, 1, COUNTER_PROPOSALS_SOURCE },
	{ "0.0.0.0", "0.0.0.0", 11, VERDICT_REASON_LIMIT, 1, COUNTER_PROPOSALS_SOURCE },
	{ "a group", "224.0.0.1", 11, VERDICT_REASON_LIMIT, 1, COUNTER_PROPOSALS_SOURCE },
	{ "all neighbours", "255.255.255.255", 11, VERDICT_REASON_LIMIT, 1,
	  COUNTER_PROPOSALS_SOURCE },
	{ "a group, IPv6", "ff02::1", 11, VERDICT_REASON_LIMIT, 1, COUNTER_PROPOSALS_SOURCE },
	{ "the link's neighbours", "fe80::1", 11, VERDICT_REASON_LIMIT, 1,
	  COUNTER_PROPOSALS_SOURCE },
};

static void each_row_is_held_against_what_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proposals p = fresh();
		struct worker_refusal r =
			report(cases[i].source, cases[i].consumer, cases[i].reason, cases[i].count);
		const bool believed = cases[i].refused == COUNTER_COUNT;

		print_message("%s\n", cases[i].name);
		assert_int_equal(proposals_check(&p, 0, &r, 1, NOW_NS), believed);
		for (unsigned int c = 0; c < COUNTER_COUNT; c++)
			assert_int_equal(counters_get(&counters, c), c == cases[i].refused);
		proposals_clear(&p);
	}
}

static void those_believed_move_to_the_front(void **state)
{
	struct proposals p = fresh();
	struct worker_refusal rows[] = {
		report("192.0.2.1", 13, VERDICT_REASON_LIMIT, 1),
		report("192.0.2.2", 11, VERDICT_REASON_LIMIT, 1),
		report("127.0.0.1", 11, VERDICT_REASON_LIMIT, 1),
		report("192.0.2.4", 12, VERDICT_REASON_LIMIT, 1),
	};

	(void)state;
	assert_int_equal(proposals_check(&p, 0, rows, 4, NOW_NS), 2);
	assert_int_equal(rows[0].source.b[15], 2);
	assert_int_equal(rows[1].source.b[15], 4);
	proposals_clear(&p);
}

static void a_count_has_an_end(void **state)
{
	struct proposals p = fresh();
	struct worker_refusal r = report("192.0.2.1", 11, VERDICT_REASON_LIMIT, UINT32_MAX);

	(void)state;
	assert_int_equal(proposals_check(&p, 0, &r, 1, NOW_NS), 1);
	assert_int_equal(r.count, PROPOSALS_COUNT_MAX);
	assert_int_equal(counters_get(&counters, COUNTER_PROPOSALS_COUNT), 1);
	proposals_clear(&p);
}

static size_t flood(struct proposals *p, uint32_t slot, size_t n, uint64_t now_ns)
{
	size_t believed = 0;

	while (n--) {
		struct worker_refusal r = report("192.0.2.1", 11, VERDICT_REASON_LIMIT, 1);

		believed += proposals_check(p, slot, &r, 1, now_ns);
	}
	return believed;
}

static void one_worker_has_a_budget_and_the_others_have_theirs(void **state)
{
	struct proposals p = fresh();

	(void)state;
	assert_int_equal(flood(&p, 0, PROPOSALS_ROWS_PER_S + 500, NOW_NS), PROPOSALS_ROWS_PER_S);
	assert_int_equal(counters_get(&counters, COUNTER_PROPOSALS_BUDGET), 500);
	assert_int_equal(flood(&p, 1, 10, NOW_NS), 10);
	assert_int_equal(flood(&p, 0, 10, NOW_NS + NS_PER_S), 10);
	assert_int_equal(flood(&p, MESSAGE_SLOTS_MAX, 10, NOW_NS), 0);
	proposals_clear(&p);
}

static void consumers_change_with_the_revision(void **state)
{
	static const uint32_t next[] = { 13 };
	struct proposals p = fresh();
	struct worker_refusal r = report("192.0.2.1", 13, VERDICT_REASON_LIMIT, 1);

	(void)state;
	assert_int_equal(proposals_check(&p, 0, &r, 1, NOW_NS), 0);
	assert_int_equal(proposals_know(&p, 2, next, 1), 0);
	assert_int_equal(proposals_check(&p, 0, &r, 1, NOW_NS), 1);
	proposals_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_held_against_what_is_known),
		cmocka_unit_test(those_believed_move_to_the_front),
		cmocka_unit_test(a_count_has_an_end),
		cmocka_unit_test(one_worker_has_a_budget_and_the_others_have_theirs),
		cmocka_unit_test(consumers_change_with_the_revision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
