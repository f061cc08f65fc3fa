/* SPDX-License-Identifier: BSD-2-Clause */
#include "head.h"

#include <errno.h>

#include "../h1/write.h"

/* A head that was refused is read on, for HPACK's sake, up to so many times its limit. */
#define DECODED_FACTOR 8

void h2_head_init(struct h2_head *h, const struct h1_limits *limits)
{
	*h = (struct h2_head) { .limits = *limits };
	/* one byte too long has to fit, to be refused by the parser as it is in HTTP/1.1 */
	buf_init(&h->text, (size_t)limits->max_head_bytes + 1024);
	buf_init(&h->pseudo, (size_t)limits->max_head_bytes + 1024);
	buf_init(&h->cookie, (size_t)limits->max_head_bytes + 1024);
}

void h2_head_clear(struct h2_head *h)
{
	const struct h1_limits limits = h->limits;

	buf_clear(&h->text);
	buf_clear(&h->pseudo);
	buf_clear(&h->cookie);
	h2_head_init(h, &limits);
}

/* The first complaint stays. */
static void refuse(struct h2_head *h, uint16_t status, const char *why)
{
	if (!h->err.status)
		h->err = (struct h1_error) { status, why };
}

static void note(struct h2_head *h, int err, const char *why)
{
	if (err == -ENOSPC)
		refuse(h, 431, "header too large");
	else if (err)
		refuse(h, 400, why);
}

static struct str text_of(const struct h2_head *h, const struct str_range *r)
{
	const char *all = buf_head(&h->pseudo);

	if (!all || !r->len)
		return (struct str) { "", 0 };
	return (struct str) { all + r->at, r->len };
}

static void take_pseudo(struct h2_head *h, struct str_range *r, struct str value)
{
	size_t at = buf_len(&h->pseudo);

	if (r->there) {
		refuse(h, 400, "repeated pseudo-field");
		return;
	}
	if (value.len > h->limits.max_head_bytes || buf_add_str(&h->pseudo, value)) {
		if (r == &h->path)
			refuse(h, 414, "request target too long");
		else
			refuse(h, 431, "header too large");
		return;
	}
	*r = (struct str_range) { (uint32_t)at, (uint32_t)value.len, true };
}

static void add_pseudo(struct h2_head *h, struct str name, struct str value)
{
	if (h->started)
		refuse(h, 400, "pseudo-field behind another field");
	else if (str_eq(name, STR_LIT(":method")))
		take_pseudo(h, &h->method, value);
	else if (str_eq(name, STR_LIT(":scheme")))
		take_pseudo(h, &h->scheme, value);
	else if (str_eq(name, STR_LIT(":authority")))
		take_pseudo(h, &h->authority, value);
	else if (str_eq(name, STR_LIT(":path")))
		take_pseudo(h, &h->path, value);
	else
		refuse(h, 400, "unknown pseudo-field");
}

/* Only these two schemes are served; which one it was is told by the connection, not by the client. */
static bool is_served(struct str scheme)
{
	return str_ieq(scheme, STR_LIT("http")) || str_ieq(scheme, STR_LIT("https"));
}

/* What CONNECT is about is its authority (RFC 9113 s8.5). */
static bool target_of(struct h2_head *h, struct str *ret)
{
	struct str method = text_of(h, &h->method);
	struct str path = text_of(h, &h->path);

	if (str_eq(method, STR_LIT("CONNECT"))) {
		if (h->path.there || h->scheme.there || !h->authority.there) {
			refuse(h, 400, "CONNECT with a path or a scheme, or without an authority");
			return false;
		}
		*ret = text_of(h, &h->authority);
		return true;
	}
	if (!h->path.there || !h->scheme.there) {
		refuse(h, 400, "request without a path or a scheme");
		return false;
	}
	if (!is_served(text_of(h, &h->scheme))) {
		refuse(h, 400, "scheme is neither http nor https");
		return false;
	}
	/* as a target of HTTP/1.1 anything else could name another host than :authority does */
	if (!path.len || (path.ptr[0] != '/' && !str_eq(path, STR_LIT("*")))) {
		refuse(h, 400, "path in no known form");
		return false;
	}
	*ret = path;
	return true;
}

/* All pseudo-fields are there: the request line, and Host, which :authority stands for. */
static void start(struct h2_head *h)
{
	struct str target;

	h->started = true;
	if (h->err.status)
		return;
	if (!h->method.there) {
		refuse(h, 400, "request without a method");
		return;
	}
	if (!target_of(h, &target))
		return;
	if (target.len > h->limits.max_uri_bytes) {
		refuse(h, 414, "request target too long");
		return;
	}
	note(h, h1_write_request_line(&h->text, text_of(h, &h->method), target),
	     "forbidden character in the method or the path");
	if (h->authority.there)
		note(h, h1_write_field(&h->text, STR_LIT("Host"), text_of(h, &h->authority)),
		     "bad authority");
}

bool h2_is_of_connection(enum http_name known)
{
	switch (known) {
	case HTTP_NAME_CONNECTION:
	case HTTP_NAME_KEEP_ALIVE:
	case HTTP_NAME_PROXY_CONNECTION:
	case HTTP_NAME_TRANSFER_ENCODING:
	case HTTP_NAME_UPGRADE:
		return true;
	default:
		return false;
	}
}

static bool has_upper(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
			return true;
	}
	return false;
}

/* -EEXIST: it says what was said, and is left out. */
static int check_field(struct h2_head *h, enum http_name known, struct str name, struct str value)
{
	if (has_upper(name))
		refuse(h, 400, "field name with a capital");
	else if (h2_is_of_connection(known))
		refuse(h, 400, "field of the connection");
	else if (known == HTTP_NAME_TE && !str_ieq(value, STR_LIT("trailers")))
		refuse(h, 400, "TE is not trailers");
	else if (value.len &&
		 (strchr(" \t", value.ptr[0]) || strchr(" \t", value.ptr[value.len - 1])))
		refuse(h, 400, "white space around a value");
	else if (known == HTTP_NAME_HOST && h->authority.there)
		return str_ieq(value, text_of(h, &h->authority))
			       ? -EEXIST
			       : (refuse(h, 400, "Host is not :authority"), -EPROTO);
	return h->err.status ? -EPROTO : 0;
}

static int add_crumb(struct h2_head *h, struct str value)
{
	int err = buf_len(&h->cookie) ? buf_add(&h->cookie, "; ", 2) : 0;

	return err ? err : buf_add_str(&h->cookie, value);
}

static void add_field(struct h2_head *h, struct str name, struct str value)
{
	enum http_name known = http_name_of(name);

	if (!h->started)
		start(h);
	if (h->err.status || check_field(h, known, name, value))
		return;
	if (known == HTTP_NAME_CONTENT_LENGTH)
		h->has_length = true;
	if (str_eq(name, STR_LIT("cookie")))
		note(h, add_crumb(h, value), "malformed field");
	else
		note(h, h1_write_field(&h->text, name, value), "malformed field");
}

int h2_head_add(struct h2_head *h, struct str name, struct str value)
{
	h->bytes += name.len + value.len + 32; /* as RFC 9113 s6.5.2 counts */
	if (h->bytes / DECODED_FACTOR > h->limits.max_head_bytes)
		return -EMSGSIZE;
	if (name.len && name.ptr[0] == ':')
		add_pseudo(h, name, value);
	else
		add_field(h, name, value);
	return 0;
}

int h2_head_end(struct h2_head *h, bool body, struct http_head *ret, struct h1_error *err)
{
	size_t scanned = 0;
	int n;

	if (!h->started)
		start(h);
	if (!h->err.status && buf_len(&h->cookie))
		note(h, h1_write_field(&h->text, STR_LIT("cookie"), buf_str(&h->cookie)),
		     "malformed field");
	if (!h->err.status && body && !h->has_length)
		note(h, h1_write_field(&h->text, STR_LIT("Transfer-Encoding"), STR_LIT("chunked")),
		     "");
	if (!h->err.status)
		note(h, h1_write_end(&h->text), "");
	if (h->err.status) {
		*err = h->err;
		return -EPROTO;
	}
	n = h1_parse_request(buf_head(&h->text), buf_len(&h->text), &scanned, &h->limits, ret, err);
	if (n == -EAGAIN)
		*err = (struct h1_error) { 400, "head without an end" };
	if (n < 0)
		return -EPROTO;
	/* the session refuses it before; here so that no endpoint waits for a body by mistake */
	if (!body && ret->content_length) {
		*err = (struct h1_error) { 400, "Content-Length without a body" };
		return -EPROTO;
	}
	return 0;
}
