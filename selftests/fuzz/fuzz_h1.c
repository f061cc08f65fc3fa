/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The HTTP/1 parser, body reader and path normalisation. The first byte chooses which, the second
 * where the input is cut in two. Beside crashes this finds: offsets outside of the head, a result
 * that depends on how the bytes arrived, and heads and bodies that do not survive being written and
 * read again (a request smuggled past one of two readers).
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chars.h"
#include "http/h1/parse.h"
#include "http/h1/write.h"
#include "http/uri.h"

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

static const struct h1_limits limits = { 2048, 512, 24 };
static const struct h1_limits wide = { 1 << 16, 1 << 16, HTTP_FIELDS_MAX };

static int parse(bool response, const char *data, size_t len, size_t *scanned,
		 const struct h1_limits *l, struct http_head *h, struct h1_error *err)
{
	return response ? h1_parse_response(data, len, scanned, l, HTTP_GET, h, err)
			: h1_parse_request(data, len, scanned, l, h, err);
}

static void check_inside(const struct http_head *h, struct str s)
{
	CHECK(s.len == 0 || (s.ptr >= h->base && s.ptr + s.len <= h->base + h->head_len));
}

static void check_field(const struct http_head *h, const struct http_field *f)
{
	struct str name = http_field_name(h, f);
	struct str value = http_field_value(h, f);

	check_inside(h, name);
	check_inside(h, value);
	CHECK(name.len > 0 && http_name_of(name) == f->known);
	for (size_t i = 0; i < name.len; i++)
		CHECK(http_char_is(name.ptr[i], HTTP_CHAR_TOKEN));
	for (size_t i = 0; i < value.len; i++)
		CHECK(http_char_is(value.ptr[i], HTTP_CHAR_VALUE));
	if (value.len)
		CHECK(!strchr(" \t", value.ptr[0]) && !strchr(" \t", value.ptr[value.len - 1]));
}

static void check_head(const struct http_head *h, bool response)
{
	CHECK(h->n_fields <= HTTP_FIELDS_MAX && h->minor <= 1);
	for (uint32_t i = 0; i < h->n_fields; i++)
		check_field(h, &h->fields[i]);
	CHECK(h->content_length <= INT64_MAX);
	const struct http_field *te = http_field_known(h, HTTP_NAME_TRANSFER_ENCODING);
	const struct http_field *cl = http_field_known(h, HTTP_NAME_CONTENT_LENGTH);

	CHECK(!te || (!cl && str_ieq(http_field_value(h, te), STR_LIT("chunked"))));
	CHECK(h->body != HTTP_BODY_CHUNKED || te);
	CHECK(h->body != HTTP_BODY_LENGTH || cl);
	if (response) {
		CHECK(h->status >= 100 && h->status <= 599);
		check_inside(h, h->reason);
		return;
	}
	check_inside(h, h->method_text);
	check_inside(h, h->target);
	check_inside(h, h->query);
	check_inside(h, h->authority);
	CHECK(h->body != HTTP_BODY_UNTIL_CLOSE);
	CHECK(h->authority.len || h->minor == 0);
	CHECK(h->method == HTTP_CONNECT || h->path.ptr[0] == '/' || str_eq(h->path, STR_LIT("*")));
}

static void check_equal(const struct http_head *a, const struct http_head *b)
{
	CHECK(a->method == b->method && str_eq(a->method_text, b->method_text));
	CHECK(str_eq(a->target, b->target) && str_eq(a->path, b->path));
	CHECK(str_eq(a->query, b->query) && str_eq(a->authority, b->authority));
	CHECK(a->status == b->status);
	CHECK(a->keep_alive == b->keep_alive && a->expect_continue == b->expect_continue);
	CHECK(a->upgrade == b->upgrade && a->body == b->body);
	CHECK(a->content_length == b->content_length && a->n_fields == b->n_fields);
	for (uint32_t i = 0; i < a->n_fields; i++) {
		const struct http_field *f = &a->fields[i], *g = &b->fields[i];

		CHECK(str_eq(http_field_name(a, f), http_field_name(b, g)));
		CHECK(str_eq(http_field_value(a, f), http_field_value(b, g)));
		CHECK(f->known == g->known && f->hop == g->hop);
	}
}

/* Write the head as the gateway would, and read that. HTTP/1.0 would become another message. */
static void check_round_trip(const struct http_head *h, bool response)
{
	struct http_head again;
	struct h1_error err;
	size_t scanned = 0;
	struct buf b;

	if (h->minor == 0)
		return;
	buf_init(&b, 1 << 16);
	CHECK((response ? h1_write_status_line(&b, h->status)
			: h1_write_request_line(&b, h->method_text, h->target)) == 0);
	for (uint32_t i = 0; i < h->n_fields; i++)
		CHECK(h1_write_field(&b, http_field_name(h, &h->fields[i]),
				     http_field_value(h, &h->fields[i])) == 0);
	CHECK(h1_write_end(&b) == 0);
	int n = parse(response, buf_head(&b), buf_len(&b), &scanned, &wide, &again, &err);

	CHECK(n == (int)buf_len(&b));
	check_equal(h, &again);
	buf_clear(&b);
}

/* What came in pieces must come out as what came whole, or wait for more. */
static void check_pieces(bool response, const char *data, size_t len, size_t step, int whole,
			 const struct http_head *h, const struct h1_error *whole_err)
{
	struct http_head part;
	struct h1_error err = { 0 };
	size_t scanned = 0, have = 0;
	int n = -EAGAIN;

	while (have < len && n == -EAGAIN) {
		have = len - have < step ? len : have + step;
		n = parse(response, data, have, &scanned, &limits, &part, &err);
	}
	if (n == -EAGAIN)
		CHECK(whole == -EAGAIN || (whole == -EPROTO && !memmem(data, len, "\r\n\r\n", 4)));
	else
		CHECK(n == whole);
	if (n == -EPROTO)
		CHECK(err.status == whole_err->status && strcmp(err.why, whole_err->why) == 0);
	if (n > 0)
		check_equal(&part, h);
}

static void fuzz_head(bool response, size_t cut, const char *data, size_t len)
{
	struct http_head h;
	struct h1_error err = { 0 };
	size_t scanned = 0;
	int n = parse(response, data, len, &scanned, &limits, &h, &err);

	CHECK(n == -EAGAIN || n == -EPROTO || (n > 0 && (size_t)n <= len));
	CHECK(n != -EAGAIN || len < limits.max_head_bytes);
	CHECK(n != -EPROTO || (err.status && err.why && *err.why));
	CHECK(n < 0 || (h.head_len == (uint32_t)n && h.head_len <= limits.max_head_bytes));
	if (n > 0) {
		check_head(&h, response);
		check_round_trip(&h, response);
	}
	check_pieces(response, data, len, cut + 1, n, &h, &err);
	check_pieces(response, data, len, 1, n, &h, &err);
}

/* Read a body in steps; its data into *out, the outcome as the return value: 1 done, 0 more. */
static int read_body(struct h1_body *b, const char *data, size_t len, size_t step, struct buf *out)
{
	size_t at = 0, have = 0;

	do {
		have = len - have < step ? len : have + step;
		for (;;) {
			struct h1_error err = { 0 };
			struct str run;
			ssize_t used = h1_body_read(b, data + at, have - at, &run, &err);

			if (used < 0) {
				CHECK(used == -EPROTO && err.status && err.why);
				return -EPROTO;
			}
			CHECK((size_t)used <= have - at && run.len <= (size_t)used);
			if (run.len)
				CHECK(run.ptr >= data + at && run.ptr + run.len <= data + have);
			CHECK(buf_add_str(out, run) == 0);
			at += (size_t)used;
			if (used == 0 && run.len == 0)
				break;
		}
	} while (have < len);
	CHECK(b->done || at == len);
	return b->done;
}

static void fuzz_body(size_t cut, const char *data, size_t len)
{
	struct http_head h = { .body = cut & 1 ? HTTP_BODY_CHUNKED : HTTP_BODY_LENGTH,
			       .content_length = cut };
	struct h1_body b;
	struct buf whole, part, again;

	buf_init(&whole, len + 64);
	buf_init(&part, len + 64);
	buf_init(&again, len * 2 + 64);
	h1_body_init(&b, &h);
	int n = read_body(&b, data, len, len + 1, &whole);

	for (size_t step = 1; step <= cut + 1; step += cut + 1) {
		part.start = part.end = 0;
		h1_body_init(&b, &h);
		CHECK(read_body(&b, data, len, step, &part) == n);
		CHECK(str_eq(buf_str(&part), buf_str(&whole)));
	}
	/* Framed anew, the data is the same. */
	part.start = part.end = 0;
	CHECK(h1_write_chunk(&again, buf_str(&whole)) == 0 && h1_write_last_chunk(&again) == 0);
	h.body = HTTP_BODY_CHUNKED;
	h1_body_init(&b, &h);
	CHECK(read_body(&b, buf_head(&again), buf_len(&again), cut + 1, &part) == 1);
	CHECK(str_eq(buf_str(&part), buf_str(&whole)));
	buf_clear(&whole);
	buf_clear(&part);
	buf_clear(&again);
}

static void fuzz_uri(const char *data, size_t len)
{
	char *out = malloc(len + 1), *again = malloc(len + 1);
	struct str s = { data, len };

	CHECK(out && again);
	if (uri_authority_valid(s, false)) {
		for (size_t i = 0; i < len; i++)
			CHECK(http_char_is(data[i], HTTP_CHAR_HOST) || strchr("[]:", data[i]));
	}
	int n = uri_normalize(s, out);

	CHECK(n == -EINVAL || (n > 0 && (size_t)n <= len && out[n] == '\0' && out[0] == '/'));
	if (n > 0) {
		CHECK(strlen(out) == (size_t)n && !strstr(out, "//") && !strchr(out, '\\'));
		CHECK(!strstr(out, "/./") && !strstr(out, "/../"));
		CHECK(strcmp(out + n - 1, ".") != 0 || !strstr(out + (n > 3 ? n - 3 : 0), "/."));
		CHECK(uri_normalize((struct str) { out, (size_t)n }, again) == n);
		CHECK(strcmp(out, again) == 0);
	}
	free(out);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size < 2)
		return 0;
	size_t cut = input[1];
	size_t len = size - 2;
	char *data = malloc(len ? len : 1); /* ends where the input does, for ASan */

	CHECK(data);
	memcpy(data, input + 2, len);
	switch (input[0] % 4) {
	case 0:
		fuzz_head(false, cut, data, len);
		break;
	case 1:
		fuzz_head(true, cut, data, len);
		break;
	case 2:
		fuzz_body(cut, data, len);
		break;
	default:
		fuzz_uri(data, len);
		break;
	}
	free(data);
	return 0;
}
