/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/metric.h"
#include "net/sock.h"
#include "net/stream_first.h"
#include "upstream_conn.h"

#define SALVAGE_BYTES (16U << 10)
/* Of idle connections that each belong to a client: how many are looked at for this one's. */
#define ANNOUNCED_SCAN 64

static struct upstream_conn *conn_of(struct stream *s)
{
	return container_of(s, struct upstream_conn, stream);
}

static void unlink_idle(struct upstream_conn *c)
{
	if (!c->prev)
		return;
	if (c->pool->oldest == c)
		c->pool->oldest = c->prev == &c->pool->idle
					  ? NULL
					  : container_of(c->prev, struct upstream_conn, next);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->next = NULL;
	c->prev = NULL;
	c->pool->n_idle--;
}

static void release(struct upstream_conn *c)
{
	*c->all_prev = c->all_next;
	if (c->all_next)
		c->all_next->all_prev = c->all_prev;
	pool_unref(c->pool);
	free(c->announced);
	free(c);
}

static void on_release(struct deferred *d)
{
	release(container_of(d, struct upstream_conn, release));
}

/* The stream is closed; the memory goes when no handler of this turn can still be in it. */
static void forget(struct upstream_conn *c)
{
	c->closed = true;
	c->events = NULL;
	timer_stop(&c->timer);
	unlink_idle(c);
	c->pool->n_connections--;
	loop_defer(c->pool->upstream->loop, &c->release);
}

void upstream_conn_close(struct upstream_conn *c)
{
	if (c->closed)
		return;
	stream_close(&c->stream);
	forget(c);
}

void upstream_conn_free(struct upstream_conn *c)
{
	upstream_conn_close(c);
	loop_undefer(&c->release);
	release(c);
}

void upstream_conn_finish(struct upstream_conn *c)
{
	if (c->closed)
		return;
	if (c->stream.failed || !c->connected) {
		upstream_conn_close(c);
		return;
	}
	c->events = NULL;
	timer_stop(&c->timer);
	stream_close_after_flush(&c->stream);
}

static void on_open(struct stream *s)
{
	struct upstream_conn *c = conn_of(s);

	timer_stop(&c->timer);
	c->connected = true;
	pool_connect_ok(c->pool);
	if (c->events)
		c->events->on_open(c);
}

static void on_readable(struct stream *s)
{
	struct upstream_conn *c = conn_of(s);

	if (c->events)
		c->events->on_readable(c);
	else
		upstream_conn_close(c); /* idle: nobody asked for this */
}

static void on_writable(struct stream *s)
{
	struct upstream_conn *c = conn_of(s);

	if (c->events)
		c->events->on_writable(c);
}

static void connect_failed(struct upstream_conn *c, int err)
{
	metric_add(METRIC_UPSTREAM_CONNECT_FAILURES, 1);
	pool_connect_failed(c->pool);
	if (c->events)
		c->events->on_end(c, err);
	upstream_conn_close(c);
}

static void on_end(struct stream *s, int err)
{
	struct upstream_conn *c = conn_of(s);

	if (!c->connected)
		connect_failed(c, err ? err : -ECONNRESET);
	else if (c->events)
		c->events->on_end(c, err);
	else
		upstream_conn_close(c);
}

static void on_closed(struct stream *s)
{
	forget(conn_of(s));
}

static void on_timer(struct timer *t)
{
	struct upstream_conn *c = container_of(t, struct upstream_conn, timer);

	if (!c->connected)
		connect_failed(c, -ETIMEDOUT);
	else
		upstream_conn_close(c);
}

static const struct stream_events stream_events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_writable = on_writable,
	.on_end = on_end,
	.on_closed = on_closed,
};

/*
 * Idle for long or not: an endpoint may have closed, or have sent bytes that nobody asked for, since
 * the loop last looked. Taking them for the next response would mix up two consumers' answers, so
 * the socket is asked every time.
 */
static bool is_stale(const struct upstream_conn *c)
{
	char byte;
	ssize_t n;

	if (c->stream.failed || c->stream.read_ended || buf_len(&c->stream.in))
		return true;
	n = recv(c->stream.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return !(n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool is_for(const struct upstream_conn *c, const struct proxy_header *client)
{
	const struct proxy_header *h = c->announced;

	if (!h || !client)
		return h == client;
	return h->version == client->version && h->announced == client->announced &&
	       h->source_port == client->source_port &&
	       h->destination_port == client->destination_port &&
	       addr_eq(&h->source, &client->source) &&
	       addr_eq(&h->destination, &client->destination);
}

static struct upstream_conn *take_idle(struct pool *p, const struct proxy_header *client)
{
	struct upstream_conn *c, *next;
	int others = 0;

	for (c = p->idle; c && others < ANNOUNCED_SCAN; c = next) {
		next = c->next;
		if (!is_for(c, client)) {
			others++;
			continue;
		}
		if (is_stale(c)) {
			upstream_conn_close(c);
			continue;
		}
		unlink_idle(c);
		timer_stop(&c->timer);
		return c;
	}
	return NULL;
}

static void link_conn(struct upstream_conn *c, struct pool *p)
{
	c->pool = p;
	c->all_next = p->upstream->connections;
	c->all_prev = &p->upstream->connections;
	if (c->all_next)
		c->all_next->all_prev = &c->all_next;
	p->upstream->connections = c;
	p->refs++;
	p->n_connections++;
}

static int announce(struct upstream_conn *c, const struct proxy_header *client)
{
	uint8_t header[PROXY_HEADER_OUT_MAX];

	if (!client)
		return 0;
	c->announced = malloc(sizeof(*c->announced));
	if (!c->announced)
		return -ENOMEM;
	*c->announced = *client;
	return stream_first(&c->stream, header, proxy_header_encode(client, header));
}

static int open_new(struct pool *p, const struct proxy_header *client, struct upstream_conn **ret)
{
	struct loop *l = p->upstream->loop;
	struct upstream_conn *c;
	int fd, err;

	if (p->n_connections >= p->max_connections)
		return -ENOBUFS;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	fd = sock_connect(&p->address, p->port);
	err = fd < 0 ? fd
		     : stream_open(&c->stream, l, fd, &stream_events, UPSTREAM_IN_MAX,
				   UPSTREAM_OUT_MAX, true);
	if (!err) {
		err = announce(c, client);
		if (err)
			stream_close(&c->stream);
	}
	if (err) {
		free(c->announced);
		free(c);
		return err;
	}
	c->timer.on_due = on_timer;
	c->release.run = on_release;
	link_conn(c, p);
	timer_start(l, &c->timer, p->connect_timeout_ms);
	metric_add(METRIC_UPSTREAM_CONNECTS, 1);
	*ret = c;
	return 0;
}

int upstream_conn_get(struct pool *p, bool fresh, const struct upstream_events *events, void *owner,
		      struct upstream_conn **ret)
{
	return upstream_conn_get_for(p, NULL, fresh, events, owner, ret);
}

int upstream_conn_get_for(struct pool *p, const struct proxy_header *client, bool fresh,
			  const struct upstream_events *events, void *owner,
			  struct upstream_conn **ret)
{
	struct upstream_conn *c = fresh ? NULL : take_idle(p, client);
	int err;

	if (c) {
		c->reused = true;
		metric_add(METRIC_UPSTREAM_REUSED, 1);
	} else {
		if (p->oldest && p->n_connections >= p->max_connections)
			upstream_conn_close(p->oldest); /* make room */
		err = open_new(p, client, &c);
		if (err) {
			/* our own lack of descriptors or ports says nothing about the endpoint */
			if (err == -ECONNREFUSED || err == -ENETUNREACH || err == -EHOSTUNREACH)
				pool_connect_failed(p);
			return err;
		}
	}
	c->events = events;
	c->owner = owner;
	c->lent_in = c->stream.bytes_in;
	c->lent_out = c->stream.bytes_out;
	*ret = c;
	return 0;
}

void upstream_conn_put(struct upstream_conn *c)
{
	struct pool *p = c->pool;

	if (c->closed)
		return;
	/* one that is a client's own is of use to nobody once he has gone: it makes room */
	if (c->announced && p->n_idle && p->n_idle >= p->max_idle)
		upstream_conn_close(p->oldest);
	if (!p->upstream->keep_idle || !p->clusters || p->n_idle >= p->max_idle || !c->connected ||
	    c->stream.failed || c->stream.read_ended || buf_len(&c->stream.in) ||
	    buf_len(&c->stream.out)) {
		upstream_conn_close(c);
		return;
	}
	c->events = NULL;
	c->owner = NULL;
	c->next = p->idle;
	c->prev = &p->idle;
	if (c->next)
		c->next->prev = &c->next;
	p->idle = c;
	if (!p->oldest)
		p->oldest = c;
	p->n_idle++;
	timer_start(p->upstream->loop, &c->timer, p->idle_timeout_ms);
}

bool upstream_conn_salvage(struct upstream_conn *c)
{
	struct buf *in = &c->stream.in;
	size_t want = buf_room(in) < SALVAGE_BYTES ? buf_room(in) : SALVAGE_BYTES;
	char *at = want ? buf_reserve(in, want) : NULL;
	ssize_t n;

	if (!at || c->closed || !c->stream.failed)
		return false;
	n = recv(c->stream.watch.fd, at, want, MSG_DONTWAIT);
	if (n <= 0)
		return false;
	buf_commit(in, (size_t)n);
	c->stream.bytes_in += (uint64_t)n;
	return true;
}
