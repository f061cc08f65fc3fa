/* SPDX-License-Identifier: BSD-2-Clause */
/* relay_response: the endpoint's head and body, at the pace of the client. */
#include <errno.h>

#include "base/clock.h"
#include "base/metric.h"
#include "forward.h"
#include "http/h1/write.h"
#include "relay.h"

#define INTERIM_MAX 32 /* 1xx responses before the final one */

enum step {
	STEP_ON,   /* there may be more to do */
	STEP_WAIT, /* for bytes or for room */
	STEP_OVER, /* the exchange is */
};

static struct buf *scratch_of(struct exchange *x)
{
	struct buf *out = &x->gateway->scratch;

	buf_consume(out, buf_len(out));
	return out;
}

static enum step malformed(struct exchange *x, const char *why)
{
	exchange_fail(x, TERMINATION_RESPONSE_MALFORMED, 0, why);
	return STEP_OVER;
}

static enum step take_interim(struct exchange *x, const struct http_head *h, int len)
{
	struct buf *out = scratch_of(x);
	bool switches = h->status == 101;

	if (++x->interim > INTERIM_MAX)
		return malformed(x, "too many interim responses");
	if (switches && !(x->upgrade && h->upgrade))
		return malformed(x, "101 to a request that asked for no upgrade");
	/* HTTP/1.0 has no 1xx (RFC 9110 s15.2) */
	if (x->minor && forward_interim(x, h, out) == 0 &&
	    exchange_write_client(x, out, CLIENT_INTERIM) == -ENOSPC && switches)
		return malformed(x, "no room for the response");
	if (h->status == 100)
		x->expect = false; /* from here it is the client's turn */
	buf_consume(&x->up->stream.in, (size_t)len);
	x->response_scanned = 0;
	if (!switches)
		return STEP_ON;
	x->status = 101;
	tunnel_start(x);
	return STEP_OVER;
}

static enum step take_head(struct exchange *x, const struct http_head *h, int len)
{
	struct buf *out = scratch_of(x);
	int err = forward_response(x, h, out);

	if (err)
		return malformed(x, "a field that cannot be passed on");
	h1_body_init(&x->response_body, h);
	if (x->trailers)
		x->response_body.trailers = &x->response_trailers;
	err = exchange_write_client(x, out, x->response_body.done ? CLIENT_WHOLE : CLIENT_HEAD);
	if (err == -ENOSPC && buf_len(out) <= CONN_OUT_MAX / 2) {
		/* it is parsed again when the client took what is queued before it */
		x->response_scanned = 0;
		*x->client.full = true;
		return STEP_WAIT;
	}
	if (err == -ENOSPC) {
		exchange_fail(x, TERMINATION_RESPONSE_TOO_LARGE, 0, NULL);
		return STEP_OVER;
	}
	x->state = EXCHANGE_ANSWERING;
	x->status = h->status;
	x->answered_ns = clock_now_ns();
	buf_clear(&x->head);
	if (!h->keep_alive || h->body == HTTP_BODY_UNTIL_CLOSE)
		x->up_closes = true;
	buf_consume(&x->up->stream.in, (size_t)len);
	return STEP_ON;
}

static enum step read_head(struct exchange *x)
{
	static const struct h1_limits limits = {
		.max_head_bytes = EXCHANGE_RESPONSE_HEAD_MAX,
		.max_uri_bytes = EXCHANGE_RESPONSE_HEAD_MAX,
		.max_fields = HTTP_FIELDS_MAX,
	};
	struct http_head *h = &x->gateway->head;
	struct buf *in = &x->up->stream.in;
	struct h1_error err = { 0 };
	int n;

	if (!buf_len(in))
		return STEP_WAIT;
	n = h1_parse_response(buf_head(in), buf_len(in), &x->response_scanned, &limits, x->method,
			      h, &err);
	if (n == -EAGAIN)
		return STEP_WAIT;
	if (n < 0)
		return malformed(x, err.why);
	if (h->status < 200)
		return take_interim(x, h, n);
	return take_head(x, h, n);
}

static enum step read_body(struct exchange *x)
{
	struct buf *in = &x->up->stream.in;
	struct h1_error err = { 0 };
	struct str data = { NULL, 0 };
	size_t len;
	ssize_t used;

	if (!buf_len(in))
		return STEP_WAIT;
	len = x->client.ops->room(x, buf_len(in));
	if (!len)
		return STEP_WAIT;
	used = h1_body_read(&x->response_body, buf_head(in), len, &data, &err);
	if (used < 0)
		return malformed(x, err.why);
	if (!used && !data.len)
		return STEP_WAIT;
	if (data.len && x->client.ops->data(x, data))
		return STEP_WAIT; /* the client failed, and its end is on the way */
	x->bytes_out += data.len;
	buf_consume(in, (size_t)used);
	return STEP_ON;
}

/* No more bytes will come: is that an end? */
static enum step at_end(struct exchange *x)
{
	struct h1_error err;
	int failed = x->up->stream.failed ? x->up->stream.err : 0;

	if (buf_len(&x->up->stream.in) && *x->client.full)
		return STEP_WAIT;
	if (!exchange_answered(x)) {
		exchange_upstream_lost(x, failed ? failed : -ECONNRESET);
		return STEP_OVER;
	}
	if (!failed && h1_body_eof(&x->response_body, &err) == 0)
		return STEP_ON;
	metric_add(METRIC_UPSTREAM_RESETS, 1);
	exchange_abort(x, TERMINATION_RESPONSE_INCOMPLETE);
	return STEP_OVER;
}

/* Everything but the last chunk is queued; that one needs room too. */
static enum step finish(struct exchange *x)
{
	if (x->client.ops->end(x))
		return STEP_WAIT;
	exchange_finish(x);
	return STEP_OVER;
}

static enum step step(struct exchange *x)
{
	enum step s;

	if (!exchange_answered(x))
		s = read_head(x);
	else if (x->response_body.done)
		return finish(x);
	else
		s = read_body(x);
	if (s != STEP_WAIT)
		return s;
	if (x->up->stream.failed && upstream_conn_salvage(x->up))
		return STEP_ON;
	if (x->up->stream.failed || (x->up->stream.read_ended && !*x->client.full))
		return at_end(x);
	return STEP_WAIT;
}

void relay_response(struct exchange *x)
{
	enum step s;

	if (x->state != EXCHANGE_ASKED && x->state != EXCHANGE_ANSWERING)
		return;
	do {
		s = step(x);
	} while (s == STEP_ON);
	if (s == STEP_OVER)
		return;
	stream_resume(&x->up->stream);
	exchange_rearm(x);
}
