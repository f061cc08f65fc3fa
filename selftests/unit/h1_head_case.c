/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h1_head_case.h"

const struct h1_limits h1_head_case_limits = { 4096, 1024, 50 };

/* method|path|query|authority|1.minor keep|close body [expect] [upgrade] [~]name=value;... */
static void describe(const struct http_head *h, bool response, char *out, size_t bytes)
{
	static const char *const bodies[] = { "none", "length", "chunked", "until-close" };
	int n;

#define S(s) (int)(s).len, (s).ptr ? (s).ptr : ""
	if (response)
		n = snprintf(out, bytes, "%u|%.*s|1.%u", h->status, S(h->reason), h->minor);
	else
		n = snprintf(out, bytes, "%.*s|%.*s|%.*s|%.*s|1.%u", S(h->method_text), S(h->path),
			     S(h->query), S(h->authority), h->minor);
	n += snprintf(out + n, bytes - (size_t)n, " %s %s", h->keep_alive ? "keep" : "close",
		      bodies[h->body]);
	if (h->body == HTTP_BODY_LENGTH)
		n += snprintf(out + n, bytes - (size_t)n, "=%llu",
			      (unsigned long long)h->content_length);
	n += snprintf(out + n, bytes - (size_t)n, "%s%s", h->expect_continue ? " expect" : "",
		      h->upgrade ? " upgrade" : "");
	for (uint32_t i = 0; i < h->n_fields; i++) {
		struct str name = http_field_name(h, &h->fields[i]);
		struct str value = http_field_value(h, &h->fields[i]);

		n += snprintf(out + n, bytes - (size_t)n, " %s%.*s=%.*s;",
			      h->fields[i].hop ? "~" : "", S(name), S(value));
		assert_true((size_t)n < bytes);
	}
#undef S
}

static int parse(const struct head_case *c, bool response, const char *data, size_t len,
		 size_t *scanned, struct http_head *h, struct h1_error *err)
{
	const struct h1_limits *limits =
		c->limits.max_head_bytes ? &c->limits : &h1_head_case_limits;

	return response ? h1_parse_response(data, len, scanned, limits, c->answers, h, err)
			: h1_parse_request(data, len, scanned, limits, h, err);
}

static void outcome(int n, bool response, const struct http_head *h, const struct h1_error *err,
		    char *out, size_t bytes)
{
	if (n == -EPROTO)
		snprintf(out, bytes, "%u: %s", err->status, err->why);
	else if (n < 0)
		snprintf(out, bytes, "%s", n == -EAGAIN ? "more" : "?");
	else
		describe(h, response, out, bytes);
}

/* All bytes up to len, in memory that ends there, so that reading beyond is seen by ASan. */
static void parse_prefix(const struct head_case *c, bool response, size_t len, size_t *scanned,
			 char *out, size_t bytes)
{
	struct http_head h;
	struct h1_error err = { 0, "" };
	char *exact = malloc(len ? len : 1);

	assert_non_null(exact);
	memcpy(exact, c->wire, len);
	int n = parse(c, response, exact, len, scanned, &h, &err);

	outcome(n, response, &h, &err, out, bytes);
	if (n > 0)
		assert_int_equal(n, (int)h.head_len);
	free(exact);
}

void h1_head_case_check(const struct head_case *c, bool response)
{
	char whole[16384], part[16384];
	size_t scanned = 0;

	parse_prefix(c, response, c->len, &scanned, whole, sizeof(whole));
	assert_string_equal(whole, c->expect);
	assert_int_equal(scanned, strcmp(whole, "more") == 0 ? c->len : 0);

	/* Cut at every point: the first part is not enough, or refused alike. */
	for (size_t cut = 0; cut < c->len; cut++) {
		scanned = 0;
		parse_prefix(c, response, cut, &scanned, part, sizeof(part));
		if (strcmp(part, "more") == 0)
			parse_prefix(c, response, c->len, &scanned, part, sizeof(part));
		assert_string_equal(part, whole);
	}
	/* Byte by byte; what never ends may also never be refused before its limit. */
	scanned = 0;
	strcpy(part, "more");
	for (size_t len = 0; len <= c->len && strcmp(part, "more") == 0; len++)
		parse_prefix(c, response, len, &scanned, part, sizeof(part));
	if (strcmp(part, "more") == 0)
		assert_null(memmem(c->wire, c->len, "\r\n\r\n", 4));
	else
		assert_string_equal(part, whole);
}
