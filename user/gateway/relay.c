/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "base/metric.h"
#include "http/h1/write.h"
#include "relay.h"
#include "trailer.h"

/* Trailers wait for no room: once more what a connection to an endpoint holds, which is bounded too. */
#define TRAILERS_OUT_MAX (UPSTREAM_OUT_MAX + 2 * H1_TRAILERS_MAX)

size_t relay_room(struct stream *to, bool chunked, size_t n)
{
	size_t room = buf_room(&to->out);

	if (room < EXCHANGE_PIECE_MIN + H1_CHUNK_OVERHEAD) {
		to->write_full = true; /* far above a quarter: it will be told */
		return 0;
	}
	/* without chunks a full buffer goes as one: a rest of 20 bytes would be a packet */
	if (chunked)
		room -= H1_CHUNK_OVERHEAD;
	return n < room ? n : room;
}

int relay_data(struct stream *to, bool chunked, struct str data)
{
	int err;

	if (!chunked)
		return stream_write_through(to, data.ptr, data.len);
	if (to->failed || to->watch.fd < 0)
		return -EPIPE;
	err = h1_write_chunk(&to->out, data);
	/* nothing more: makes the stream send what was put there */
	return err ? err : stream_write(to, "", 0);
}

/* The body is read to its end. */
static void request_whole(struct exchange *x)
{
	struct buf *out = &x->up->stream.out, *lines = &x->gateway->scratch;

	x->request_done = true;
	if (!x->chunk_request)
		return;
	buf_consume(lines, buf_len(lines));
	/* there is room for a last chunk: relay_room saw to it */
	if (buf_len(&x->request_trailers) && out->max_bytes < TRAILERS_OUT_MAX)
		out->max_bytes = TRAILERS_OUT_MAX;
	if (trailer_write_request(x, lines) ||
	    h1_write_last_chunk_with(out, buf_len(lines) ? buf_str(lines) : STR_LIT("")))
		exchange_fail(x, TERMINATION_INTERNAL, 0, NULL);
	else
		stream_write(&x->up->stream, "", 0);
}

/* false: the exchange is over. */
static bool pass_piece(struct exchange *x, struct str data)
{
	x->body_bytes += data.len;
	if (x->body_bytes > x->conn->listener->conf.max_body_bytes) {
		x->request_broken = true; /* of unknown length: no point in reading past it */
		exchange_fail(x, TERMINATION_BODY_TOO_LARGE, 0, NULL);
		return false;
	}
	if (!data.len)
		return true;
	x->body_sent = true;
	buf_clear(&x->head); /* never again */
	x->expect = false;
	/* a failed endpoint tells by itself; until then its bytes have nowhere to go */
	relay_data(&x->up->stream, x->chunk_request, data);
	return true;
}

void relay_request_ended(struct exchange *x)
{
	if (x->state == EXCHANGE_CONNECTING && buf_len(x->client.in))
		return; /* the rest may be there: send_head comes back to it */
	if (x->up && buf_len(x->client.in) && (x->up->stream.write_full || x->up->stream.failed))
		return; /* nor is it known yet */
	if (exchange_answered(x))
		x->request_broken = true; /* it saw an answer, and saved itself the rest */
	else
		exchange_abort(x, TERMINATION_CLIENT_GONE);
}

/* A body without framing ends with its stream. */
static bool is_at_end(const struct exchange *x)
{
	return *x->client.ended && !buf_len(x->client.in) &&
	       x->request_body.kind == HTTP_BODY_UNTIL_CLOSE;
}

/* Its end needs room for what tells the endpoint; without it the endpoint's on_writable comes. */
static void pass_end(struct exchange *x)
{
	if (!x->up->stream.failed && relay_room(&x->up->stream, true, 1))
		request_whole(x);
}

void relay_request(struct exchange *x)
{
	struct buf *in = x->client.in;
	struct h1_error err = { 0 };
	struct str data;

	if (x->state != EXCHANGE_ASKED && x->state != EXCHANGE_ANSWERING)
		return;
	while (!x->request_done && !x->request_broken && buf_len(in)) {
		size_t len = relay_room(&x->up->stream, x->chunk_request, buf_len(in));
		ssize_t used;

		if (!len || x->up->stream.failed)
			break;
		used = h1_body_read(&x->request_body, buf_head(in), len, &data, &err);
		if (used < 0) {
			metric_add(METRIC_REQUESTS_MALFORMED, 1);
			x->request_broken = true;
			exchange_fail(x, TERMINATION_REQUEST_MALFORMED, err.status, err.why);
			return;
		}
		if (!used && !data.len)
			break;
		if (!pass_piece(x, data))
			return;
		x->bytes_in += (uint64_t)used;
		buf_consume(in, (size_t)used);
		if (x->request_body.done)
			request_whole(x);
	}
	if (x->state != EXCHANGE_ENDED && *x->client.ended && !x->request_done) {
		if (is_at_end(x))
			pass_end(x);
		else
			relay_request_ended(x);
	}
	if (x->state == EXCHANGE_ENDED)
		return;
	x->client.ops->resume(x);
	exchange_rearm(x);
}
