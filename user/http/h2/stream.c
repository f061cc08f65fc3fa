/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "reply.h"
#include "session.h"

#define PIECE_MIN 1024 /* no frames smaller than this for want of room */

struct h2_stream *h2_stream_new(struct h2_session *session, int32_t id)
{
	struct h2_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->session = session;
	s->id = id;
	buf_init(&s->in, H2_STREAM_WINDOW);
	buf_init(&s->out, H2_STREAM_OUT_MAX + (4U << 10)); /* and a problem's body, at once */
	buf_init(&s->in_trailers, H1_TRAILERS_MAX);
	buf_init(&s->out_trailers, H1_TRAILERS_MAX);
	s->next = session->streams;
	s->prev = &session->streams;
	if (s->next)
		s->next->prev = &s->next;
	session->streams = s;
	session->n_streams++;
	return s;
}

static void unwake(struct h2_stream *s)
{
	struct h2_stream **at = &s->session->woken;

	while (s->woken && *at && *at != s)
		at = &(*at)->next_woken;
	if (s->woken && *at)
		*at = s->next_woken;
	s->woken = false;
}

void h2_stream_free(struct h2_stream *s)
{
	unwake(s);
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->session->n_streams--;
	s->session->out_bytes -= buf_len(&s->out);
	if (s->session->heading == s)
		s->session->heading = NULL;
	buf_clear(&s->in);
	buf_clear(&s->out);
	buf_clear(&s->in_trailers);
	buf_clear(&s->out_trailers);
	free(s);
}

void h2_stream_taken(struct h2_stream *s)
{
	size_t n = s->unreturned - buf_len(&s->in);

	buf_trim(&s->in);
	if (!n)
		return;
	s->unreturned -= n;
	nghttp2_session_consume(s->session->ng, s->id, n);
}

int h2_stream_take_data(struct h2_stream *s, struct str data)
{
	s->unreturned += data.len;
	/* the window is not larger than the buffer: more cannot come */
	if (s->owner && !s->reset && buf_add_str(&s->in, data))
		return -ENOMEM;
	if (!s->owner || s->reset)
		h2_stream_taken(s);
	return 0;
}

void h2_stream_leave(struct h2_stream *s)
{
	s->owner = NULL;
	buf_consume(&s->in, buf_len(&s->in));
	h2_stream_taken(s);
	if (!s->answered && !s->reset)
		h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
}

static void send_trailers(struct h2_stream *s)
{
	static nghttp2_nv nv[H2_REPLY_FIELDS_MAX]; /* scratch: nghttp2 copies */
	int n = h2_reply_lines(&s->out_trailers, nv);

	if (n > 0)
		nghttp2_submit_trailer(s->session->ng, s->id, nv, (size_t)n);
}

/* nghttp2 asks for the next DATA frame; its payload is taken in h2_session's send_data. */
static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *at, size_t len, uint32_t *flags,
		       nghttp2_data_source *source, void *ctx)
{
	struct h2_stream *s = source->ptr;
	size_t n = buf_len(&s->out);

	(void)ng;
	(void)id;
	(void)at;
	(void)ctx;
	s->waiting = !n && !s->out_ended;
	if (s->waiting)
		return NGHTTP2_ERR_DEFERRED;
	if (n > len)
		n = len;
	*flags = NGHTTP2_DATA_FLAG_NO_COPY;
	if (!s->out_ended || n != buf_len(&s->out))
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (buf_len(&s->out_trailers)) { /* they end the stream */
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		send_trailers(s);
	}
	return (ssize_t)n;
}

static void go_on(struct h2_stream *s)
{
	if (!s->waiting)
		return;
	s->waiting = false;
	nghttp2_session_resume_data(s->session->ng, s->id);
}

static int queue(struct h2_stream *s, struct str data)
{
	int err = buf_add_str(&s->out, data);

	if (!err)
		s->session->out_bytes += data.len;
	return err ? -ENOMEM : 0;
}

int h2_stream_head(struct h2_stream *s, struct buf *text, bool interim, bool last)
{
	static nghttp2_nv nv[H2_REPLY_FIELDS_MAX]; /* scratch: nghttp2 copies */
	nghttp2_data_provider body = { .source.ptr = s, .read_callback = on_read };
	nghttp2_session *ng = s->session->ng;
	size_t head_len;
	int n = h2_reply_fields(text, nv, &head_len), err;

	if (n < 0)
		return n;
	if (interim) {
		err = nghttp2_submit_headers(ng, NGHTTP2_FLAG_NONE, s->id, NULL, nv, (size_t)n,
					     NULL);
		return err < 0 ? -ENOMEM : 0;
	}
	if (last && queue(s, (struct str) { buf_head(text) + head_len, buf_len(text) - head_len }))
		return -ENOMEM;
	s->answered = true;
	s->out_ended = last;
	err = nghttp2_submit_response(ng, s->id, nv, (size_t)n,
				      last && !buf_len(&s->out) ? NULL : &body);
	return err ? -ENOMEM : 0;
}

/* What it may hold, by what others hold. */
static size_t share(const struct h2_stream *s)
{
	return s->session->out_bytes < H2_SESSION_OUT_MAX ? H2_STREAM_OUT_MAX : H2_STREAM_OUT_MIN;
}

size_t h2_stream_room(struct h2_stream *s, size_t n)
{
	size_t max = share(s), used = buf_len(&s->out);

	if (used + PIECE_MIN > max) {
		s->full = true; /* far above a quarter: it will be told */
		return 0;
	}
	return n < max - used ? n : max - used;
}

int h2_stream_write(struct h2_stream *s, struct str data)
{
	if (s->reset || queue(s, data))
		return -EPIPE;
	if (buf_len(&s->out) > share(s) / 2)
		s->full = true;
	go_on(s);
	return 0;
}

int h2_stream_trailers(struct h2_stream *s, struct str lines)
{
	return buf_add_str(&s->out_trailers, lines);
}

void h2_stream_end(struct h2_stream *s)
{
	if (s->reset || s->out_ended)
		return;
	s->out_ended = true;
	go_on(s);
}

void h2_stream_reset(struct h2_stream *s, uint32_t code)
{
	if (s->reset)
		return;
	s->reset = true;
	nghttp2_submit_rst_stream(s->session->ng, NGHTTP2_FLAG_NONE, s->id, code);
}

void h2_stream_sent(struct h2_stream *s, size_t n)
{
	buf_consume(&s->out, n);
	buf_trim(&s->out);
	s->session->out_bytes -= n;
	s->sent_bytes += n;
	if (!s->full || s->woken || buf_len(&s->out) > share(s) / 4)
		return;
	s->woken = true;
	s->next_woken = s->session->woken;
	s->session->woken = s;
}

bool h2_stream_blocked(const struct h2_stream *s)
{
	nghttp2_session *ng = s->session->ng;

	return nghttp2_session_get_stream_remote_window_size(ng, s->id) <= 0 ||
	       nghttp2_session_get_remote_window_size(ng) <= 0;
}
