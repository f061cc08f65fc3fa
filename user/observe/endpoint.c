/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/h1/parse.h"
#include "http/h1/write.h"
#include "net/sock.h"
#include "net/stream.h"

#define REQUEST_MAX_BYTES 8192

struct endpoint_conn {
	struct endpoint_conn *next, **prev;
	struct endpoint_server *server;
	struct stream stream;
	struct timer timer;
	struct deferred free_later;
	size_t scanned;
	bool answered;
	bool closed;
};

struct endpoint_server {
	struct loop *loop;
	struct watch watch;
	const struct endpoint *table;
	void *ctx;
	struct endpoint_conn *conns; /* the youngest first */
	struct endpoint_conn *last;
	uint32_t n_conns;
};

static void conn_free(struct deferred *d)
{
	free(container_of(d, struct endpoint_conn, free_later));
}

static void conn_close(struct endpoint_conn *c)
{
	if (c->closed)
		return;
	c->closed = true;
	timer_stop(&c->timer);
	stream_close(&c->stream);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		c->server->last = c->prev == &c->server->conns
					  ? NULL
					  : container_of(c->prev, struct endpoint_conn, next);
	c->server->n_conns--;
	c->free_later.run = conn_free;
	loop_defer(c->server->loop, &c->free_later);
}

static void conn_timeout(struct timer *t)
{
	conn_close(container_of(t, struct endpoint_conn, timer));
}

static void conn_end(struct stream *s, int err)
{
	struct endpoint_conn *c = container_of(s, struct endpoint_conn, stream);

	if (err || !c->answered)
		conn_close(c);
}

static void conn_closed(struct stream *s)
{
	conn_close(container_of(s, struct endpoint_conn, stream));
}

static int write_head(struct buf *out, unsigned int status, const char *type, size_t body_len)
{
	int err = h1_write_status_line(out, status);

	err = err ? err : h1_write_date(out);
	err = err ? err : h1_write_field(out, STR_LIT("content-type"), str_of(type));
	err = err ? err : h1_write_field_u64(out, STR_LIT("content-length"), body_len);
	err = err ? err : h1_write_field(out, STR_LIT("cache-control"), STR_LIT("no-store"));
	err = err ? err : h1_write_field(out, STR_LIT("connection"), STR_LIT("close"));
	return err ? err : h1_write_end(out);
}

static void conn_answer(struct endpoint_conn *c, unsigned int status, const char *type,
			struct str body, bool head_only)
{
	struct buf out;

	buf_init(&out, ENDPOINT_BODY_MAX + REQUEST_MAX_BYTES);
	c->answered = true;
	if (write_head(&out, status, type, body.len) || (!head_only && buf_add_str(&out, body)) ||
	    stream_write(&c->stream, buf_head(&out), buf_len(&out))) {
		buf_clear(&out);
		conn_close(c);
		return;
	}
	buf_clear(&out);
	stream_flush(&c->stream);
}

static void conn_error(struct endpoint_conn *c, unsigned int status)
{
	conn_answer(c, status, "text/plain", str_of(http_status_text(status)), false);
}

static void conn_request(struct endpoint_conn *c, const struct http_head *head)
{
	const struct endpoint *e = c->server->table;
	const char *type = "text/plain; charset=utf-8";
	unsigned int status;
	struct buf body;

	if (head->method != HTTP_GET && head->method != HTTP_HEAD) {
		conn_error(c, 405);
		return;
	}
	while (e->path && !str_eq(head->path, str_of(e->path)))
		e++;
	if (!e->path) {
		conn_error(c, 404);
		return;
	}
	buf_init(&body, ENDPOINT_BODY_MAX);
	status = e->answer(&body, &type, c->server->ctx);
	conn_answer(c, status, type, buf_str(&body), head->method == HTTP_HEAD);
	buf_clear(&body);
}

static void conn_readable(struct stream *s)
{
	static const struct h1_limits limits = { .max_head_bytes = REQUEST_MAX_BYTES,
						 .max_uri_bytes = 1024,
						 .max_fields = 64 };
	struct endpoint_conn *c = container_of(s, struct endpoint_conn, stream);
	struct http_head head;
	struct h1_error error;
	int n;

	if (c->answered)
		return;
	n = h1_parse_request(buf_head(&s->in), buf_len(&s->in), &c->scanned, &limits, &head,
			     &error);
	if (n == -EAGAIN)
		return;
	if (n < 0)
		conn_error(c, error.status);
	else
		conn_request(c, &head);
	if (!c->closed)
		stream_close_after_flush(s);
}

static const struct stream_events conn_events = {
	.on_readable = conn_readable,
	.on_end = conn_end,
	.on_closed = conn_closed,
};

static void conn_open(struct endpoint_server *s, int fd)
{
	struct endpoint_conn *c = calloc(1, sizeof(*c));

	if (c && s->n_conns >= ENDPOINT_CONNS_MAX)
		conn_close(s->last); /* so that who only connects locks nobody out of /readyz */
	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	c->timer.on_due = conn_timeout;
	if (stream_open(&c->stream, s->loop, fd, &conn_events, REQUEST_MAX_BYTES,
			ENDPOINT_BODY_MAX + REQUEST_MAX_BYTES, false)) {
		free(c);
		return;
	}
	timer_start(s->loop, &c->timer, ENDPOINT_TIMEOUT_MS);
	c->next = s->conns;
	c->prev = &s->conns;
	if (c->next)
		c->next->prev = &c->next;
	else
		s->last = c;
	s->conns = c;
	s->n_conns++;
}

static void server_accept(struct watch *w, uint32_t events)
{
	struct endpoint_server *s = container_of(w, struct endpoint_server, watch);
	struct addr peer;
	uint16_t port;
	int fd;

	(void)events;
	while ((fd = sock_accept(w->fd, &peer, &port)) >= 0)
		conn_open(s, fd);
}

int endpoint_open(struct loop *l, int fd, const struct endpoint *table, void *ctx,
		  struct endpoint_server **ret)
{
	struct endpoint_server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->loop = l;
	s->table = table;
	s->ctx = ctx;
	s->watch.fd = fd;
	s->watch.on_event = server_accept;
	err = loop_add(l, &s->watch);
	if (err) {
		free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void endpoint_close(struct endpoint_server *s)
{
	if (!s)
		return;
	while (s->conns)
		conn_close(s->conns);
	loop_del(s->loop, &s->watch);
	close(s->watch.fd);
	free(s);
}
