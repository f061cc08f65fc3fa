/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/counters.h"
#include "base/clock.h"

static void each_family_is_written_once_with_all_its_rows(void **state)
{
	struct counters c = { 0 };
	struct buf out;
	const char *text;

	(void)state;
	buf_init(&out, 1U << 16);
	counters_add(&c, COUNTER_RELOADS_REFUSED, 2);
	counters_add(&c, COUNTER_RESTARTS_WORKER, 3);
	counters_add(NULL, COUNTER_RESTARTS_WORKER, 3);
	assert_int_equal(counters_write(&c, clock_now_ns(), &out), 0);
	assert_int_equal(buf_add(&out, "", 1), 0);
	text = buf_head(&out);
	assert_non_null(strstr(text, "\nsluice_agent_config_reloads_total{result=\"ok\"} 0\n"));
	assert_non_null(
		strstr(text, "\nsluice_agent_config_reloads_total{result=\"refused\"} 2\n"));
	assert_non_null(strstr(text, "\nsluice_agent_restarts_total{role=\"supervisor\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_agent_restarts_total{role=\"worker\"} 3\n"));
	text = strstr(text, "# TYPE sluice_agent_restarts_total counter");
	assert_non_null(text);
	assert_null(strstr(text + 1, "# TYPE sluice_agent_restarts_total"));
	buf_clear(&out);
}

static void the_start_time_is_the_wall_clock_s(void **state)
{
	static const char name[] = "\nsluice_agent_start_time_seconds ";
	struct counters c = { 0 };
	struct buf out;
	double start, now = (double)clock_wall_ns() / (double)NS_PER_S;
	const char *at;

	(void)state;
	buf_init(&out, 1U << 16);
	assert_int_equal(counters_write(&c, clock_now_ns() - 100 * NS_PER_S, &out), 0);
	assert_int_equal(buf_add(&out, "", 1), 0);
	at = strstr(buf_head(&out), name);
	assert_non_null(at);
	start = strtod(at + strlen(name), NULL);
	assert_true(start > now - 101 && start < now - 98);
	buf_clear(&out);
}

static void a_full_buffer_is_said(void **state)
{
	struct counters c = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(counters_write(&c, 0, &out), -ENOSPC);
	buf_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_family_is_written_once_with_all_its_rows),
		cmocka_unit_test(the_start_time_is_the_wall_clock_s),
		cmocka_unit_test(a_full_buffer_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
