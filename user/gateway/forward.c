/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "base/addr.h"
#include "certificate.h"
#include "field_strip.h"
#include "forward.h"
#include "http/h1/write.h"

#define F(s) STR_LIT(s)

/* Written by ourselves from what was understood, or not for the endpoint at all. */
static bool is_replaced(const struct exchange *x, const struct http_field *f)
{
	switch (f->known) {
	case HTTP_NAME_HOST:
	case HTTP_NAME_CONTENT_LENGTH:
	case HTTP_NAME_TRANSFER_ENCODING:
	case HTTP_NAME_VIA:
		return true;
	case HTTP_NAME_EXPECT:
		return !x->expect;
	default:
		return false;
	}
}

static int pass_fields(const struct exchange *x, const struct http_head *h,
		       const struct policy_exchange *p, struct buf *out)
{
	for (uint32_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];
		int err;

		if (f->hop || is_replaced(x, f) || field_strip(h, f, p))
			continue;
		err = h1_write_field(out, http_field_name(h, f), http_field_value(h, f));
		if (err)
			return err;
	}
	return 0;
}

/* All Via fields as one, and us behind them (RFC 9110 s7.6.3). */
static int write_via(const struct exchange *x, const struct http_head *h, struct buf *out)
{
	struct str ours = x->client.stream ? F("2 " FORWARD_NAME)
			  : h->minor	   ? F("1.1 " FORWARD_NAME)
					   : F("1.0 " FORWARD_NAME);

	for (uint32_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];
		int err;

		if (f->known != HTTP_NAME_VIA)
			continue;
		err = h1_write_field(out, F("Via"), http_field_value(h, f));
		if (err)
			return err;
	}
	return h1_write_field(out, F("Via"), ours);
}

static int write_identity(const struct exchange *x, struct buf *out)
{
	const struct conn *c = x->conn;
	char text[ADDR_TEXT_MAX];
	int err = h1_write_field(out, F("X-Forwarded-For"), str_of(addr_format(&c->client, text)));

	if (!err)
		err = h1_write_field(out, F("X-Forwarded-Proto"), c->tls ? F("https") : F("http"));
	if (!err && x->host.len)
		err = h1_write_field(out, F("X-Forwarded-Host"), x->host);
	if (!err)
		err = h1_write_field(out, F("X-Request-Id"),
				     (struct str) { x->id, EXCHANGE_ID_LEN });
	if (!err && x->consumer)
		err = h1_write_field(out, F("X-Consumer"), str_of(x->consumer->conf->name));
	return err ? err : certificate_write(c, out);
}

static int write_request_framing(const struct exchange *x, const struct http_head *h,
				 struct buf *out)
{
	if (h->body == HTTP_BODY_LENGTH)
		return h1_write_field_u64(out, F("Content-Length"), h->content_length);
	if (h->body == HTTP_BODY_CHUNKED)
		return h1_write_field(out, F("Transfer-Encoding"), F("chunked"));
	if (!x->upgrade)
		return 0;
	int err = h1_write_field(out, F("Connection"), F("upgrade"));

	return err ? err : h1_write_field(out, F("Upgrade"), F("websocket"));
}

/* What is asked of us is asked of the endpoint: trailers go through (RFC 9110 s10.1.4). */
static int write_te(struct buf *out)
{
	int err = h1_write_field(out, F("Connection"), F("TE"));

	return err ? err : h1_write_field(out, F("TE"), F("trailers"));
}

/*
 * WebSocket only: another protocol behind our back, h2c above all, would carry requests that no
 * policy sees.
 */
static bool asks_websocket(const struct http_head *h)
{
	const struct http_field *f = http_field_known(h, HTTP_NAME_UPGRADE);

	return h->upgrade && h->minor && f && str_ieq(http_field_value(h, f), F("websocket"));
}

static int write_request_line(const struct exchange *x, const struct http_head *h, struct buf *out)
{
	struct buf *target = &x->gateway->scratch;
	int err;

	if (!h->query.ptr)
		return h1_write_request_line(out, h->method_text, x->path);
	buf_consume(target, buf_len(target));
	err = buf_add_str(target, x->path);
	if (!err)
		err = buf_add(target, "?", 1);
	if (!err)
		err = buf_add_str(target, h->query);
	return err ? err : h1_write_request_line(out, h->method_text, buf_str(target));
}

/* HTTP/1.0 clients may send none, and servers refuse an empty one: the cluster's name then. */
static int write_host(const struct exchange *x, struct buf *out)
{
	return h1_write_field(out, F("Host"),
			      x->host.len ? x->host : str_of(x->route->conf->cluster));
}

int forward_head(struct exchange *x, const struct http_head *h, const struct policy_exchange *p)
{
	struct buf *out = &x->head;
	int err;

	x->upgrade = asks_websocket(h) && h->body == HTTP_BODY_NONE;
	err = write_request_line(x, h, out);
	if (!err)
		err = write_host(x, out);
	if (!err)
		err = pass_fields(x, h, p, out);
	if (!err)
		err = write_request_framing(x, h, out);
	if (!err && x->trailers && !x->upgrade)
		err = write_te(out);
	if (!err)
		err = write_identity(x, out);
	if (!err)
		err = write_via(x, h, out);
	return err ? err : h1_write_end(out);
}

bool forward_expects_other(const struct http_head *h)
{
	for (uint32_t i = 0; h->minor && i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];
		struct str value = http_field_value(h, f);

		if (f->known == HTTP_NAME_EXPECT && value.len && !str_ieq(value, F("100-continue")))
			return true;
	}
	return false;
}

static char *put_text(char *at, struct str s)
{
	memcpy(at, s.ptr, s.len);
	return at + s.len;
}

/* The window in which a bucket of this rate fills, in seconds, rounded up. */
static uint64_t window_s(const struct conf_rate *r)
{
	unsigned __int128 ns = (unsigned __int128)r->burst * r->period_ns;
	unsigned __int128 per = (unsigned __int128)r->count * 1000000000U;

	ns += per - 1;
	/* nearly always: the wide division is a function of the compiler's, and slow */
	if (ns <= UINT64_MAX && per <= UINT64_MAX)
		return (uint64_t)ns / (uint64_t)per;
	return (uint64_t)(ns / per);
}

/* "name";first=N;second=N */
static char *put_limit(char *at, const char *name, struct str first, uint64_t a, struct str second,
		       uint64_t b)
{
	at = put_text(at, F("\""));
	at = put_text(at, str_of(name));
	at = str_put_u64(put_text(at, first), a);
	return str_put_u64(put_text(at, second), b);
}

static int write_limits(const struct exchange *x, struct buf *out)
{
	const struct conf_plan *plan = x->consumer->plan;
	char text[CONF_PLAN_LIMITS_MAX * (CONF_NAME_MAX + 64)], *at = text;
	int err;

	for (size_t i = 0; i < plan->n_limits; i++) {
		const struct conf_rate *r = &plan->limits[i].rate;

		if (!r->count)
			continue;
		if (at > text)
			at = put_text(at, F(", "));
		at = put_limit(at, plan->limits[i].name, F("\";q="), r->burst, F(";w="),
			       window_s(r));
	}
	err = h1_write_field(out, F("RateLimit-Policy"),
			     (struct str) { text, (size_t)(at - text) });
	if (err)
		return err;
	at = put_limit(text, x->nearest->name, F("\";r="), x->nearest_remaining, F(";t="),
		       x->nearest_reset_s);
	return h1_write_field(out, F("RateLimit"), (struct str) { text, (size_t)(at - text) });
}

int forward_write_facts(const struct exchange *x, struct buf *out)
{
	int err = h1_write_field(out, F("X-Request-Id"), (struct str) { x->id, EXCHANGE_ID_LEN });

	if (err || !x->nearest)
		return err;
	return write_limits(x, out);
}

int forward_write_connection(const struct exchange *x, bool keep, struct buf *out)
{
	if (!keep)
		return h1_write_field(out, F("Connection"), F("close"));
	if (!x->minor)
		return h1_write_field(out, F("Connection"), F("keep-alive"));
	return 0;
}
