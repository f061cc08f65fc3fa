/* SPDX-License-Identifier: BSD-2-Clause */
/* Meters before a change to rates of which one is slower. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dataplane/limit_debt.h"
#include "sluice/algo/gcra_rate.h"

#define NOW_FP gcra_now_fp(1000 * NS_PER_S)

static struct gcra_rate per_s(uint64_t units, uint64_t burst)
{
	struct gcra_rate rate;

	assert_int_equal(gcra_rate_set(&rate, units, NS_PER_S, burst), 0);
	return rate;
}

/* A bucket of `from` of which n units are spent, moved to `to`. */
static uint64_t moved(struct gcra_rate from, struct gcra_rate to, uint32_t n)
{
	const struct gcra_rate before[LIMIT_UNITS] = { from }, after[LIMIT_UNITS] = { to };
	struct limit_meters m = { .tat = { NOW_FP + gcra_cost_fp(&from, n), 7, 9 } };

	limit_debt_move(&m, before, after, NOW_FP);
	assert_int_equal(m.tat[1], 7);
	assert_int_equal(m.tat[2], 9);
	return m.tat[0] - NOW_FP;
}

static void a_slower_rate_has_as_much_spent(void **state)
{
	const struct gcra_rate fast = per_s(1000, 100), slow = per_s(10, 100);

	(void)state;
	assert_int_equal(moved(fast, slow, 0), 0);
	assert_int_equal(moved(fast, slow, 30), gcra_cost_fp(&slow, 30));
	assert_int_equal(moved(fast, slow, 100), slow.tolerance_fp);
	/* One that is no slower needs nothing: what it says too much is an empty bucket. */
	assert_int_equal(moved(slow, fast, 30), gcra_cost_fp(&slow, 30));
}

/* An empty bucket of the smaller burst is an early time, which the rate in force takes for tokens. */
static void a_smaller_burst_hands_no_tokens_to_the_rate_in_force(void **state)
{
	const struct gcra_rate now = per_s(1000, 1000), next = per_s(500, 10);

	(void)state;
	assert_true(next.tolerance_fp < now.tolerance_fp);
	assert_int_equal(moved(now, next, 1000), now.tolerance_fp);
	assert_int_equal(moved(now, next, 5), gcra_cost_fp(&next, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slower_rate_has_as_much_spent),
		cmocka_unit_test(a_smaller_burst_hands_no_tokens_to_the_rate_in_force),
	};

	return cmocka_run_group_tests_name("limit_debt", tests, NULL, NULL);
}
