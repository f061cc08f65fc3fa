/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "field_strip.h"
#include "http/h1/write.h"
#include "trailer.h"

#define F(s) STR_LIT(s)

/*
 * RFC 9110 s6.5.1: fields that frame, route, authenticate, modify or control a message, or say how its
 * content is to be read, mean nothing behind it, and who obeys them there has been smuggled something.
 */
static const struct str forbidden[] = {
	F("host"),
	F("via"),
	F("content-encoding"),
	F("content-type"),
	F("content-range"),
	F("content-length"),
	F("authorization"),
	F("www-authenticate"),
	F("authentication-info"),
	F("proxy-authentication-info"),
	F("cookie"),
	F("set-cookie"),
	F("cache-control"),
	F("max-forwards"),
	F("expect"),
	F("range"),
	F("if-match"),
	F("if-none-match"),
	F("if-modified-since"),
	F("if-unmodified-since"),
	F("if-range"),
	F("age"),
	F("date"),
	F("expires"),
	F("location"),
	F("retry-after"),
	F("vary"),
	F("warning"),
	F("x-request-id"),
	/* of this hop */
	F("connection"),
	F("keep-alive"),
	F("proxy-connection"),
	F("proxy-authenticate"),
	F("proxy-authorization"),
	F("te"),
	F("trailer"),
	F("transfer-encoding"),
	F("upgrade"),
};

static bool is_forbidden(struct str name)
{
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		if (str_ieq(name, forbidden[i]))
			return true;
	}
	return false;
}

/* The next line of what the body's reader has checked; false: there is none. */
static bool next_line(struct str *lines, struct str *name, struct str *value)
{
	const char *colon = lines->ptr ? memchr(lines->ptr, ':', lines->len) : NULL;
	const char *end =
		colon ? memchr(colon, '\r', lines->len - (size_t)(colon - lines->ptr)) : NULL;

	if (!end)
		return false;
	*name = (struct str) { lines->ptr, (size_t)(colon - lines->ptr) };
	*value = (struct str) { colon + 1, (size_t)(end - colon) - 1 };
	while (value->len && (value->ptr[0] == ' ' || value->ptr[0] == '\t'))
		*value = (struct str) { value->ptr + 1, value->len - 1 };
	while (value->len &&
	       (value->ptr[value->len - 1] == ' ' || value->ptr[value->len - 1] == '\t'))
		value->len--;
	end += 2; /* CRLF */
	*lines = (struct str) { end, lines->len - (size_t)(end - lines->ptr) };
	return true;
}

/* p: of a request, whose sender is not to pass for somebody; NULL: of a response. */
static int write_passed(struct gateway *g, const struct buf *from, const struct policy_exchange *p,
			struct buf *out)
{
	struct str lines = buf_str(from), name, value;
	int err = 0;

	g->head.base = buf_head(from);
	while (!err && next_line(&lines, &name, &value)) {
		const struct http_field f = { .name = (uint32_t)(name.ptr - g->head.base),
					      .name_len = (uint16_t)name.len,
					      .known = (uint8_t)http_name_of(name) };

		if (!is_forbidden(name) && !(p && field_strip(&g->head, &f, p)))
			err = h1_write_field(out, name, value);
	}
	return err;
}

int trailer_write_request(struct exchange *x, struct buf *out)
{
	const char *key = x->route->conf->policies.api_key_header;
	const struct policy_exchange p = { .strip_key = key != NULL,
					   .key_field = key ? str_of(key) : F("") };

	if (!buf_len(&x->request_trailers))
		return 0;
	return write_passed(x->gateway, &x->request_trailers, &p, out);
}

int trailer_write_response(struct exchange *x, struct buf *out)
{
	if (!x->trailers || !buf_len(&x->response_trailers))
		return 0;
	return write_passed(x->gateway, &x->response_trailers, NULL, out);
}

bool trailer_wanted(const struct http_head *h)
{
	for (uint32_t i = 0; i < h->n_fields; i++) {
		struct str list = http_field_value(h, &h->fields[i]);

		if (h->fields[i].known != HTTP_NAME_TE)
			continue;
		while (list.len) {
			const char *comma = memchr(list.ptr, ',', list.len);
			size_t n = comma ? (size_t)(comma - list.ptr) : list.len;
			struct str item = { list.ptr, n };

			while (item.len && (item.ptr[0] == ' ' || item.ptr[0] == '\t'))
				item = (struct str) { item.ptr + 1, item.len - 1 };
			while (item.len &&
			       (item.ptr[item.len - 1] == ' ' || item.ptr[item.len - 1] == '\t'))
				item.len--;
			if (str_ieq(item, F("trailers")))
				return true;
			n += comma != NULL;
			list = (struct str) { list.ptr + n, list.len - n };
		}
	}
	return false;
}
