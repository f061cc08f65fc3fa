/* SPDX-License-Identifier: BSD-2-Clause */
/* A client that speaks HTTP/2: an exchange has a stream, and shares the connection with others. */
#include <errno.h>
#include <nghttp2/nghttp2.h>

#include "conn_h2.h"
#include "exchange.h"
#include "http/h2/session.h"
#include "trailer.h"

static struct h2_stream *stream_of(const struct exchange *x)
{
	return x->client.stream;
}

static int h2_write(struct exchange *x, struct buf *b, enum client_piece piece)
{
	struct h2_stream *s = stream_of(x);
	int err = h2_stream_head(s, b, piece == CLIENT_INTERIM, piece == CLIENT_WHOLE);

	if (err)
		h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR); /* which ends the exchange */
	conn_h2_wake(x->conn);
	return err ? -EPIPE : 0;
}

static size_t h2_room(struct exchange *x, size_t n)
{
	return h2_stream_room(stream_of(x), n);
}

static int h2_data(struct exchange *x, struct str data)
{
	int err = h2_stream_write(stream_of(x), data);

	conn_h2_wake(x->conn);
	return err;
}

/* DATA frames need no more, for `done` ends the stream; trailers go before that. */
static int h2_end(struct exchange *x)
{
	struct buf *lines = &x->gateway->scratch;

	buf_consume(lines, buf_len(lines));
	if (trailer_write_response(x, lines) == 0 && buf_len(lines))
		h2_stream_trailers(stream_of(x), buf_str(lines)); /* no memory: none are owed */
	return 0;
}

static void h2_resume(struct exchange *x)
{
	h2_stream_taken(stream_of(x));
	conn_h2_wake(x->conn);
}

static void h2_done(struct exchange *x, bool keep, const struct h1_body *body)
{
	struct h2_stream *s = stream_of(x);

	(void)keep; /* the connection is kept anyway, and no rest of a body is in another's way */
	(void)body;
	timer_stop(x->client.timer);
	x->conn->served = true;
	h2_stream_end(s);
	h2_stream_leave(s);
	conn_h2_wake(x->conn);
}

/* RFC 9113 s7; what a response lacks must be missed. */
static uint32_t code_of(enum termination end)
{
	switch (end) {
	case TERMINATION_CLIENT_GONE:
	case TERMINATION_CLIENT_STALLED:
	case TERMINATION_CLIENT_TIMEOUT:
	case TERMINATION_SHUTDOWN:
		return NGHTTP2_CANCEL;
	default:
		return NGHTTP2_INTERNAL_ERROR;
	}
}

static void h2_cut(struct exchange *x, enum termination end)
{
	h2_stream_reset(stream_of(x), code_of(end));
}

static void h2_mark(const struct exchange *x, struct client_mark *ret)
{
	ret->taken_bytes = stream_of(x)->sent_bytes;
	ret->conn_bytes = conn_bytes_taken(x->conn);
}

/*
 * A stream for which the client opens no window is held up by the client. One that has a window waits
 * for its turn on the connection: then that is what has to move.
 */
static uint64_t h2_taken(const struct exchange *x, const struct client_mark *since)
{
	uint64_t own = stream_of(x)->sent_bytes - since->taken_bytes;
	uint64_t all = conn_bytes_taken(x->conn) - since->conn_bytes;

	return own < all && !h2_stream_blocked(stream_of(x)) ? all : own;
}

static bool h2_holds(const struct exchange *x)
{
	return h2_session_holds(stream_of(x)->session);
}

/* It is told by GOAWAY. */
static bool h2_closes_soon(const struct exchange *x)
{
	(void)x;
	return false;
}

static const struct client_ops ops = {
	.write = h2_write,
	.room = h2_room,
	.data = h2_data,
	.end = h2_end,
	.resume = h2_resume,
	.done = h2_done,
	.cut = h2_cut,
	.mark = h2_mark,
	.taken = h2_taken,
	.holds = h2_holds,
	.closes_soon = h2_closes_soon,
};

static void on_slow(struct timer *t)
{
	exchange_client_slow(container_of(t, struct exchange, client.own_timer));
}

void client_h2_init(struct exchange *x, struct h2_stream *s)
{
	x->client = (struct client) {
		.ops = &ops,
		.in = &s->in,
		.ended = &s->in_ended,
		.full = &s->full,
		.own_timer = { .on_due = on_slow },
		.stream = s,
	};
	x->client.timer = &x->client.own_timer;
	s->owner = x;
}
