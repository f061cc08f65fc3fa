/* SPDX-License-Identifier: BSD-2-Clause */
#include "session.h"

#include "../h1/write.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define FRAME_HEADER_BYTES 9
#define TINY_WINDOW_UPDATE 64 /* who opens windows by so little wants many frames */
#define MALFORMED_GLITCHES 5

int h2_session_detect(const char *data, size_t len)
{
	size_t whole = sizeof(H2_PREFACE) - 1, n = len < whole ? len : whole;

	if (memcmp(data, H2_PREFACE, n) != 0)
		return 0;
	return n == whole ? 1 : -EAGAIN;
}

static void glitch(struct h2_session *s, uint32_t n)
{
	if (s->ended)
		return; /* what was on its way is read past */
	h2_glitch_note(&s->glitch, n, s->now_ns);
	s->events->on_glitch(n, s->ctx);
	if (h2_glitch_over(&s->glitch))
		h2_session_end(s, NGHTTP2_ENHANCE_YOUR_CALM);
}

static struct h2_stream *stream_of(struct h2_session *s, int32_t id)
{
	return id ? nghttp2_session_get_stream_user_data(s->ng, id) : NULL;
}

/* RFC 9218: all streams share alike. Who asks for an order of his own could starve himself. */
static void share_alike(struct h2_session *s, int32_t id)
{
	const nghttp2_extpri pri = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1 };

	nghttp2_session_change_extpri_stream_priority(s->ng, id, &pri, 1);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *ctx)
{
	struct h2_session *s = ctx;

	h2_head_clear(&s->head); /* of one that was refused half-way */
	s->in_head = true;
	s->heading = NULL;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0; /* trailers */
	s->heading = h2_stream_new(s, frame->hd.stream_id);
	if (!s->heading)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, s->heading);
	share_alike(s, frame->hd.stream_id);
	return 0;
}

/* A head that expands without end: nobody honest sends that, and to refuse it one has to decode it. */
static int too_much(struct h2_session *s)
{
	glitch(s, H2_GLITCHES_MAX + 1);
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* nghttp2 has seen to it that they are in order; more of them than HTTP/1.1 may have are refused. */
static int take_trailer(struct h2_stream *stream, struct str name, struct str value)
{
	if (!stream || h1_write_field(&stream->in_trailers, name, value))
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *ctx)
{
	struct h2_session *s = ctx;

	struct str n = { (const char *)name, name_len };
	struct str v = { (const char *)value, value_len };

	(void)ng;
	(void)flags;
	if (!s->heading)
		return take_trailer(stream_of(s, frame->hd.stream_id), n, v);
	if (h2_head_add(&s->head, n, v))
		return too_much(s);
	return 0;
}

/* What nghttp2 would leave out in silence is refused like the rest: h2_head_add looks again. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
			     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
			     void *ctx)
{
	struct h2_session *s = ctx;

	if (!s->heading)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!s->head.err.status)
		s->head.err = (struct h1_error) { 400, "malformed field" };
	return on_header(ng, frame, name, name_len, value, value_len, flags, ctx);
}

static void take_request(struct h2_session *s, bool body)
{
	struct h2_stream *stream = s->heading;
	struct h1_error err = { 0 };
	int bad = h2_head_end(&s->head, body, s->scratch, &err);

	s->heading = NULL;
	s->in_head = false;
	stream->in_ended = !body;
	if (bad)
		glitch(s, MALFORMED_GLITCHES);
	if (!s->ended)
		s->events->on_request(stream, bad ? NULL : s->scratch, &err, s->ctx);
	h2_head_clear(&s->head);
	if (!stream->owner)
		h2_stream_leave(stream);
}

static void take_end(struct h2_session *s, int32_t id)
{
	struct h2_stream *stream = stream_of(s, id);

	if (!stream || stream->in_ended)
		return;
	stream->in_ended = true;
	if (stream->owner)
		s->events->on_data(stream, s->ctx);
}

/* Frames that a client sends seldom, if it wants anything. */
static bool is_odd(struct h2_session *s, const nghttp2_frame *frame)
{
	switch (frame->hd.type) {
	case NGHTTP2_SETTINGS:
		return !(frame->hd.flags & NGHTTP2_FLAG_ACK) && s->n_settings++;
	case NGHTTP2_PING:
		return !(frame->hd.flags & NGHTTP2_FLAG_ACK);
	case NGHTTP2_DATA:
		return !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
		       frame->hd.length <= frame->data.padlen;
	case NGHTTP2_WINDOW_UPDATE:
		return frame->window_update.window_size_increment < TINY_WINDOW_UPDATE;
	default:
		return false;
	}
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *ctx)
{
	struct h2_session *s = ctx;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)ng;
	if (is_odd(s, frame))
		glitch(s, 1);
	if (frame->hd.type == NGHTTP2_HEADERS && s->heading)
		take_request(s, !end);
	else if (frame->hd.type == NGHTTP2_HEADERS)
		s->in_head = false;
	if (end && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
		take_end(s, frame->hd.stream_id);
	return 0;
}

/* Those that on_frame never sees, for they are parts of others, or are read past. */
static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *ctx)
{
	(void)ng;
	if (hd->type == NGHTTP2_CONTINUATION || hd->type == NGHTTP2_PRIORITY)
		glitch(ctx, 1);
	return 0;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *ctx)
{
	struct h2_session *s = ctx;

	(void)ng;
	(void)frame;
	(void)code;
	s->in_head = false;
	glitch(s, MALFORMED_GLITCHES);
	return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
		   void *ctx)
{
	struct h2_session *s = ctx;
	struct h2_stream *stream = stream_of(s, id);

	(void)flags;
	if (!stream) {
		nghttp2_session_consume_connection(ng, len);
		return 0;
	}
	if (h2_stream_take_data(stream, (struct str) { (const char *)data, len }))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (stream->owner)
		s->events->on_data(stream, s->ctx);
	return 0;
}

static bool is_answered(const struct h2_stream *stream)
{
	return stream->answered && stream->out_ended && !buf_len(&stream->out);
}

/* Before its answer was whole the client wanted it no more, or it broke a rule. */
static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *ctx)
{
	struct h2_session *s = ctx;
	struct h2_stream *stream = stream_of(s, id);

	(void)code;
	if (!stream)
		return 0;
	if (stream == s->heading) {
		/* refused within its head: what is left of it is no request's */
		s->in_head = false;
		h2_head_clear(&s->head);
	}
	if (!is_answered(stream) && !stream->reset && !s->ended)
		glitch(s, 1);
	stream->reset = true;
	if (stream->owner)
		s->events->on_lost(stream, s->ctx);
	nghttp2_session_set_stream_user_data(ng, id, NULL);
	nghttp2_session_consume_connection(ng, stream->unreturned);
	h2_stream_free(stream);
	return 0;
}

static ssize_t on_send(nghttp2_session *ng, const uint8_t *data, size_t len, int flags, void *ctx)
{
	struct h2_session *s = ctx;
	size_t room = buf_room(s->to), n = len < room ? len : room;

	(void)ng;
	(void)flags;
	if (!n)
		return NGHTTP2_ERR_WOULDBLOCK;
	return buf_add(s->to, data, n) ? NGHTTP2_ERR_CALLBACK_FAILURE : (ssize_t)n;
}

/* A DATA frame as a whole: its payload goes from the stream's buffer, without another copy. */
static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t len,
			nghttp2_data_source *source, void *ctx)
{
	struct h2_session *s = ctx;
	struct h2_stream *stream = source->ptr;

	(void)ng;
	(void)frame; /* we choose no padding */
	if (buf_room(s->to) < FRAME_HEADER_BYTES + len)
		return NGHTTP2_ERR_WOULDBLOCK;
	if (buf_add(s->to, head, FRAME_HEADER_BYTES) || buf_add(s->to, buf_head(&stream->out), len))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	h2_stream_sent(stream, len);
	return 0;
}

static int on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *ctx)
{
	struct h2_session *s = ctx;
	struct h2_stream *stream = stream_of(s, frame->hd.stream_id);

	(void)ng;
	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || !stream || stream->in_ended)
		return 0;
	if (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)
		h2_stream_reset(stream, NGHTTP2_NO_ERROR);
	return 0;
}

static void set_callbacks(nghttp2_session_callbacks *c)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
	nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_send_callback(c, on_send);
	nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
}

static int open_session(struct h2_session *s)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int err = nghttp2_session_callbacks_new(&callbacks);

	if (!err)
		err = nghttp2_option_new(&option);
	if (!err) {
		set_callbacks(callbacks);
		nghttp2_option_set_no_auto_window_update(option, 1);
		nghttp2_option_set_no_closed_streams(option, 1);
		err = nghttp2_session_server_new2(&s->ng, callbacks, s, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return err ? -ENOMEM : 0;
}

static int greet(struct h2_session *s)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_SESSION_STREAMS_MAX },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, s->head.limits.max_head_bytes },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};
	int err = nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings,
					  sizeof(settings) / sizeof(settings[0]));

	if (!err)
		err = nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
							    H2_SESSION_WINDOW);
	return err ? -ENOMEM : 0;
}

int h2_session_new(const struct h1_limits *limits, struct http_head *head,
		   const struct h2_events *events, void *ctx, uint64_t now_ns,
		   struct h2_session **ret)
{
	struct h2_session *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->events = events;
	s->ctx = ctx;
	s->scratch = head;
	s->now_ns = now_ns;
	s->glitch.since_ns = now_ns;
	h2_head_init(&s->head, limits);
	err = open_session(s);
	if (!err)
		err = greet(s);
	if (err) {
		h2_session_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void h2_session_free(struct h2_session *s)
{
	if (!s)
		return;
	while (s->streams)
		h2_stream_free(s->streams);
	nghttp2_session_del(s->ng); /* says nothing of the streams that it has */
	h2_head_clear(&s->head);
	free(s);
}

/* Bad frames are answered by nghttp2 itself, with GOAWAY; this is what it has no answer to. */
static void give_up(struct h2_session *s, ssize_t err)
{
	switch (err) {
	case NGHTTP2_ERR_FLOODED:
	case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
		glitch(s, H2_GLITCHES_MAX + 1);
		break;
	case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
		h2_session_end(s, NGHTTP2_PROTOCOL_ERROR);
		break;
	default:
		h2_session_end(s, NGHTTP2_INTERNAL_ERROR);
		break;
	}
}

int h2_session_recv(struct h2_session *s, const void *data, size_t len, uint64_t now_ns)
{
	ssize_t n;

	if (s->ended)
		return -EPROTO;
	s->now_ns = now_ns;
	n = nghttp2_session_mem_recv(s->ng, data, len);
	if (n < 0)
		give_up(s, n);
	return s->ended || !nghttp2_session_want_read(s->ng) ? -EPROTO : 0;
}

/* Streams that were full have room: what they are told may fill them, and more can be sent. */
static bool wake(struct h2_session *s)
{
	bool any = s->woken != NULL;
	struct h2_stream *stream;

	while ((stream = s->woken)) {
		s->woken = stream->next_woken;
		stream->woken = false;
		stream->full = false;
		if (stream->owner)
			s->events->on_writable(stream, s->ctx);
	}
	return any;
}

int h2_session_send(struct h2_session *s, struct buf *to)
{
	do {
		int err;

		s->to = to;
		err = nghttp2_session_send(s->ng);
		s->to = NULL;
		if (err)
			return err == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
	} while (wake(s));
	return 0;
}

bool h2_session_pending(const struct h2_session *s)
{
	return nghttp2_session_want_write(s->ng);
}

bool h2_session_over(const struct h2_session *s)
{
	return (s->ended || !nghttp2_session_want_read(s->ng)) && !h2_session_pending(s);
}

bool h2_session_holds(const struct h2_session *s)
{
	return nghttp2_session_get_local_window_size(s->ng) <= 0;
}

void h2_session_warn(struct h2_session *s)
{
	if (!s->ended)
		nghttp2_submit_shutdown_notice(s->ng);
}

void h2_session_refuse(struct h2_session *s)
{
	if (!s->ended)
		nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE,
				      nghttp2_session_get_last_proc_stream_id(s->ng),
				      NGHTTP2_NO_ERROR, NULL, 0);
}

void h2_session_end(struct h2_session *s, uint32_t code)
{
	if (s->ended)
		return;
	s->ended = true;
	nghttp2_session_terminate_session(s->ng, code);
}
