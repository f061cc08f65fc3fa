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
	assert_int_equal(counters_write(&c, 0, &out), 0);
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

static void the_start_time_has_all_its_digits(void **state)
{
	struct counters c = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, 1U << 16);
	assert_int_equal(counters_write(&c, 1795241987, &out), 0);
	assert_int_equal(buf_add(&out, "", 1), 0);
	assert_non_null(strstr(buf_head(&out), "\nsluice_agent_start_time_seconds 1795241987\n"));
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
		cmocka_unit_test(the_start_time_has_all_its_digits),
		cmocka_unit_test(a_full_buffer_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
