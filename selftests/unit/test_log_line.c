/* SPDX-License-Identifier: BSD-2-Clause */
/* A line bears the role of the ring in which it lay, whatever it says itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/log_line.h"

#define LONG 9000

static const struct {
	const char *name, *line, *want; /* NULL: it is replaced */
} cases[] = {
	{ "an honest line", "{\"role\":\"worker-1\",\"event\":\"x\"}",
	  "{\"role\":\"worker-1\",\"event\":\"x\"}" },
	{ "one without a role gets it", "{\"event\":\"x\"}",
	  "{\"role\":\"worker-1\",\"event\":\"x\"}" },
	{ "numbers, names, nested values",
	  "{\"a\":-1.5e+3,\"b\":true,\"c\":null,\"d\":[1,{\"role\":2}]}",
	  "{\"role\":\"worker-1\",\"a\":-1.5e+3,\"b\":true,\"c\":null,\"d\":[1,{\"role\":2}]}" },
	{ "quotes and brackets in a text", "{\"a\":\"\\\"},{\\\\\",\"b\":1}",
	  "{\"role\":\"worker-1\",\"a\":\"\\\"},{\\\\\",\"b\":1}" },
	{ "another worker", "{\"role\":\"worker-2\"}", NULL },
	{ "the supervisor", "{\"role\":\"supervisor\"}", NULL },
	{ "its own, then another", "{\"role\":\"worker-1\",\"role\":\"supervisor\"}", NULL },
	{ "a role that is no text", "{\"role\":1}", NULL },
	{ "a key behind an escape", "{\"r\\u006fle\":\"supervisor\"}", NULL },
	{ "a second object", "{\"a\":1}{\"role\":\"supervisor\"}", NULL },
	{ "an object that ends early", "{\"a\":{}},\"role\":\"supervisor\"}", NULL },
	{ "a value behind a value", "{\"a\":1 \"role\":\"supervisor\"}", NULL },
	{ "brackets that do not match", "{\"a\":[}],\"role\":\"supervisor\"}", NULL },
	{ "an open bracket", "{\"a\":[", NULL },
	{ "an open text", "{\"a\":\"", NULL },
	{ "a text that ends in an escape", "{\"a\":\"\\", NULL },
	{ "too deep", "{\"a\":[[[[[[[[[[]]]]]]]]]]}", NULL },
	{ "no object", "level=info role=supervisor", NULL },
	{ "nothing", "", NULL },
};

static void lines_are_attributed_or_replaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t len = strlen(cases[i].line);
		char *line = malloc(len + 1), *to = malloc(len + LOG_LINE_EXTRA);
		size_t n;
		json_t *parsed;

		print_message("%s\n", cases[i].name);
		memcpy(line, cases[i].line, len + 1);
		n = log_line_attribute(line, len, "worker-1", to);
		assert_int_equal(n, cases[i].want ? strlen(cases[i].want) : 0);
		if (n)
			assert_memory_equal(to, cases[i].want, n);
		else
			n = log_line_replace(line, len, "worker-1", to);
		parsed = json_loadb(to, n, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(parsed);
		assert_string_equal(json_string_value(json_object_get(parsed, "role")), "worker-1");
		json_decref(parsed);
		free(line);
		free(to);
	}
}

static void a_long_forgery_fits(void **state)
{
	char *line = malloc(LONG), *to = malloc(LONG + LOG_LINE_EXTRA);
	size_t n;

	(void)state;
	memset(line, '"', LONG);
	n = log_line_replace(line, LONG, "worker-63", to);
	assert_true(n > 0 && n < LOG_LINE_EXTRA + LONG);
	n = log_line_replace(line, 1, "worker-63", to);
	assert_true(n > 0 && n < LOG_LINE_EXTRA);
	free(line);
	free(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_attributed_or_replaced),
		cmocka_unit_test(a_long_forgery_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
