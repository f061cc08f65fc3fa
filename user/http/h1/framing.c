/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a head says about its connection, its host and the length of its body (RFC 9112 s3.2, s6,
 * s9; RFC 9110 s7.6.1). Whatever two recipients could read differently is refused.
 */
#include "../chars.h"
#include "../uri.h"
#include "cursor.h"

#define CONNECTION_NAMED_MAX 16 /* options compared with all fields: bounds the product */

struct framing {
	unsigned int n_host;
	unsigned int n_length;
	unsigned int n_encoding; /* Transfer-Encoding lines */
	struct str host;
	unsigned int n_codings; /* in all of those lines */
	bool chunked_last;
	bool chunked_before; /* "chunked" with another coding behind it */
	unsigned int n_named;
	bool close;
	bool keep_alive;
	bool upgrade_option;
	bool upgrade_field;
};

/*
 * The next element of a list of tokens at *p. 1; 0 at the end; -EINVAL: not a token, or an element
 * that is empty while !allow_empty.
 */
static int next_token(const char **p, const char *end, bool allow_empty, struct str *ret)
{
	const char *q = *p;

	while (q < end && (*q == ' ' || *q == '\t' || (allow_empty && *q == ',')))
		q++;
	if (q == end && allow_empty)
		return 0;
	const char *token = q;

	while (q < end && http_char_is(*q, HTTP_CHAR_TOKEN))
		q++;
	if (q == token)
		return -EINVAL;
	*ret = (struct str) { token, (size_t)(q - token) };
	while (q < end && (*q == ' ' || *q == '\t'))
		q++;
	if (q < end && *q != ',')
		return -EINVAL;
	/* A comma at the very end opens one more, empty element: left for the next call to see. */
	if (q + 1 < end)
		q++;
	else if (q < end && allow_empty)
		q++;
	else if (q < end)
		return -EINVAL;
	*p = q;
	return 1;
}

/*
 * White space may hold tabs, but servers are known to take "chunked\t" for another coding and
 * "3\t" for no number: around framing that is refused. Behind a value CR follows, so this ends.
 */
static int refuse_tabs(struct h1_cursor *c, const struct http_head *h, const struct http_field *f)
{
	const char *before = h->base + f->name + f->name_len + 1;
	const char *value = h->base + f->value;
	const char *after = value + f->value_len;

	while (*after == ' ')
		after++;
	if (*after == '\t' || memchr(before, '\t', (size_t)(value - before)))
		return h1_refuse(c, 400, "tab beside the length or the coding of a body");
	return 0;
}

static int transfer_encoding(struct h1_cursor *c, const struct http_head *h,
			     const struct http_field *field, struct framing *f)
{
	const char *p = h->base + field->value;
	const char *end = p + field->value_len;
	int err = refuse_tabs(c, h, field);

	if (err)
		return err;
	f->n_encoding++;
	do {
		struct str coding;

		if (next_token(&p, end, false, &coding) < 0)
			return h1_refuse(c, 400, "malformed Transfer-Encoding");
		if (f->chunked_last)
			f->chunked_before = true;
		f->chunked_last = str_ieq(coding, STR_LIT("chunked"));
		f->n_codings++;
	} while (p < end);
	return 0;
}

/*
 * Fields that Connection must not name: removing them would change where the message ends or whom
 * it is for, or strip what proxies before us say about the client.
 */
static bool end_to_end(enum http_name name)
{
	switch (name) {
	case HTTP_NAME_HOST:
	case HTTP_NAME_CONTENT_LENGTH:
	case HTTP_NAME_TRANSFER_ENCODING:
	case HTTP_NAME_X_FORWARDED_FOR:
	case HTTP_NAME_X_FORWARDED_PROTO:
	case HTTP_NAME_X_FORWARDED_HOST:
	case HTTP_NAME_FORWARDED:
	case HTTP_NAME_X_CONSUMER:
		return true;
	default:
		return false;
	}
}

static void mark_hop(struct http_head *h, struct str option, enum http_name known)
{
	for (uint32_t i = 0; i < h->n_fields; i++) {
		struct http_field *f = &h->fields[i];

		if (f->known != known || f->hop)
			continue;
		if (known != HTTP_NAME_OTHER || str_ieq(http_field_name(h, f), option))
			f->hop = true;
	}
}

static int connection_option(struct h1_cursor *c, struct http_head *h, struct str option,
			     struct framing *f)
{
	if (str_ieq(option, STR_LIT("close"))) {
		f->close = true;
		return 0;
	}
	enum http_name known = http_name_of(option);

	if (known == HTTP_NAME_KEEP_ALIVE) {
		f->keep_alive = true;
		return 0;
	}
	if (known == HTTP_NAME_UPGRADE) {
		f->upgrade_option = true;
		return 0;
	}
	if (end_to_end(known))
		return h1_refuse(c, 400, "Connection names a field that has to stay");
	if (++f->n_named > CONNECTION_NAMED_MAX)
		return h1_refuse(c, 400, "Connection names too many fields");
	mark_hop(h, option, known);
	return 0;
}

static int connection(struct h1_cursor *c, struct http_head *h, struct str value, struct framing *f)
{
	const char *p = value.ptr;
	const char *end = p + value.len;

	while (p < end) {
		struct str option;
		int n = next_token(&p, end, true, &option);

		if (n < 0)
			return h1_refuse(c, 400, "malformed Connection");
		if (n == 0)
			break;
		int err = connection_option(c, h, option, f);

		if (err)
			return err;
	}
	return 0;
}

/* 1*DIGIT, below 2^63 (RFC 9110 s8.6); a list, even of equal numbers, is refused. */
static int content_length(struct h1_cursor *c, const struct http_head *h,
			  const struct http_field *field, uint64_t *ret)
{
	struct str value = http_field_value(h, field);
	uint64_t n = 0;
	int err = refuse_tabs(c, h, field);

	if (err)
		return err;
	if (value.len == 0)
		return h1_refuse(c, 400, "empty Content-Length");
	for (size_t i = 0; i < value.len; i++) {
		if (!http_char_is(value.ptr[i], HTTP_CHAR_DIGIT))
			return h1_refuse(c, 400, "malformed Content-Length");
		uint64_t digit = (uint64_t)(value.ptr[i] - '0');

		if (n > ((uint64_t)INT64_MAX - digit) / 10)
			return h1_refuse(c, 400, "Content-Length too large");
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

/* Go over the fields that matter. A repeated Content-Length or Host is refused, equal or not. */
static int collect(struct h1_cursor *c, struct http_head *h, struct framing *f)
{
	for (uint32_t i = 0; i < h->n_fields; i++) {
		const struct http_field *field = &h->fields[i];
		struct str value = http_field_value(h, field);
		int err = 0;

		switch (field->known) {
		case HTTP_NAME_HOST:
			f->n_host++;
			f->host = value;
			break;
		case HTTP_NAME_CONNECTION:
			err = connection(c, h, value, f);
			break;
		case HTTP_NAME_UPGRADE:
			f->upgrade_field = true;
			break;
		case HTTP_NAME_CONTENT_LENGTH:
			if (f->n_length++)
				return h1_refuse(c, 400, "repeated Content-Length");
			err = content_length(c, h, field, &h->content_length);
			break;
		case HTTP_NAME_TRANSFER_ENCODING:
			err = transfer_encoding(c, h, field, f);
			break;
		case HTTP_NAME_EXPECT:
			h->expect_continue = str_ieq(value, STR_LIT("100-continue"));
			break;
		default:
			break;
		}
		if (err)
			return err;
	}
	return 0;
}

/* What requests and responses have in common. */
static int conclude(struct h1_cursor *c, struct http_head *h, struct framing *f)
{
	int err = collect(c, h, f);

	if (err)
		return err;
	if (f->n_encoding && f->n_length)
		return h1_refuse(c, 400, "Content-Length with Transfer-Encoding");
	if (f->n_encoding && h->minor == 0)
		return h1_refuse(c, 400, "Transfer-Encoding in HTTP/1.0");
	h->keep_alive = !f->close && (h->minor > 0 || f->keep_alive);
	h->upgrade = h->minor > 0 && f->upgrade_option && f->upgrade_field;
	return 0;
}

/* The codings that the fields named: only "chunked", alone, can be read here. */
static int check_codings(struct h1_cursor *c, const struct framing *f)
{
	if (f->chunked_before)
		return h1_refuse(c, 400, "chunked is not the last coding, or there twice");
	if (!f->chunked_last)
		return h1_refuse(c, 400, "final transfer coding is not chunked");
	if (f->n_codings > 1)
		return h1_refuse(c, 501, "unknown transfer coding before chunked");
	return 0;
}

int h1_framing_request(struct h1_cursor *c, struct http_head *h)
{
	struct framing f = { 0 };
	int err = conclude(c, h, &f);

	if (err)
		return err;
	if (f.n_host > 1)
		return h1_refuse(c, 400, "repeated Host");
	if (f.n_host == 0 && h->minor > 0)
		return h1_refuse(c, 400, "no Host");
	if (f.n_host && !uri_authority_valid(f.host, false))
		return h1_refuse(c, 400, "bad Host");
	if (f.n_host && !h->authority.ptr)
		h->authority = f.host;
	h->body = HTTP_BODY_NONE;
	if (f.n_encoding) {
		err = check_codings(c, &f);
		if (err)
			return err;
		h->body = HTTP_BODY_CHUNKED;
	} else if (f.n_length) {
		h->body = HTTP_BODY_LENGTH;
	}
	/* Nothing to wait for without a body; HTTP/1.0 does not know it (RFC 9110 s10.1.1). */
	h->expect_continue &=
		h->minor > 0 && (h->body == HTTP_BODY_CHUNKED || h->content_length > 0);
	return 0;
}

int h1_framing_response(struct h1_cursor *c, struct http_head *h, enum http_method request_method)
{
	struct framing f = { 0 };
	int err = conclude(c, h, &f);

	if (err)
		return err;
	h->expect_continue = false;
	if (f.n_encoding) {
		err = check_codings(c, &f);
		if (err)
			return err;
	}
	bool bodiless = h->status < 200 || h->status == 204;

	/* RFC 9112 s6.1, s6.2: no such field there; a length of 0 is common and says the same. */
	if (bodiless && (f.n_encoding || h->content_length > 0))
		return h1_refuse(c, 502, "body announced in a 1xx or 204 response");
	if (bodiless || h->status == 304 || request_method == HTTP_HEAD ||
	    (request_method == HTTP_CONNECT && h->status < 300)) {
		h->body = HTTP_BODY_NONE;
	} else if (f.n_encoding) {
		h->body = HTTP_BODY_CHUNKED;
	} else if (f.n_length) {
		h->body = HTTP_BODY_LENGTH;
	} else {
		h->body = HTTP_BODY_UNTIL_CLOSE;
		h->keep_alive = false;
	}
	return 0;
}
