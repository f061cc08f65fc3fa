/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h2_peer.h"
#include "http/h2/session.h"

struct h2_answer *h2_peer_answer(struct h2_peer *c, int32_t id)
{
	assert_true(id > 0 && id / 2 < H2_PEER_STREAMS);
	return &c->answer[id / 2];
}

static int on_begin(nghttp2_session *ng, const nghttp2_frame *f, void *ctx)
{
	(void)ng;
	h2_peer_answer(ctx, f->hd.stream_id)->head[0] = 0;
	return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *ctx)
{
	struct h2_answer *a = h2_peer_answer(ctx, f->hd.stream_id);
	size_t at = strlen(a->head);
	int status;

	(void)ng;
	(void)flags;
	if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
		status = atoi((const char *)value);
		if (status < 200)
			a->interim = status;
		else
			a->status = status;
		return 0;
	}
	snprintf(a->head + at, sizeof(a->head) - at, "%.*s: %.*s\r\n", (int)name_len,
		 (const char *)name, (int)value_len, (const char *)value);
	return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
		   void *ctx)
{
	struct h2_answer *a = h2_peer_answer(ctx, id);
	size_t room = a->body < sizeof(a->text) - 1 ? sizeof(a->text) - 1 - a->body : 0;

	(void)ng;
	(void)flags;
	if (room)
		memcpy(a->text + a->body, data, len < room ? len : room);
	a->body += len;
	return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *ctx)
{
	struct h2_answer *a = h2_peer_answer(ctx, id);

	(void)ng;
	a->closed = true;
	a->code = code;
	return 0;
}

static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *at, size_t len, uint32_t *flags,
		       nghttp2_data_source *source, void *ctx)
{
	struct h2_answer *a = h2_peer_answer(ctx, id);
	size_t n = a->data_len < len ? a->data_len : len;

	(void)ng;
	(void)source;
	if (!n && !a->data_end)
		return NGHTTP2_ERR_DEFERRED;
	if (n)
		memcpy(at, a->data, n);
	a->data += n;
	a->data_len -= n;
	if (!a->data_len && a->data_end)
		*flags = NGHTTP2_DATA_FLAG_EOF |
			 (a->trailers ? NGHTTP2_DATA_FLAG_NO_END_STREAM : NGHTTP2_DATA_FLAG_NONE);
	return (ssize_t)n;
}

static void open_session(struct h2_peer *c, bool hold)
{
	nghttp2_session_callbacks *cb;
	nghttp2_option *option;

	assert_int_equal(nghttp2_session_callbacks_new(&cb), 0);
	assert_int_equal(nghttp2_option_new(&option), 0);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_option_set_no_auto_window_update(option, hold);
	assert_int_equal(nghttp2_session_client_new2(&c->ng, cb, c, option), 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(cb);
	assert_int_equal(nghttp2_submit_settings(c->ng, 0, NULL, 0), 0);
}

void h2_peer_open(struct h2_peer *c, struct world *w, bool by_hand, bool hold)
{
	memset(c, 0, sizeof(*c));
	peer_connect(&c->p, w);
	if (!by_hand) {
		open_session(c, hold);
		return;
	}
	peer_send(&c->p, H2_PREFACE);
	h2_peer_frame(c, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

void h2_peer_close(struct h2_peer *c)
{
	nghttp2_session_del(c->ng);
	c->ng = NULL;
	peer_close(&c->p);
}

int32_t h2_peer_submit(struct h2_peer *c, const char *const *fields, bool end)
{
	nghttp2_data_provider body = { .read_callback = on_read };
	nghttp2_nv nv[512];
	size_t n = 0;
	int32_t id;

	for (; fields[2 * n]; n++) {
		assert_true(n < 512);
		nv[n] = (nghttp2_nv) {
			.name = (uint8_t *)fields[2 * n],
			.value = (uint8_t *)fields[2 * n + 1],
			.namelen = strlen(fields[2 * n]),
			.valuelen = strlen(fields[2 * n + 1]),
		};
	}
	id = nghttp2_submit_request(c->ng, NULL, nv, n, end ? NULL : &body, NULL);
	assert_true(id > 0);
	return id;
}

int32_t h2_peer_get(struct h2_peer *c, const char *path)
{
	const char *const fields[] = { ":method", "GET",	":scheme", "http", ":path",
				       path,	  ":authority", "h",	   NULL };

	return h2_peer_submit(c, fields, true);
}

void h2_peer_data(struct h2_peer *c, int32_t id, const char *data, size_t len, bool end)
{
	struct h2_answer *a = h2_peer_answer(c, id);

	assert_int_equal(a->data_len, 0);
	a->data = data;
	a->data_len = len;
	a->data_end = end;
	nghttp2_session_resume_data(c->ng, id);
}

void h2_peer_take(struct h2_peer *c, int32_t id, size_t n)
{
	assert_int_equal(nghttp2_session_consume(c->ng, id, n), 0);
}

static uint32_t u32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void note_frame(struct h2_peer *c, size_t len)
{
	uint32_t id = u32(c->frame + 5) & 0x7fffffff;

	if (c->frame[3] == NGHTTP2_GOAWAY && len >= 8) {
		c->goaway = true;
		c->goaway_last = u32(c->payload) & 0x7fffffff;
		c->goaway_code = u32(c->payload + 4);
	} else if (c->frame[3] == NGHTTP2_RST_STREAM && len == 4) {
		c->rsts++;
		c->rst_id = id;
		c->rst_code = u32(c->payload);
	} else if (c->frame[3] == NGHTTP2_SETTINGS && (c->frame[4] & NGHTTP2_FLAG_ACK)) {
		c->acks++;
	}
}

static void scan(struct h2_peer *c, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = u32(c->frame) >> 8, at;

		if (c->frame_at < sizeof(c->frame)) {
			c->frame[c->frame_at++] = data[i];
			len = u32(c->frame) >> 8;
		} else {
			at = c->frame_at++ - sizeof(c->frame);
			if (at < sizeof(c->payload))
				c->payload[at] = data[i];
		}
		if (c->frame_at >= sizeof(c->frame) && c->frame_at == sizeof(c->frame) + len) {
			note_frame(c, len);
			c->frame_at = 0;
		}
	}
}

bool h2_peer_run(struct h2_peer *c)
{
	const uint8_t *out;
	ssize_t n;

	while (c->ng && (n = nghttp2_session_mem_send(c->ng, &out)) > 0)
		peer_send_n(&c->p, out, (size_t)n);
	peer_receive(&c->p);
	if (!c->p.len)
		return true;
	scan(c, c->p.data, c->p.len);
	if (c->ng)
		assert_int_equal(nghttp2_session_mem_recv(c->ng, (uint8_t *)c->p.data, c->p.len),
				 (ssize_t)c->p.len);
	c->p.len = 0;
	while (c->ng && (n = nghttp2_session_mem_send(c->ng, &out)) > 0)
		peer_send_n(&c->p, out, (size_t)n);
	return true;
}

void h2_peer_frame(struct h2_peer *c, uint8_t type, uint8_t flags, int32_t id, const void *payload,
		   size_t len)
{
	const unsigned char head[9] = { (unsigned char)(len >> 16),
					(unsigned char)(len >> 8),
					(unsigned char)len,
					type,
					flags,
					(unsigned char)(id >> 24),
					(unsigned char)(id >> 16),
					(unsigned char)(id >> 8),
					(unsigned char)id };

	peer_send_n(&c->p, head, sizeof(head));
	if (len)
		peer_send_n(&c->p, payload, len);
}
