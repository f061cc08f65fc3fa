/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "http/h1/parse.h"
#include "http/h1/write.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void assert_wire(struct buf *b, const char *expect)
{
	assert_int_equal(buf_len(b), strlen(expect));
	assert_memory_equal(buf_head(b), expect, strlen(expect));
	buf_clear(b);
}

static void test_a_request_head_is_written(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_int_equal(h1_write_request_line(&b, STR_LIT("GET"), STR_LIT("/a?b")), 0);
	assert_int_equal(h1_write_field(&b, STR_LIT("Host"), STR_LIT("x")), 0);
	assert_int_equal(h1_write_field(&b, STR_LIT("Empty"), STR_LIT("")), 0);
	assert_int_equal(h1_write_field_u64(&b, STR_LIT("Zero"), 0), 0);
	assert_int_equal(h1_write_field_u64(&b, STR_LIT("Most"), UINT64_MAX), 0);
	assert_int_equal(h1_write_end(&b), 0);
	assert_wire(&b, "GET /a?b HTTP/1.1\r\nHost: x\r\nEmpty: \r\nZero: 0\r\n"
			"Most: 18446744073709551615\r\n\r\n");
}

static void test_a_status_line_has_the_registered_reason_or_none(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_int_equal(h1_write_status_line(&b, 429), 0);
	assert_wire(&b, "HTTP/1.1 429 Too Many Requests\r\n");
	assert_int_equal(h1_write_status_line(&b, 299), 0);
	assert_wire(&b, "HTTP/1.1 299 \r\n");
	assert_int_equal(h1_write_status_line(&b, 99), -EINVAL);
	assert_int_equal(h1_write_status_line(&b, 600), -EINVAL);
	assert_int_equal(buf_len(&b), 0);
}

static void test_what_would_end_a_line_or_a_word_is_never_written(void **state)
{
	static const struct str bad_values[] = {
		{ "a\r", 2 },  { "a\nb", 3 }, { "\0", 1 }, { "a\r\nSet-Cookie: b", 16 },
		{ "\x7f", 1 }, { "\x1b", 1 },
	};
	static const struct str bad_tokens[] = {
		{ "", 0 },    { "a b", 3 }, { "a:", 2 },   { "a\r\n", 3 },
		{ "a\0", 2 }, { "\t", 1 },  { "\xc3", 1 },
	};
	static const struct str bad_targets[] = {
		{ "", 0 }, { "/ b", 3 }, { "/\r\n", 3 }, { "/#", 2 }, { "/\xc3", 2 }, { "/\0", 2 },
	};
	struct str x = STR_LIT("x");
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < N(bad_values); i++)
		assert_int_equal(h1_write_field(&b, x, bad_values[i]), -EINVAL);
	for (size_t i = 0; i < N(bad_tokens); i++) {
		assert_int_equal(h1_write_field(&b, bad_tokens[i], x), -EINVAL);
		assert_int_equal(h1_write_request_line(&b, bad_tokens[i], x), -EINVAL);
	}
	for (size_t i = 0; i < N(bad_targets); i++)
		assert_int_equal(h1_write_request_line(&b, x, bad_targets[i]), -EINVAL);
	assert_int_equal(buf_len(&b), 0);
}

static void test_a_forbidden_byte_is_found_wherever_it_is(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (int c = 0; c < 256; c++) {
		for (size_t at = 0; at < 20; at++) {
			char value[20];
			bool good = (c >= 0x20 && c != 0x7f) || c == '\t';

			memset(value, at & 1 ? 0xff : 'a', sizeof(value));
			value[at] = (char)c;
			assert_int_equal(h1_write_field(&b, STR_LIT("x"),
							(struct str) { value, sizeof(value) }),
					 good ? 0 : -EINVAL);
			buf_clear(&b);
		}
	}
}

static void test_without_room_nothing_is_written(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 6);
	assert_int_equal(h1_write_field(&b, STR_LIT("ab"), STR_LIT("c")), -ENOSPC);
	assert_int_equal(h1_write_request_line(&b, STR_LIT("GET"), STR_LIT("/")), -ENOSPC);
	assert_int_equal(h1_write_status_line(&b, 200), -ENOSPC);
	assert_int_equal(h1_write_chunk(&b, STR_LIT("ab")), -ENOSPC);
	assert_int_equal(h1_write_date(&b), -ENOSPC);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(h1_write_field(&b, STR_LIT("a"), STR_LIT("b")), 0);
	assert_int_equal(h1_write_end(&b), -ENOSPC);
	assert_wire(&b, "a: b\r\n");
}

static void test_chunks_are_framed(void **state)
{
	static char large[0x12345];
	struct buf b;

	(void)state;
	memset(large, 'a', sizeof(large));
	buf_init(&b, 1 << 20);
	assert_int_equal(h1_write_chunk(&b, STR_LIT("0123456789")), 0);
	assert_int_equal(h1_write_chunk(&b, STR_LIT("")), 0); /* would be the end */
	assert_int_equal(h1_write_last_chunk(&b), 0);
	assert_wire(&b, "a\r\n0123456789\r\n0\r\n\r\n");
	assert_int_equal(h1_write_chunk(&b, (struct str) { large, sizeof(large) }), 0);
	assert_memory_equal(buf_head(&b), "12345\r\na", 8);
	assert_true(buf_len(&b) <= sizeof(large) + H1_CHUNK_OVERHEAD);
	buf_clear(&b);
}

static void test_dates_are_those_of_rfc_9110(void **state)
{
	static const struct {
		time_t wall_s;
		const char *line;
	} cases[] = {
		{ 784111777, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" },
		{ 0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" },
		{ 951782399, "Date: Mon, 28 Feb 2000 23:59:59 GMT\r\n" },
		{ 951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n" },
		{ 951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n" }, /* as it was kept */
		{ 4102444799, "Date: Thu, 31 Dec 2099 23:59:59 GMT\r\n" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < N(cases); i++) {
		assert_int_equal(h1_write_date_at(&b, cases[i].wall_s), 0);
		assert_wire(&b, cases[i].line);
	}
}

static void test_the_date_is_today(void **state)
{
	time_t before, after, written;
	struct tm tm = { 0 };
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	before = time(NULL);
	assert_int_equal(h1_write_date(&b), 0);
	after = time(NULL);
	assert_int_equal(buf_add(&b, "", 1), 0);
	assert_non_null(strptime(buf_head(&b), "Date: %a, %d %b %Y %H:%M:%S GMT", &tm));
	written = timegm(&tm);
	assert_in_range(written, before, after);
	buf_clear(&b);
}

static void test_a_head_that_was_written_reads_back_the_same(void **state)
{
	static const char wire[] = "PATCH /a?b HTTP/1.1\r\nHost: x\r\nA: \xff \"b\"\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	const struct h1_limits limits = { 1000, 100, 10 };
	struct http_head h;
	struct h1_error err;
	size_t scanned = 0;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_int_equal(h1_parse_request(wire, sizeof(wire) - 1, &scanned, &limits, &h, &err),
			 sizeof(wire) - 1);
	assert_int_equal(h1_write_request_line(&b, h.method_text, h.target), 0);
	for (uint32_t i = 0; i < h.n_fields; i++)
		assert_int_equal(h1_write_field(&b, http_field_name(&h, &h.fields[i]),
						http_field_value(&h, &h.fields[i])),
				 0);
	assert_int_equal(h1_write_end(&b), 0);
	assert_wire(&b, wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_head_is_written),
		cmocka_unit_test(test_a_status_line_has_the_registered_reason_or_none),
		cmocka_unit_test(test_what_would_end_a_line_or_a_word_is_never_written),
		cmocka_unit_test(test_a_forbidden_byte_is_found_wherever_it_is),
		cmocka_unit_test(test_without_room_nothing_is_written),
		cmocka_unit_test(test_chunks_are_framed),
		cmocka_unit_test(test_dates_are_those_of_rfc_9110),
		cmocka_unit_test(test_the_date_is_today),
		cmocka_unit_test(test_a_head_that_was_written_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
