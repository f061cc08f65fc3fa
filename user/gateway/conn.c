/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "announce.h"
#include "base/addr.h"
#include "certificate.h"
#include "base/clock.h"
#include "base/metric.h"
#include "conn.h"
#include "conn_h2.h"
#include "exchange.h"
#include "net/sock.h"
#include "request.h"
#include "snapshot.h"
#include "tls/tls.h"
#include "tls/tls_identity.h"

static struct conn *conn_of(struct stream *s)
{
	return container_of(s, struct conn, stream);
}

static void unlink_conn(struct conn *c)
{
	struct gateway *g = c->gateway;

	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	g->n_conns--;
	c->listener->n_conns--;
	c->listener->n_tunnels -= c->tunnel;
	listener_settle(c->listener);
	if (g->draining && !g->n_conns)
		loop_defer(g->env.loop, &g->drained);
}

void conn_stamp(struct conn *c, uint32_t now_s)
{
	struct presence *p = &c->gateway->presence;

	presence_stamp_holds(p, &c->holds, &c->client, now_s);
	if (c->announced) /* a verdict on the proxy would be one on them */
		presence_stamp_holds(p, &c->holds, &c->stream.peer, now_s);
}

/* The stream is closed: the memory goes when no handler of this turn can still be in it. */
static void forget(struct conn *c)
{
	uint32_t now_s = (uint32_t)(loop_now_ns(c->gateway->env.loop) / NS_PER_S);

	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	timer_stop(&c->timer);
	loop_undefer(&c->work);
	/* it was open until now */
	conn_stamp(c, now_s);
	metric_add(METRIC_CONNECTIONS_CLOSED, 1);
	loop_defer(c->gateway->env.loop, &c->release);
}

static void release(struct conn *c)
{
	unlink_conn(c);
	conn_h2_free(c);
	listener_unref(c->listener);
	tls_identity_free(c->identity);
	free(c);
}

static void on_release(struct deferred *d)
{
	release(container_of(d, struct conn, release));
}

void conn_close(struct conn *c, bool reset)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (c->state == CONN_CLOSED)
		return;
	if (reset && c->stream.watch.fd >= 0)
		setsockopt(c->stream.watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	stream_close(&c->stream);
	forget(c);
}

void conn_finish(struct conn *c)
{
	if (c->state == CONN_CLOSED || c->state == CONN_CLOSING)
		return;
	if (c->stream.failed || !c->stream.open) {
		conn_close(c, false);
		return;
	}
	c->state = CONN_CLOSING;
	timer_stop(&c->timer);
	loop_undefer(&c->work);
	stream_close_after_flush(&c->stream);
}

/* What the kernel does not know is 0. */
static struct tcp_info tcp_info(const struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	(void)getsockopt(c->stream.watch.fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

uint64_t conn_bytes_taken(const struct conn *c)
{
	return tcp_info(c).tcpi_bytes_acked;
}

void conn_timer(struct conn *c, uint64_t after_ms)
{
	c->timer_out_mark = c->stream.bytes_out;
	timer_start(c->gateway->env.loop, &c->timer, after_ms);
}

void conn_asks_no_more(struct conn *c)
{
	c->tunnel = true;
	c->listener->n_tunnels++;
	listener_settle(c->listener);
}

bool conn_closes_soon(const struct conn *c)
{
	const struct stream *s = &c->stream;

	return c->gateway->draining || c->listener->removed || (s->read_ended && !buf_len(&s->in));
}

/*
 * Who is to be closed is answered once more, with Connection: close: a client that connected a moment
 * ago is going to ask, and one between two requests may have the next on its way.
 */
static uint64_t last_ms(const struct conn *c, uint64_t else_ms)
{
	return conn_closes_soon(c) && CONN_LAST_REQUEST_MS < else_ms ? CONN_LAST_REQUEST_MS
								     : else_ms;
}

static uint64_t idle_ms(const struct conn *c)
{
	return last_ms(c, c->listener->conf.idle_timeout_ms);
}

static void go_idle(struct conn *c)
{
	c->state = CONN_IDLE;
	c->scanned = 0;
	if (buf_len(&c->stream.in)) {
		loop_defer(c->gateway->env.loop, &c->work); /* not from below the last request */
		return;
	}
	buf_trim(&c->stream.in);
	if ((c->listener->removed && c->served) || c->stream.read_ended)
		conn_finish(c);
	else
		conn_timer(c, idle_ms(c));
}

static void discard_body(struct conn *c)
{
	struct buf *in = &c->stream.in;
	struct h1_error err;
	struct str data;

	while (!c->discard.done && buf_len(in)) {
		ssize_t used = h1_body_read(&c->discard, buf_head(in), buf_len(in), &data, &err);

		if (used < 0 || (size_t)used > c->discard_left) {
			conn_finish(c);
			return;
		}
		if (!used && !data.len)
			break;
		c->discard_left -= (size_t)used;
		buf_consume(in, (size_t)used);
	}
	if (c->discard.done)
		go_idle(c);
	else if (c->stream.read_ended)
		conn_finish(c);
	else
		stream_resume(&c->stream);
}

void conn_exchange_done(struct conn *c, bool keep, const struct h1_body *body)
{
	c->exchange = NULL;
	c->served = true;
	if (c->state == CONN_CLOSED)
		return;
	timer_stop(&c->timer);
	if (!keep) {
		conn_finish(c);
		return;
	}
	if (!body) {
		go_idle(c);
		return;
	}
	c->state = CONN_DISCARD;
	c->discard = *body;
	c->discard.trailers = NULL; /* they were the exchange's */
	c->discard_left = CONN_DISCARD_MAX;
	conn_timer(c, c->listener->conf.body_timeout_ms);
	discard_body(c);
}

static void on_open(struct stream *s)
{
	struct conn *c = conn_of(s);
	struct tls_info info;

	if (c->tls) {
		tls_info(s, &info);
		c->tls_version = info.version;
		if (certificate_take(c)) { /* served, it would be taken for somebody without */
			conn_close(c, false);
			return;
		}
		if (info.alpn && strcmp(info.alpn, "h2") == 0) {
			conn_h2_start(c);
			return;
		}
	}
	go_idle(c);
}

static void on_readable(struct stream *s)
{
	struct conn *c = conn_of(s);

	switch (c->state) {
	case CONN_IDLE:
		if (c->stream.write_full)
			break; /* it waits for room for its answer: its time runs */
			       /* fall through */
	case CONN_HEAD:
		request_read(c);
		break;
	case CONN_EXCHANGE:
		exchange_client_readable(c->exchange);
		break;
	case CONN_DISCARD:
		discard_body(c); /* in the time that it was given at first */
		break;
	case CONN_H2:
		conn_h2_read(c);
		break;
	default:
		break;
	}
}

static void on_writable(struct stream *s)
{
	struct conn *c = conn_of(s);

	if (c->state == CONN_H2)
		conn_h2_work(c);
	else if (c->state == CONN_EXCHANGE)
		exchange_client_writable(c->exchange);
	else if (c->state == CONN_IDLE && buf_len(&c->stream.in))
		request_read(c); /* it waited for room for its answer */
}

static void on_end(struct stream *s, int err)
{
	struct conn *c = conn_of(s);

	switch (c->state) {
	case CONN_HANDSHAKE:
		certificate_refused(c);
		conn_close(c, false);
		break;
	case CONN_EXCHANGE:
		exchange_client_end(c->exchange, err);
		break;
	case CONN_H2:
		conn_h2_end(c, err);
		break;
	case CONN_IDLE:
		if (!err && buf_len(&c->stream.in))
			break; /* pipelined requests are still to be served */
			       /* fall through */
	default:
		if (err)
			conn_close(c, false);
		else
			conn_finish(c);
	}
}

static void on_closed(struct stream *s)
{
	forget(conn_of(s));
}

static const struct stream_events stream_events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_writable = on_writable,
	.on_end = on_end,
	.on_closed = on_closed,
};

static void on_work(struct deferred *d)
{
	struct conn *c = container_of(d, struct conn, work);

	if (c->state == CONN_H2)
		conn_h2_work(c);
	else if (c->state == CONN_IDLE)
		request_read(c);
}

/* A client that still takes the tail of a response is not idle, unless it takes for ever. */
bool conn_still_sending(const struct conn *c)
{
	return buf_len(&c->stream.out) &&
	       c->stream.bytes_out - c->timer_out_mark >=
		       conn_bytes_owed(c->listener->conf.idle_timeout_ms);
}

static void on_timer(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	switch (c->state) {
	case CONN_EXCHANGE:
		exchange_client_slow(c->exchange);
		return;
	case CONN_HEAD:
		request_timeout(c);
		return;
	case CONN_H2:
		conn_h2_timeout(c);
		return;
	case CONN_HANDSHAKE:
		if (c->hurried && tcp_info(c).tcpi_bytes_received) {
			c->hurried = false; /* it began, and has its time */
			conn_timer(c, c->listener->conf.handshake_timeout_ms);
			return;
		}
		metric_add(METRIC_TIMEOUTS_CLIENT, 1);
		if (announce_waits(c))
			announce_refused(c->listener, &c->stream.peer, "no header in time");
		break;
	case CONN_IDLE:
		if (conn_still_sending(c)) {
			conn_timer(c, c->listener->conf.idle_timeout_ms);
			return;
		}
		break;
	default:
		metric_add(METRIC_TIMEOUTS_CLIENT, 1);
		break;
	}
	conn_finish(c); /* one that is not open yet is closed */
}

static void link_conn(struct conn *c)
{
	struct gateway *g = c->gateway;

	c->next = g->conns;
	c->prev = &g->conns;
	if (c->next)
		c->next->prev = &c->next;
	g->conns = c;
	g->n_conns++;
	c->listener->n_conns++;
	c->listener->refs++;
	metric_add(METRIC_CONNECTIONS_ACCEPTED, 1);
}

static size_t in_max(const struct listener *l)
{
	/* a head that is one byte too long has to fit, to be refused instead of stalled */
	size_t head = (size_t)l->conf.max_header_bytes + 1024;

	return head > CONN_IN_MIN ? head : CONN_IN_MIN;
}

/* Returns negative errno; the stream has closed fd then. */
static int open_stream(struct conn *c, int fd, const struct addr *peer, uint16_t port, bool await)
{
	struct gateway *g = c->gateway;
	struct tls_context *tls = g->current->tls[c->listener->index];
	int err = stream_open(&c->stream, g->env.loop, fd, &stream_events, in_max(c->listener),
			      CONN_OUT_MAX, false);

	if (err)
		return err;
	c->stream.peer = *peer;
	c->stream.peer_port = port;
	c->client = *peer;
	c->client_port = port;
	c->tls = tls != NULL;
	if (await)
		err = announce_await(c, tls);
	else if (tls)
		err = tls_accept(&c->stream, tls);
	if (err)
		stream_close(&c->stream);
	return err;
}

/* A wildcard listener, and one that others' addresses are steered to, answer at many. */
static void note_local(struct conn *c, int fd)
{
	static const struct addr any_v4 = { .b = { [10] = 0xff, 0xff } }, any_v6;
	const struct conf_listener *conf = &c->listener->conf;

	if (conf->n_steer || addr_eq(&conf->address, &any_v4) || addr_eq(&conf->address, &any_v6))
		c->has_local = sock_local(fd, &c->local, &c->local_port) == 0;
}

void conn_announce(const struct conn *c, struct proxy_header *ret)
{
	uint16_t port = c->local_port;
	struct addr local = c->local;

	ret->announced = c->has_local || sock_local(c->stream.watch.fd, &local, &port) == 0;
	ret->source = c->client;
	ret->source_port = c->client_port;
	ret->destination = local;
	ret->destination_port = port;
}

void conn_accept(struct listener *l, int fd, const struct addr *peer, uint16_t port)
{
	enum announce_verdict verdict;
	struct conn *c = NULL;

	if (l->n_conns < l->conf.max_connections)
		c = calloc(1, sizeof(*c));
	if (!c) {
		metric_add(METRIC_CONNECTIONS_REFUSED, 1);
		close(fd);
		return;
	}
	c->gateway = l->gateway;
	c->listener = l;
	verdict = announce_judge(c, peer);
	if (verdict == ANNOUNCE_REFUSE) {
		announce_refused(l, peer, "not from a proxy that is trusted");
		close(fd);
		free(c);
		return;
	}
	c->timer.on_due = on_timer;
	c->work.run = on_work;
	c->release.run = on_release;
	note_local(c, fd);
	if (open_stream(c, fd, peer, port, verdict == ANNOUNCE_AWAIT)) {
		metric_add(METRIC_CONNECTIONS_REFUSED, 1);
		free(c);
		return;
	}
	link_conn(c);
	conn_timer(c, announce_waits(c) ? l->conf.proxy_protocol.timeout_ms
					: l->conf.handshake_timeout_ms);
}

void conn_close_idle(struct gateway *g, const struct listener *l)
{
	for (struct conn *c = g->conns; c; c = c->next) {
		if (l && c->listener != l)
			continue;
		if (c->state == CONN_HANDSHAKE && !tcp_info(c).tcpi_bytes_received) {
			c->hurried = true;
			conn_timer(c, last_ms(c, c->listener->conf.handshake_timeout_ms));
		}
		if (c->state == CONN_H2)
			conn_h2_drain(c);
		if (c->state != CONN_IDLE || buf_len(&c->stream.in))
			continue;
		if (l && c->served)
			conn_finish(c);
		else
			conn_timer(c, idle_ms(c));
	}
}

/* What it serves is over. */
static void abort_all(struct conn *c)
{
	if (c->exchange)
		exchange_abort(c->exchange, TERMINATION_SHUTDOWN);
	conn_h2_abort(c, TERMINATION_SHUTDOWN);
}

/* Its timer runs since it is idle. */
static bool is_idle_for(const struct conn *c, uint64_t ms)
{
	const uint64_t now_ms = loop_now_ns(c->gateway->env.loop) / NS_PER_MS;
	const uint64_t left = c->timer.due_ms > now_ms ? c->timer.due_ms - now_ms : 0;

	const bool idle =
		c->state == CONN_IDLE || (c->state == CONN_H2 && c->h2->wait == CONN_H2_IDLE);

	return idle && timer_running(&c->timer) && !buf_len(&c->stream.in) &&
	       !buf_len(&c->stream.out) && left + ms <= c->listener->conf.idle_timeout_ms;
}

uint32_t conn_close_idle_longer(struct gateway *g, uint32_t halved)
{
	uint32_t n = 0;

	for (struct conn *c = g->conns; c; c = c->next) {
		if (!is_idle_for(c, c->listener->conf.idle_timeout_ms >> halved))
			continue;
		if (c->state == CONN_H2)
			conn_h2_drain(c);
		else
			conn_finish(c);
		n++;
	}
	return n;
}

uint32_t conn_cut_all(struct gateway *g)
{
	uint32_t n = 0;

	for (struct conn *c = g->conns; c; c = c->next) {
		n += c->state != CONN_CLOSING && c->state != CONN_CLOSED;
		abort_all(c);
		conn_close(c, false);
	}
	return n;
}

void conn_free_all(struct gateway *g)
{
	struct conn *next;

	for (struct conn *c = g->conns; c; c = next) {
		next = c->next;
		abort_all(c);
		conn_close(c, false);
		loop_undefer(&c->release);
		release(c);
	}
}
