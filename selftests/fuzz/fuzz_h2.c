/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of a client, through the session and into heads as of HTTP/1.1. The first byte says how the
 * bytes are cut and how streams are served. Beside crashes this finds: heads that another reader
 * could take for two, bytes that are pinned beyond what session.h promises, streams that are told
 * of after their end.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chars.h"
#include "http/h2/session.h"

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

#define OUT_MAX 65536

struct world {
	struct h2_session *session;
	uint8_t how;
	unsigned int owned;
};

static const struct h1_limits limits = { 2048, 512, 24 };

static void check_class(struct str s, unsigned int class)
{
	for (size_t i = 0; i < s.len; i++)
		CHECK(http_char_is(s.ptr[i], class));
}

static void check_head(const struct http_head *h, const struct h2_stream *s)
{
	unsigned int hosts = 0;

	CHECK(h->minor == 1 && h->authority.len && h->method_text.len);
	check_class(h->method_text, HTTP_CHAR_TOKEN);
	check_class(h->target, HTTP_CHAR_TARGET);
	CHECK(h->method == HTTP_CONNECT || h->target.ptr[0] == '/' || h->target.ptr[0] == '*');
	for (uint32_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];

		check_class(http_field_name(h, f), HTTP_CHAR_TOKEN);
		check_class(http_field_value(h, f), HTTP_CHAR_VALUE);
		hosts += f->known == HTTP_NAME_HOST;
		CHECK(f->known != HTTP_NAME_CONNECTION && f->known != HTTP_NAME_UPGRADE);
		CHECK(f->known != HTTP_NAME_TRANSFER_ENCODING || h->body == HTTP_BODY_CHUNKED);
	}
	CHECK(hosts == 1);
	CHECK(!s->in_ended || h->body != HTTP_BODY_CHUNKED);
	CHECK(!s->in_ended || !h->content_length);
}

static void leave(struct world *w, struct h2_stream *s)
{
	w->owned--;
	h2_stream_end(s);
	h2_stream_leave(s);
}

static void answer(struct world *w, struct h2_stream *s)
{
	char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
	struct buf b = { .data = text,
			 .end = sizeof(text) - 1,
			 .cap = sizeof(text),
			 .max_bytes = sizeof(text) };

	CHECK(h2_stream_head(s, &b, false, true) == 0);
	leave(w, s);
}

/* A long response, as far as there is room. */
static void stream_on(struct h2_stream *s)
{
	static const char zeros[20000];
	size_t room;

	while (!s->reset && (room = h2_stream_room(s, sizeof(zeros))))
		CHECK(h2_stream_write(s, (struct str) { zeros, room }) == 0);
}

static void on_request(struct h2_stream *s, const struct http_head *head,
		       const struct h1_error *err, void *ctx)
{
	struct world *w = ctx;
	char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct buf b = { .data = text,
			 .end = sizeof(text) - 1,
			 .cap = sizeof(text),
			 .max_bytes = sizeof(text) };

	if (w->how & 1 && !head)
		return; /* nobody takes it */
	s->owner = w;
	w->owned++;
	if (head)
		check_head(head, s);
	else
		CHECK(err->status >= 400);
	if (w->how & 2 && s->id % 4 == 1) {
		CHECK(h2_stream_head(s, &b, false, false) == 0);
		stream_on(s);
	} else if (!(w->how & 4) || s->in_ended) {
		answer(w, s);
	}
}

static void on_data(struct h2_stream *s, void *ctx)
{
	struct world *w = ctx;

	CHECK(s->owner == w && buf_len(&s->in) <= H2_STREAM_WINDOW);
	if (!(w->how & 8) || s->in_ended)
		buf_consume(&s->in, buf_len(&s->in));
	h2_stream_taken(s);
	if (s->in_ended && !s->answered)
		answer(w, s);
}

static void on_writable(struct h2_stream *s, void *ctx)
{
	CHECK(s->owner == ctx);
	if (s->sent_bytes > 1 << 20)
		leave(ctx, s);
	else
		stream_on(s);
}

static void on_lost(struct h2_stream *s, void *ctx)
{
	CHECK(s->owner == ctx);
	leave(ctx, s);
}

static void on_glitch(uint32_t n, void *ctx)
{
	(void)n;
	(void)ctx;
}

static const struct h2_events events = {
	.on_request = on_request,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_lost = on_lost,
	.on_glitch = on_glitch,
};

static void check_bounds(const struct h2_session *s)
{
	size_t in = 0, out = 0;

	CHECK(s->n_streams <= H2_SESSION_STREAMS_MAX + 1); /* one may be on its way out */
	for (const struct h2_stream *at = s->streams; at; at = at->next) {
		in += buf_len(&at->in);
		out += buf_len(&at->out);
	}
	CHECK(in <= H2_SESSION_WINDOW && out == s->out_bytes);
	CHECK(out <=
	      H2_SESSION_OUT_MAX + H2_STREAM_OUT_MAX + H2_SESSION_STREAMS_MAX * H2_STREAM_OUT_MIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	struct world w = { 0 };
	struct buf out;
	size_t piece, at = 0;
	uint64_t now = 1;

	if (size < 1)
		return 0;
	w.how = data[0];
	piece = data[0] & 0x80 ? 1 + (data[0] >> 4 & 7) : size;
	data++;
	size--;
	buf_init(&out, OUT_MAX);
	CHECK(h2_session_new(&limits, &head, &events, &w, now, &w.session) == 0);
	h2_session_recv(w.session, H2_PREFACE, sizeof(H2_PREFACE) - 1, now);
	while (at < size && !h2_session_over(w.session)) {
		size_t n = size - at < piece ? size - at : piece;

		h2_session_recv(w.session, data + at, n, ++now);
		check_bounds(w.session);
		at += n;
		if (h2_session_send(w.session, &out))
			break;
		CHECK(buf_len(&out) <= OUT_MAX);
		if (!(w.how & 16))
			buf_consume(&out, buf_len(&out));
	}
	h2_session_end(w.session, 0);
	h2_session_send(w.session, &out);
	h2_session_free(w.session);
	buf_clear(&out);
	return 0;
}
