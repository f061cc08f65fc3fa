/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start lines, and when to look. A head that came in one piece is parsed in one pass. One that came
 * in pieces is parsed again when its start line, or the whole, is complete; between those only new
 * bytes are looked at, so that the work is linear however small the pieces are. All refusals come
 * from the parser, in order of position: pieces change when an answer is given, never which.
 */
#include "parse.h"

#include <stddef.h>

#include "../chars.h"
#include "cursor.h"

#define METHOD_MAX_BYTES 32 /* longer than any registered one */

/* "HTTP/1.0" or "HTTP/1.1". */
static int version(struct h1_cursor *c, struct http_head *h)
{
	static const char form[] = "HTTP/d.d";

	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (c->p + i == c->end)
			return -EAGAIN;
		if (form[i] == 'd' ? !http_char_is(c->p[i], HTTP_CHAR_DIGIT) : c->p[i] != form[i])
			return h1_refuse(c, 400, "no HTTP version in the start line");
	}
	if (c->p[5] != '1' || c->p[7] > '1')
		return h1_refuse(c, 505, "HTTP version is neither 1.0 nor 1.1");
	h->minor = (uint8_t)(c->p[7] - '0');
	c->p += sizeof(form) - 1;
	return 0;
}

/* A run of bytes of that class up to a space, behind which c->p is left. */
static int word(struct h1_cursor *c, unsigned int class, size_t max_bytes, struct h1_error over,
		const char *bad, struct str *ret)
{
	const char *start = c->p;

	while (c->p < c->end && http_char_is(*c->p, class))
		c->p++;
	size_t len = (size_t)(c->p - start);

	if (len > max_bytes)
		return h1_refuse(c, over.status, over.why);
	if (c->p == c->end)
		return -EAGAIN;
	if (*c->p != ' ')
		return h1_refuse(c, 400, *c->p == '\n' ? "bare LF in the start line" : bad);
	c->p++;
	*ret = (struct str) { start, len };
	return 0;
}

static int request_line(struct h1_cursor *c, struct http_head *h)
{
	const struct h1_error long_method = { 501, "method too long" };
	const struct h1_error long_target = { 414, "request target too long" };
	struct str target;
	int err = word(c, HTTP_CHAR_TOKEN, METHOD_MAX_BYTES, long_method, "malformed method",
		       &h->method_text);

	if (err)
		return err;
	if (h->method_text.len == 0)
		return h1_refuse(c, 400, "start line without a method");
	/* Reserved so that HTTP/2 by prior knowledge fails here (RFC 9113 s3.4). */
	if (str_eq(h->method_text, STR_LIT("PRI")))
		return h1_refuse(c, 400, "preface of HTTP/2");
	h->method = http_method_of(h->method_text);
	err = word(c, HTTP_CHAR_TARGET, c->limits->max_uri_bytes, long_target,
		   "forbidden character in the request target", &target);
	if (err)
		return err;
	err = h1_target_decode(c, target, h);
	if (err)
		return err;
	err = version(c, h);
	if (err)
		return err;
	return h1_line_end(c);
}

/* The space behind the status is missing in the wild when there is no reason: let through. */
static int status_line(struct h1_cursor *c, struct http_head *h)
{
	int err = version(c, h);
	unsigned int status = 0;

	if (err)
		return err;
	for (size_t i = 0; i < 4; i++, c->p++) {
		if (c->p == c->end)
			return -EAGAIN;
		if (i == 0 ? *c->p != ' ' : !http_char_is(*c->p, HTTP_CHAR_DIGIT))
			return h1_refuse(c, 502, "malformed status line");
		if (i > 0)
			status = status * 10 + (unsigned int)(*c->p - '0');
	}
	if (status < 100 || status > 599)
		return h1_refuse(c, 502, "status out of range");
	h->status = (uint16_t)status;
	if (c->p == c->end)
		return -EAGAIN;
	if (*c->p == ' ') {
		const char *reason = ++c->p;

		while (c->p < c->end && http_char_is(*c->p, HTTP_CHAR_VALUE))
			c->p++;
		h->reason = (struct str) { reason, (size_t)(c->p - reason) };
	}
	return h1_line_end(c);
}

/* One empty line before a request is let pass (RFC 9112 s2.2). */
static int leading_crlf(struct h1_cursor *c)
{
	if (c->p == c->end)
		return -EAGAIN;
	return *c->p == '\r' ? h1_line_end(c) : 0;
}

static int too_large(struct h1_cursor *c, const char *data, const struct h1_limits *limits)
{
	size_t skip = data[0] == '\r' ? 2 : 0;

	if (limits->max_head_bytes <= skip ||
	    !memchr(data + skip, '\n', limits->max_head_bytes - skip))
		return h1_refuse(c, 414, "start line too long");
	return h1_refuse(c, 431, "header too large");
}

/* request_method: of the request that is answered; HTTP_OTHER for a request. */
static int parse(const char *data, size_t len, const struct h1_limits *limits, bool response,
		 enum http_method request_method, struct http_head *h, struct h1_error *err)
{
	size_t visible = len < limits->max_head_bytes ? len : limits->max_head_bytes;
	struct h1_cursor c = {
		.p = data,
		.end = data + visible,
		.response = response,
		.limits = limits,
		.err = err,
	};

	memset(h, 0, offsetof(struct http_head, fields));
	h->base = data;
	int ret = response ? 0 : leading_crlf(&c);

	if (!ret)
		ret = response ? status_line(&c, h) : request_line(&c, h);
	if (!ret)
		ret = h1_fields_decode(&c, h);
	if (ret == -EAGAIN && len >= limits->max_head_bytes)
		return too_large(&c, data, limits);
	if (!ret)
		ret = response ? h1_framing_response(&c, h, request_method)
			       : h1_framing_request(&c, h);
	if (ret)
		return ret;
	h->head_len = (uint32_t)(c.p - data);
	return (int)h->head_len;
}

/*
 * Bytes from seen (> 0) on are new. Did a start line end there, or a head, or is there a bare LF,
 * or more than a head may have?
 */
static bool worth_parsing(const char *data, size_t len, size_t seen, const struct h1_limits *limits)
{
	if (len >= limits->max_head_bytes)
		return true;
	size_t skip = len >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;

	if (seen < skip)
		seen = skip;
	bool in_start_line = !memchr(data + skip, '\n', seen - skip);
	const char *end = data + len;
	const char *p = data + seen;
	const char *lf;

	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p)))) {
		if (in_start_line || lf[-1] != '\r' || lf - data < 2 || lf[-2] == '\n')
			return true;
		p = lf + 1;
	}
	return false;
}

static int parse_or_wait(const char *data, size_t len, size_t *scanned,
			 const struct h1_limits *limits, bool response,
			 enum http_method request_method, struct http_head *ret,
			 struct h1_error *err)
{
	if (*scanned > 0 && *scanned <= len && !worth_parsing(data, len, *scanned, limits)) {
		*scanned = len;
		return -EAGAIN;
	}
	int n = parse(data, len, limits, response, request_method, ret, err);

	*scanned = n == -EAGAIN ? len : 0;
	return n;
}

int h1_parse_request(const char *data, size_t len, size_t *scanned, const struct h1_limits *limits,
		     struct http_head *ret, struct h1_error *err)
{
	return parse_or_wait(data, len, scanned, limits, false, HTTP_OTHER, ret, err);
}

int h1_parse_response(const char *data, size_t len, size_t *scanned, const struct h1_limits *limits,
		      enum http_method request_method, struct http_head *ret, struct h1_error *err)
{
	return parse_or_wait(data, len, scanned, limits, true, request_method, ret, err);
}
