/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies, as a table; each also byte by byte and cut at every point, with the same outcome. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/h1/parse.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))
#define WIRE(s) .wire = s, .len = sizeof(s) - 1

struct body_case {
	const char *sentence;
	enum http_body kind;
	uint64_t length;
	const char *wire;
	size_t len;
	const char *
		expect; /* the data, then "." when done, "?" when there is more to come, or "!why" */
	size_t left_over; /* bytes behind the end of the body */
};

struct outcome {
	char text[1024];
	size_t n;
	size_t used;
	bool over; /* done or refused */
};

/* Give one piece to the reader, from memory that ends with it; false: over. */
static void feed(struct h1_body *b, const char *data, size_t len, struct outcome *o)
{
	char *exact = malloc(len ? len : 1);
	size_t at = 0;

	assert_non_null(exact);
	memcpy(exact, data, len);
	for (;;) {
		struct h1_error err = { 0, NULL };
		struct str run;
		ssize_t used = h1_body_read(b, exact + at, len - at, &run, &err);

		if (used < 0) {
			assert_int_equal(used, -EPROTO);
			o->n += (size_t)sprintf(o->text + o->n, "!%u %s", err.status, err.why);
			o->over = true;
			break;
		}
		assert_in_range(used, run.len, len - at);
		if (run.len) {
			assert_true(run.ptr >= exact + at && run.ptr + run.len <= exact + len);
			assert_true(o->n + run.len + 100 < sizeof(o->text));
			memcpy(o->text + o->n, run.ptr, run.len);
			o->n += run.len;
		}
		o->used += (size_t)used;
		at += (size_t)used;
		if (b->done && !o->over) {
			o->text[o->n++] = '.';
			o->over = true;
		}
		if (used == 0 && run.len == 0)
			break;
	}
	free(exact);
}

static void finish(struct outcome *o)
{
	if (!o->over)
		o->text[o->n++] = '?';
	o->text[o->n] = '\0';
}

static void start(const struct body_case *c, struct h1_body *b, struct outcome *o)
{
	struct http_head h = { .body = c->kind, .content_length = c->length };

	h1_body_init(b, &h);
	memset(o, 0, sizeof(*o));
}

static void test_body(void **state)
{
	const struct body_case *c = *state;
	struct outcome whole, part;
	struct h1_body b;

	start(c, &b, &whole);
	feed(&b, c->wire, c->len, &whole);
	finish(&whole);
	assert_string_equal(whole.text, c->expect);
	if (b.done)
		assert_int_equal(c->len - whole.used, c->left_over);

	for (size_t cut = 0; cut <= c->len; cut++) {
		start(c, &b, &part);
		feed(&b, c->wire, cut, &part);
		if (!part.over)
			feed(&b, c->wire + cut, c->len - cut, &part);
		finish(&part);
		assert_string_equal(part.text, whole.text);
	}
	start(c, &b, &part);
	for (size_t i = 0; i < c->len && !part.over; i++)
		feed(&b, c->wire + i, 1, &part);
	if (c->len == 0)
		feed(&b, c->wire, 0, &part);
	finish(&part);
	assert_string_equal(part.text, whole.text);
	if (b.done)
		assert_int_equal(part.used, whole.used);
}

#define CHUNKED HTTP_BODY_CHUNKED, 0

static const struct body_case cases[] = {
	{ "no body is done at once", HTTP_BODY_NONE, 0, WIRE("GET"), ".", 3 },
	{ "a length of 0 is done at once", HTTP_BODY_LENGTH, 0, WIRE("GET"), ".", 3 },
	{ "a length takes just its bytes", HTTP_BODY_LENGTH, 3, WIRE("abcGET"), "abc.", 3 },
	{ "a length waits for all of them", HTTP_BODY_LENGTH, 4, WIRE("abc"), "abc?" },
	{ "without length everything is body", HTTP_BODY_UNTIL_CLOSE, 0, WIRE("abc"), "abc?" },

	{ "chunks are joined", CHUNKED, WIRE("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET"), "abcde.", 3 },
	{ "a body may be the last chunk alone", CHUNKED, WIRE("0\r\n\r\n"), "." },
	{ "a size may have leading zeros", CHUNKED, WIRE("0003\r\nabc\r\n000\r\n\r\n"), "abc." },
	{ "a size is hexadecimal in both cases", CHUNKED,
	  WIRE("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), "01234567890123456789a." },
	{ "data may look like framing", CHUNKED, WIRE("5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
	  "0\r\n\r\n." },
	{ "the end of the last chunk is waited for", CHUNKED, WIRE("1\r\na\r\n0\r\n\r"), "a?" },
	{ "an empty size is refused", CHUNKED, WIRE("\r\nabc"), "!400 bad chunk size" },
	{ "a size with a sign is refused", CHUNKED, WIRE("+3\r\nabc"), "!400 bad chunk size" },
	{ "a size with 0x is refused", CHUNKED, WIRE("0x3\r\nabc"), "!400 bad chunk size" },
	{ "a space before a size is refused", CHUNKED, WIRE(" 3\r\nabc"), "!400 bad chunk size" },
	{ "a space behind a size is refused", CHUNKED, WIRE("3 \r\nabc"), "!400 bad chunk size" },
	{ "a size of 64 bits is refused", CHUNKED, WIRE("fffffffffffffffff\r\n"),
	  "!400 chunk size too large" },
	{ "a size of 2^59 is refused", CHUNKED, WIRE("800000000000000\r\n"),
	  "!400 chunk size too large" },
	{ "a bare LF behind a size is refused", CHUNKED, WIRE("3\nabc"),
	  "!400 bare LF behind a chunk size" },
	{ "a bare CR behind a size is refused", CHUNKED, WIRE("3\rabc"),
	  "!400 bare CR behind a chunk size" },
	{ "data longer than its size is refused", CHUNKED, WIRE("3\r\nabcd\r\n"),
	  "abc!400 no CRLF behind the data of a chunk" },
	{ "a bare LF behind data is refused", CHUNKED, WIRE("3\r\nabc\n0\r\n\r\n"),
	  "abc!400 no CRLF behind the data of a chunk" },
	{ "a bare CR behind data is refused", CHUNKED, WIRE("3\r\nabc\r0\r\n\r\n"),
	  "abc!400 no CRLF behind the data of a chunk" },
	{ "endless zeros are refused", CHUNKED,
	  WIRE("0000000000000000000000000000000000000000000000000000000000000000"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "0"),
	  "!400 chunk-size line too long" },

	{ "extensions are skipped", CHUNKED,
	  WIRE("1;a\r\nx\r\n1;b=c;d=\"e;f\\\"\"\r\ny\r\n0;z=1\r\n\r\n"), "xy." },
	{ "an extension without a name is refused", CHUNKED, WIRE("1;\r\nx"),
	  "!400 malformed chunk extension" },
	{ "an extension without its value is refused", CHUNKED, WIRE("1;a=\r\nx"),
	  "!400 malformed chunk extension" },
	{ "white space in an extension is refused", CHUNKED, WIRE("1; a\r\nx"),
	  "!400 malformed chunk extension" },
	{ "a bare LF in an extension is refused", CHUNKED, WIRE("1;a\nx"),
	  "!400 bare LF behind a chunk size" },
	{ "a CR in a quoted extension is refused", CHUNKED, WIRE("1;a=\"\r\nx\""),
	  "!400 malformed chunk extension" },
	{ "a quoted LF in an extension is refused", CHUNKED, WIRE("1;a=\"\\\nx\""),
	  "!400 malformed chunk extension" },
	{ "bytes behind a quoted extension are refused", CHUNKED, WIRE("1;a=\"b\"c\r\nx"),
	  "!400 bad chunk size" },

	{ "trailers are dropped", CHUNKED, WIRE("1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\nGET"), "a.", 3 },
	{ "a trailer without a colon is refused", CHUNKED, WIRE("0\r\nA\r\n\r\n"),
	  "!400 malformed trailer" },
	{ "a trailer without a name is refused", CHUNKED, WIRE("0\r\n: b\r\n\r\n"),
	  "!400 malformed trailer" },
	{ "Content-Length as a trailer is refused", CHUNKED,
	  WIRE("0\r\nA: b\r\ncontent-Length: 3\r\n\r\n"),
	  "!400 framing or connection field in the trailers" },
	{ "Transfer-Encoding as a trailer is refused", CHUNKED,
	  WIRE("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  "!400 framing or connection field in the trailers" },
	{ "Connection as a trailer is refused", CHUNKED, WIRE("0\r\nconnection:close\r\n\r\n"),
	  "!400 framing or connection field in the trailers" },
	{ "trailers with names like those are dropped", CHUNKED,
	  WIRE("0\r\nContent-Lengt: 3\r\nContent-Lengthy: 3\r\nTransfer-Encoding1: a\r\n"
	       "Content_Length: 3\r\nContransfer-encoding: a\r\nc: d\r\n\r\n"),
	  "." },
	{ "a folded trailer is refused", CHUNKED, WIRE("0\r\nA: b\r\n c\r\n\r\n"),
	  "!400 malformed trailer" },
	{ "a bare LF in a trailer is refused", CHUNKED, WIRE("0\r\nA: b\n\r\n"),
	  "!400 bare LF in a trailer" },
	{ "a bare CR in a trailer is refused", CHUNKED, WIRE("0\r\nA: b\rc\r\n\r\n"),
	  "!400 bare CR in a trailer" },
	{ "a NUL in a trailer is refused", CHUNKED, WIRE("0\r\nA: \0\r\n\r\n"),
	  "!400 malformed trailer" },
	{ "a bare LF for the last line is refused", CHUNKED, WIRE("0\r\n\n"),
	  "!400 malformed trailer" },
	{ "a bare CR for the last line is refused", CHUNKED, WIRE("0\r\n\rGET"),
	  "!400 bare CR in a trailer" },
};

static struct h1_body chunked(void)
{
	struct http_head h = { .body = HTTP_BODY_CHUNKED };
	struct h1_body b;

	h1_body_init(&b, &h);
	return b;
}

/* All of data; the outcome of the last call. */
static ssize_t swallow(struct h1_body *b, const char *data, size_t len, struct h1_error *err)
{
	struct str run;
	ssize_t used;

	do {
		used = h1_body_read(b, data, len, &run, err);
		if (used < 0)
			return used;
		data += used;
		len -= (size_t)used;
	} while (used);
	return used;
}

static void test_trailers_have_a_limit(void **state)
{
	struct h1_body b = chunked();
	struct h1_error err = { 0, "" };
	int lines = 0;

	(void)state;
	assert_int_equal(swallow(&b, "0\r\n", 3, &err), 0);
	while (swallow(&b, "Name: value of sixteen\r\n", 24, &err) == 0)
		assert_in_range(++lines, 1, 8192 / 24);
	assert_int_equal(err.status, 431);
	assert_int_equal(lines, 8192 / 24);
}

static void test_extensions_may_not_be_most_of_a_body(void **state)
{
	struct h1_body b = chunked();
	struct h1_error err = { 0, "" };
	static const char chunk[] = "1;a=0123456789012345678901234567890123456789\r\nx\r\n";
	int chunks = 0;

	(void)state;
	while (swallow(&b, chunk, sizeof(chunk) - 1, &err) == 0)
		assert_in_range(++chunks, 1, 200);
	assert_string_equal(err.why, "too many chunk extensions");
	assert_in_range(chunks, 80, 110); /* of 44 - 1 bytes each: 4096 in all */
}

static void test_extensions_beside_as_much_data_go_on_for_ever(void **state)
{
	struct h1_body b = chunked();
	struct h1_error err = { 0, "" };
	static const char chunk[] = "28;a=012345678901234567890123456789012345\r\n"
				    "0123456789012345678901234567890123456789\r\n";

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_int_equal(swallow(&b, chunk, sizeof(chunk) - 1, &err), 0);
	assert_int_equal(swallow(&b, "0\r\n\r\n", 5, &err), 0);
	assert_true(b.done);
}

static void test_only_a_body_without_length_ends_with_its_stream(void **state)
{
	struct http_head until = { .body = HTTP_BODY_UNTIL_CLOSE };
	struct http_head length = { .body = HTTP_BODY_LENGTH, .content_length = 1 };
	struct h1_body b = chunked();
	struct h1_error err;

	(void)state;
	assert_int_equal(h1_body_eof(&b, &err), -EPROTO);
	assert_false(b.done);
	assert_int_equal(swallow(&b, "0\r\n\r\n", 5, &err), 0);
	assert_int_equal(h1_body_eof(&b, &err), 0);
	h1_body_init(&b, &length);
	assert_int_equal(h1_body_eof(&b, &err), -EPROTO);
	h1_body_init(&b, &until);
	assert_int_equal(h1_body_eof(&b, &err), 0);
	assert_true(b.done);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_trailers_have_a_limit),
		cmocka_unit_test(test_extensions_may_not_be_most_of_a_body),
		cmocka_unit_test(test_extensions_beside_as_much_data_go_on_for_ever),
		cmocka_unit_test(test_only_a_body_without_length_ends_with_its_stream),
	};
	static struct CMUnitTest tests[N(cases) + N(others)];

	for (size_t i = 0; i < N(cases); i++)
		tests[i] = (struct CMUnitTest) { .name = cases[i].sentence,
						 .test_func = test_body,
						 .initial_state = (void *)&cases[i] };
	memcpy(tests + N(cases), others, sizeof(others));
	return _cmocka_run_group_tests("h1_body", tests, N(tests), NULL, NULL);
}
