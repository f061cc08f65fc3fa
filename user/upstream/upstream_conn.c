/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "net/sock.h"
#include "net/stream_first.h"
#include "upstream_conn.h"

#define SALVAGE_BYTES (16U << 10)
/* Of idle connections that each belong to somebody: how many are looked at for this one's. */
#define WHOSE_SCAN 64

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
	upstream_tls_unref(c->tls);
	free(c->announced);
	free(c->name);
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

/* The connection was made; what is above it failed. Told once in a while: each request has its line. */
static int tls_failed(struct upstream_conn *c, int err)
{
	struct pool *p = c->pool;
	uint64_t now_ns = loop_now_ns(p->upstream->loop);
	char text[ADDR_TEXT_MAX];
	struct tls_info info;

	tls_info(&c->stream, &info);
	if (!p->tls_warned_ns || now_ns - p->tls_warned_ns > POOL_TLS_WARN_MS * NS_PER_MS) {
		p->tls_warned_ns = now_ns;
		log_warn("endpoint.tls", LOG_STR("cluster", p->cluster),
			 LOG_STR("endpoint", addr_format_port(&p->address, p->port, text)),
			 LOG_STR("error", info.failure ? info.failure : strerror(-err)));
	}
	return info.distrusted ? UPSTREAM_ERR_CERTIFICATE : UPSTREAM_ERR_TLS;
}

static void on_end(struct stream *s, int err)
{
	struct upstream_conn *c = conn_of(s);

	if (!c->connected && c->tls && !s->connecting && err != -ECONNREFUSED &&
	    err != -EHOSTUNREACH && err != -ENETUNREACH && err != -ETIMEDOUT)
		err = tls_failed(c, err ? err : -ECONNRESET);
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
static bool is_stale(struct upstream_conn *c)
{
	struct stream *s = &c->stream;
	char byte;
	ssize_t n;

	if (s->failed || s->read_ended || buf_len(&s->in))
		return true;
	n = recv(s->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0 || !s->filter)
		return true;
	/* bytes of TLS may be tickets, and nothing for us: one look of the filter at them all */
	s->read_blocked = false;
	return s->filter->ops->read(s, &byte, 1) != -EAGAIN;
}

static bool is_told(const struct upstream_conn *c, const struct proxy_header *client)
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

static bool is_for(const struct upstream_conn *c, const struct upstream_whose *whose)
{
	if (c->name && (!whose->host || strcmp(c->name, whose->host) != 0))
		return false;
	return is_told(c, whose->client);
}

static struct upstream_conn *take_idle(struct pool *p, const struct upstream_whose *whose)
{
	struct upstream_conn *c, *next;
	int others = 0;

	for (c = p->idle; c && others < WHOSE_SCAN; c = next) {
		next = c->next;
		if (!is_for(c, whose)) {
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

/* The name that the server's certificate has to have; text is room for an address. */
static const char *server_name(const struct upstream_conn *c, char text[ADDR_TEXT_MAX])
{
	if (c->name)
		return c->name;
	if (c->tls->server_name)
		return c->tls->server_name;
	return addr_format(&c->pool->address, text);
}

static int announce(struct upstream_conn *c, const struct proxy_header *client)
{
	uint8_t header[PROXY_HEADER_OUT_MAX];

	c->announced = malloc(sizeof(*c->announced));
	if (!c->announced)
		return -ENOMEM;
	*c->announced = *client;
	return stream_first(&c->stream, header, proxy_header_encode(client, header));
}

/* What is below the bytes: TLS, and in front of that whose connection it is. */
static int set_filters(struct upstream_conn *c, const struct upstream_whose *whose)
{
	char text[ADDR_TEXT_MAX];
	int err = 0;

	if (c->tls)
		err = tls_connect(&c->stream, c->tls->client, server_name(c, text),
				  &c->pool->session);
	if (!err && whose->client)
		err = announce(c, whose->client);
	return err == -EINVAL ? UPSTREAM_ERR_TLS : err;
}

static int open_stream(struct upstream_conn *c, const struct upstream_whose *whose)
{
	struct pool *p = c->pool;
	int fd, err;

	if (c->tls && c->tls->name_from_request) {
		if (!whose->host || !*whose->host)
			return UPSTREAM_ERR_TLS; /* a request of HTTP/1.0 may name no host */
		c->name = strdup(whose->host);
		if (!c->name)
			return -ENOMEM;
	}
	fd = sock_connect(&p->address, p->port);
	if (fd < 0)
		return fd;
	err = stream_open(&c->stream, p->upstream->loop, fd, &stream_events, UPSTREAM_IN_MAX,
			  UPSTREAM_OUT_MAX, true);
	if (err)
		return err;
	err = set_filters(c, whose);
	if (err)
		stream_close(&c->stream);
	return err;
}

static int open_new(struct pool *p, const struct upstream_whose *whose, struct upstream_conn **ret)
{
	struct upstream_conn *c;
	int err;

	if (p->n_connections >= p->max_connections)
		return -ENOBUFS;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->pool = p;
	c->tls = p->tls ? upstream_tls_ref(p->tls) : NULL;
	err = open_stream(c, whose);
	if (err) {
		upstream_tls_unref(c->tls);
		free(c->announced);
		free(c->name);
		free(c);
		return err;
	}
	c->timer.on_due = on_timer;
	c->release.run = on_release;
	link_conn(c, p);
	timer_start(p->upstream->loop, &c->timer, p->connect_timeout_ms);
	metric_add(METRIC_UPSTREAM_CONNECTS, 1);
	*ret = c;
	return 0;
}

int upstream_conn_get(struct pool *p, bool fresh, const struct upstream_events *events, void *owner,
		      struct upstream_conn **ret)
{
	const struct upstream_whose nobody = { NULL, NULL };

	return upstream_conn_get_for(p, &nobody, fresh, events, owner, ret);
}

int upstream_conn_get_for(struct pool *p, const struct upstream_whose *whose, bool fresh,
			  const struct upstream_events *events, void *owner,
			  struct upstream_conn **ret)
{
	struct upstream_conn *c = fresh ? NULL : take_idle(p, whose);
	int err;

	if (c) {
		c->reused = true;
		metric_add(METRIC_UPSTREAM_REUSED, 1);
	} else {
		if (p->oldest && p->n_connections >= p->max_connections)
			upstream_conn_close(p->oldest); /* make room */
		err = open_new(p, whose, &c);
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
	/* one that is somebody's own is of use to nobody once he has gone: it makes room */
	if ((c->announced || c->name) && p->n_idle && p->n_idle >= p->max_idle)
		upstream_conn_close(p->oldest);
	if (!p->upstream->keep_idle || !p->clusters || p->n_idle >= p->max_idle || !c->connected ||
	    c->tls != p->tls || c->stream.failed || c->stream.read_ended ||
	    buf_len(&c->stream.in) || buf_len(&c->stream.out)) {
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
	c->stream.read_blocked = false;
	n = c->stream.filter ? c->stream.filter->ops->read(&c->stream, at, want)
			     : recv(c->stream.watch.fd, at, want, MSG_DONTWAIT);
	if (n <= 0)
		return false;
	buf_commit(in, (size_t)n);
	c->stream.bytes_in += (uint64_t)n;
	return true;
}
