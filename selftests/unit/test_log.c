/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "base/metric.h"

struct fixture {
	int fd[2];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (pipe2(f->fd, O_NONBLOCK | O_CLOEXEC))
		return -1;
	log_open_fd("worker-0", f->fd[1]);
	log_set_level(LOG_INFO);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	log_open_fd("test", STDERR_FILENO);
	close(f->fd[0]);
	close(f->fd[1]);
	free(f);
	return 0;
}

static size_t read_all(struct fixture *f, char *buf, size_t size)
{
	ssize_t n = read(f->fd[0], buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void test_a_line_is_one_json_object_with_its_fields(void **state)
{
	char line[4096];
	json_t *root;
	const char *time;

	log_warn("thing.happen", LOG_STR("text", "a\nb"), LOG_U64("n", 7), LOG_I64("i", -7),
		 LOG_DOUBLE("d", 1.5), LOG_BOOL("yes", true));
	assert_int_equal(line[read_all(*state, line, sizeof(line)) - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "level")), "warn");
	assert_string_equal(json_string_value(json_object_get(root, "role")), "worker-0");
	assert_string_equal(json_string_value(json_object_get(root, "event")), "thing.happen");
	assert_string_equal(json_string_value(json_object_get(root, "text")), "a\nb");
	assert_int_equal(json_integer_value(json_object_get(root, "n")), 7);
	assert_int_equal(json_integer_value(json_object_get(root, "i")), -7);
	assert_true(json_is_true(json_object_get(root, "yes")));
	time = json_string_value(json_object_get(root, "time"));
	assert_int_equal(strlen(time), strlen("2025-01-01T00:00:00.000000Z"));
	assert_int_equal(time[10], 'T');
	assert_int_equal(time[19], '.');
	assert_int_equal(time[26], 'Z');
	json_decref(root);
}

static void test_levels_below_the_set_one_are_silent(void **state)
{
	char line[4096];
	enum log_level level = LOG_ERROR;

	log_debug("quiet");
	assert_int_equal(read_all(*state, line, sizeof(line)), 0);
	assert_int_equal(log_level_parse("debug", &level), 0);
	log_set_level(level);
	log_debug("loud");
	assert_true(read_all(*state, line, sizeof(line)) > 0);
	assert_int_equal(log_level_parse("verbose", &level), -EINVAL);
	assert_int_equal(level, LOG_DEBUG);
}

static void test_fields_that_do_not_fit_leave_a_line_that_says_so(void **state)
{
	char line[4096], *huge = malloc(20000);

	memset(huge, 'x', 19999);
	huge[19999] = '\0';
	log_error("too_much", LOG_STR("huge", huge));
	read_all(*state, line, sizeof(line));
	assert_non_null(strstr(line, "\"event\":\"too_much\",\"fields_too_long\":true}\n"));
	free(huge);
}

static void test_a_foreign_line_stays_one_line(void **state)
{
	char line[4096];

	log_write_line("{\"a\":1}\n{\"forged\":1}\n", 21);
	read_all(*state, line, sizeof(line));
	assert_string_equal(line, "{\"a\":1}?{\"forged\":1}\n");
	log_write_line("{}", 2);
	read_all(*state, line, sizeof(line));
	assert_string_equal(line, "{}\n");
}

static void test_a_full_ring_drops_and_counts_the_line(void **state)
{
	void *mem = aligned_alloc(64, ring_bytes(256));
	struct ring *ring = ring_init(mem, 256);
	uint64_t before = metric_page->counter[METRIC_LOG_DROPPED];
	char line[256];
	int n;

	(void)state;
	log_open_ring("worker-1", ring);
	log_info("first");
	for (int i = 0; i < 10; i++)
		log_info("more");
	n = ring_read(ring, line, sizeof(line));
	assert_true(n > 0);
	assert_int_equal(line[n - 1], '\n');
	line[n - 1] = '\0';
	assert_non_null(strstr(line, "\"role\":\"worker-1\",\"event\":\"first\"}"));
	assert_true(metric_page->counter[METRIC_LOG_DROPPED] - before >= 9);
	log_open_fd("test", STDERR_FILENO);
	ring_free(ring);
	free(mem);
}

static void test_a_pipe_that_nobody_empties_does_not_block(void **state)
{
	uint64_t before = metric_page->counter[METRIC_LOG_DROPPED];

	(void)state;
	for (int i = 0; i < 2000; i++)
		log_info("flood", LOG_STR("pad", "0123456789012345678901234567890123456789"));
	assert_true(metric_page->counter[METRIC_LOG_DROPPED] > before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_line_is_one_json_object_with_its_fields,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_levels_below_the_set_one_are_silent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_fields_that_do_not_fit_leave_a_line_that_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_foreign_line_stays_one_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_full_ring_drops_and_counts_the_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_pipe_that_nobody_empties_does_not_block,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
