/* SPDX-License-Identifier: BSD-2-Clause */
/* A client that speaks HTTP/1.1: one exchange at a time, framed on the connection itself. */
#include <errno.h>

#include "exchange.h"
#include "http/h1/write.h"
#include "relay.h"
#include "trailer.h"

static struct stream *stream_of(const struct exchange *x)
{
	return &x->conn->stream;
}

static int h1_write(struct exchange *x, struct buf *b, enum client_piece piece)
{
	(void)piece; /* the text says it */
	return stream_write(stream_of(x), buf_head(b), buf_len(b));
}

static size_t h1_room(struct exchange *x, size_t n)
{
	return relay_room(stream_of(x), x->chunk_response, n);
}

static int h1_data(struct exchange *x, struct str data)
{
	return relay_data(stream_of(x), x->chunk_response, data);
}

/* The last chunk needs room too, and trailers with it. */
static int h1_end(struct exchange *x)
{
	struct buf *lines = &x->gateway->scratch;
	struct stream *s = stream_of(x);

	if (!x->chunk_response)
		return 0;
	if (!relay_room(s, true, 1))
		return -ENOSPC;
	buf_consume(lines, buf_len(lines));
	if (trailer_write_response(x, lines))
		buf_consume(lines, buf_len(lines)); /* no memory: nobody is owed trailers */
	if (buf_len(lines) && buf_room(&s->out) < buf_len(lines) + EXCHANGE_PIECE_MIN) {
		s->write_full = true;
		return -ENOSPC;
	}
	if (h1_write_last_chunk_with(&s->out, buf_len(lines) ? buf_str(lines) : STR_LIT("")) == 0)
		stream_write(s, "", 0);
	return 0;
}

static void h1_resume(struct exchange *x)
{
	stream_resume(stream_of(x));
}

static void h1_done(struct exchange *x, bool keep, const struct h1_body *body)
{
	conn_exchange_done(x->conn, keep, body);
}

/* What was queued for it is still sent, unless it is gone, or the cut would look like an end. */
static void h1_cut(struct exchange *x, enum termination end)
{
	bool cut = exchange_answered(x) && x->until_close;

	if (cut || end == TERMINATION_CLIENT_GONE || end == TERMINATION_CLIENT_STALLED)
		conn_close(x->conn, cut);
}

static void h1_mark(const struct exchange *x, struct client_mark *ret)
{
	ret->taken_bytes = conn_bytes_taken(x->conn);
}

static uint64_t h1_taken(const struct exchange *x, const struct client_mark *since)
{
	return conn_bytes_taken(x->conn) - since->taken_bytes;
}

static bool h1_holds(const struct exchange *x)
{
	(void)x;
	return false;
}

static bool h1_closes_soon(const struct exchange *x)
{
	return conn_closes_soon(x->conn);
}

static const struct client_ops ops = {
	.write = h1_write,
	.room = h1_room,
	.data = h1_data,
	.end = h1_end,
	.resume = h1_resume,
	.done = h1_done,
	.cut = h1_cut,
	.mark = h1_mark,
	.taken = h1_taken,
	.holds = h1_holds,
	.closes_soon = h1_closes_soon,
};

void client_h1_init(struct exchange *x)
{
	struct stream *s = stream_of(x);

	x->client = (struct client) {
		.ops = &ops,
		.in = &s->in,
		.ended = &s->read_ended,
		.full = &s->write_full,
		.timer = &x->conn->timer,
	};
}
