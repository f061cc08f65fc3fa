/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_write.h"

#define R "\xef\xbf\xbd" /* U+FFFD */

static void expect(const struct buf *b, const char *text)
{
	assert_int_equal(buf_len(b), strlen(text));
	assert_memory_equal(buf_head(b), text, strlen(text));
}

static void test_every_type(void **state)
{
	struct json_write w;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	json_write_open(&w, &b);
	json_write_str(&w, "s", STR_LIT("v"));
	json_write_u64(&w, "u", UINT64_MAX);
	json_write_i64(&w, "i", INT64_MIN);
	json_write_double(&w, "d", 0.25);
	json_write_double(&w, "nan", (double)NAN);
	json_write_bool(&w, "b", true);
	json_write_raw(&w, "r", STR_LIT("[1]"));
	assert_int_equal(json_write_close(&w), 0);
	expect(&b, "{\"s\":\"v\",\"u\":18446744073709551615,\"i\":-9223372036854775808,"
		   "\"d\":0.25,\"nan\":null,\"b\":true,\"r\":[1]}");
	buf_clear(&b);
}

static void test_strings_are_escaped_and_bad_utf8_is_replaced(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} rows[] = {
		{ STR_LIT("a\"b\\c\n\r\t"), "a\\\"b\\\\c\\n\\r\\t" },
		{ STR_LIT("\0\x1f\x7f"), "\\u0000\\u001f\\u007f" },
		{ STR_LIT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
		  "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ STR_LIT("\xff"), R },
		{ STR_LIT("\xc3"), R },
		{ STR_LIT("\xc0\xaf"), R R },		  /* overlong slash */
		{ STR_LIT("\xe0\x80\xaf"), R R R },	  /* overlong slash */
		{ STR_LIT("\xed\xa0\x80"), R R R },	  /* surrogate */
		{ STR_LIT("\xf4\x90\x80\x80"), R R R R }, /* over U+10FFFF */
		{ STR_LIT("\xe2\x82x"), R R "x" },
	};
	struct json_write w;
	char expected[128];
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_write_open(&w, &b);
		json_write_str(&w, "k", rows[i].in);
		assert_int_equal(json_write_close(&w), 0);
		snprintf(expected, sizeof(expected), "{\"k\":\"%s\"}", rows[i].out);
		expect(&b, expected);
		buf_consume(&b, buf_len(&b));
	}
	buf_clear(&b);
}

static void test_what_does_not_fit_is_taken_back_at_every_length(void **state)
{
	struct json_write w;
	struct buf b;
	int err = -ENOSPC;

	(void)state;
	for (size_t max = 4; err; max++) {
		buf_init(&b, max);
		buf_add(&b, "head", 4);
		json_write_open(&w, &b);
		json_write_str(&w, "key", STR_LIT("a\n\xff"));
		json_write_u64(&w, "n", 12);
		err = json_write_close(&w);
		if (err) {
			assert_int_equal(err, -ENOSPC);
			expect(&b, "head");
		} else {
			expect(&b, "head{\"key\":\"a\\n" R "\",\"n\":12}");
			assert_int_equal(max, buf_len(&b));
		}
		buf_clear(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type),
		cmocka_unit_test(test_strings_are_escaped_and_bad_utf8_is_replaced),
		cmocka_unit_test(test_what_does_not_fit_is_taken_back_at_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
