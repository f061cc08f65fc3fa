/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/2 of http_load: a stream at a time, whose answer is held against the same. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/http/client.h"

#define WINDOW_BYTES (1 << 20)
#define OUT_BYTES    16384

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *ctx)
{
	struct client *c = ctx;

	(void)session;
	(void)frame;
	(void)flags;
	if (name_len == 7 && memcmp(name, ":status", 7) == 0)
		c->h2_ok = value_len == 3 && memcmp(value, "200", 3) == 0;
	if (name_len == 14 && memcmp(name, "content-length", 14) == 0)
		c->head_done = strtoul((const char *)value, NULL, 10) == c->load->body_bytes;
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
		   size_t n, void *ctx)
{
	struct client *c = ctx;
	const struct load *l = c->load;

	(void)session;
	(void)flags;
	(void)stream;
	if (n > l->body_bytes - c->body_at || memcmp(data, l->body + c->body_at, n))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	c->body_at += n;
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *ctx)
{
	struct client *c = ctx;

	(void)session;
	(void)stream;
	c->h2_closed = true;
	if (error)
		c->h2_ok = false;
	return 0;
}

/* What the session has to say, in one record where it fits. */
static bool flush(struct client *c)
{
	char out[OUT_BYTES];
	const uint8_t *piece;
	size_t n = 0;
	ssize_t len;

	while ((len = nghttp2_session_mem_send(c->h2, &piece)) > 0) {
		if ((size_t)len > sizeof(out) - n)
			return false;
		memcpy(out + n, piece, (size_t)len);
		n += (size_t)len;
	}
	return len == 0 && (!n || SSL_write(c->ssl, out, (int)n) == (int)n);
}

bool client_h2_open(struct client *c)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES },
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
	};
	nghttp2_session_callbacks *callbacks;
	int err;

	if (nghttp2_session_callbacks_new(&callbacks))
		return false;
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	err = nghttp2_session_client_new(&c->h2, callbacks, c);
	nghttp2_session_callbacks_del(callbacks);
	if (err)
		return false;
	nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, 2);
	nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES);
	return true;
}

void client_h2_close(struct client *c)
{
	nghttp2_session_del(c->h2);
	c->h2 = NULL;
}

#define FIELD(name, value)                                                                     \
	{                                                                                      \
		(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, \
			strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME                            \
	}

bool client_h2_ask(struct client *c)
{
	char path[32];

	snprintf(path, sizeof(path), "/%zu", c->load->body_bytes);
	const nghttp2_nv fields[] = {
		FIELD(":method", "GET"),
		FIELD(":scheme", "https"),
		FIELD(":authority", "bench.example"),
		FIELD(":path", path),
		FIELD("user-agent", "http_load/1"),
		FIELD("accept", "*/*"),
	};

	c->h2_ok = c->h2_closed = false;
	return nghttp2_submit_request(c->h2, NULL, fields, sizeof(fields) / sizeof(fields[0]), NULL,
				      NULL) > 0 &&
	       flush(c);
}

int client_h2_take(struct client *c, const unsigned char *data, size_t n)
{
	if (nghttp2_session_mem_recv(c->h2, data, n) != (ssize_t)n || !flush(c))
		return -1;
	if (!c->h2_closed)
		return 0;
	return c->h2_ok && c->head_done && c->body_at == c->load->body_bytes ? 1 : -1;
}
