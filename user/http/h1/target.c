/* SPDX-License-Identifier: BSD-2-Clause */
/* The four forms of a request-target (RFC 9112 s3.2). */
#include "../uri.h"
#include "cursor.h"

/* "path?query" from p; an empty path of absolute-form is "/" (RFC 9110 s4.2.3). */
static void split_query(const char *p, const char *end, struct http_head *h)
{
	const char *mark = memchr(p, '?', (size_t)(end - p));
	const char *path_end = mark ? mark : end;

	h->path = (struct str) { p, (size_t)(path_end - p) };
	if (h->path.len == 0)
		h->path = STR_LIT("/");
	if (mark)
		h->query = (struct str) { mark + 1, (size_t)(end - mark - 1) };
}

static size_t scheme_len(struct str t)
{
	if (t.len >= 7 && strncasecmp(t.ptr, "http://", 7) == 0)
		return 7;
	if (t.len >= 8 && strncasecmp(t.ptr, "https://", 8) == 0)
		return 8;
	return 0;
}

static int absolute_form(struct h1_cursor *c, struct str target, struct http_head *h)
{
	size_t skip = scheme_len(target);
	const char *end = target.ptr + target.len;

	if (skip == 0)
		return h1_refuse(c, 400, "request target in no known form");
	const char *p = target.ptr + skip;
	const char *q = p;

	while (q < end && *q != '/' && *q != '?')
		q++;
	h->authority = (struct str) { p, (size_t)(q - p) };
	if (!uri_authority_valid(h->authority, false))
		return h1_refuse(c, 400, "bad authority in the request target");
	split_query(q, end, h);
	/* How OPTIONS * reaches a proxy (RFC 9112 s3.2.4). */
	if (h->method == HTTP_OPTIONS && q == end)
		h->path = STR_LIT("*");
	return 0;
}

int h1_target_decode(struct h1_cursor *c, struct str target, struct http_head *h)
{
	h->target = target;
	if (target.len == 0)
		return h1_refuse(c, 400, "empty request target");
	if (h->method == HTTP_CONNECT) {
		if (!uri_authority_valid(target, true))
			return h1_refuse(c, 400, "CONNECT without a host and port");
		h->authority = target;
		return 0;
	}
	if (target.ptr[0] == '/') {
		split_query(target.ptr, target.ptr + target.len, h);
		return 0;
	}
	if (target.len == 1 && target.ptr[0] == '*') {
		if (h->method != HTTP_OPTIONS)
			return h1_refuse(c, 400, "asterisk-form with another method than OPTIONS");
		h->path = target;
		return 0;
	}
	return absolute_form(c, target, h);
}
