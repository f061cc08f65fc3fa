/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header is looked at where it lies in the socket (MSG_PEEK) and taken when it is whole, so what
 * follows is the next filter's from its first byte, however the bytes were cut on their way.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "announce.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "net/proxy_header.h"
#include "snapshot.h"

#define LOG_EVERY_NS NS_PER_S

struct announce {
	struct stream_filter filter;
	struct tls_context *tls; /* counted; NULL: clear text */
	bool required;
};

static const struct stream_filter_ops ops;
static uint8_t space[PROXY_HEADER_MAX]; /* in use within one call only */

static struct conn *conn_of(struct stream *s)
{
	return container_of(s, struct conn, stream);
}

static struct announce *announce_of(const struct stream *s)
{
	return container_of(s->filter, struct announce, filter);
}

void announce_refused(struct listener *l, const struct addr *peer, const char *why)
{
	uint64_t now_ns = loop_now_ns(l->gateway->env.loop);
	char text[ADDR_TEXT_MAX];

	metric_add(METRIC_PROXY_REFUSED, 1);
	l->proxy_unlogged++;
	if (l->proxy_logged_ns && now_ns - l->proxy_logged_ns < LOG_EVERY_NS)
		return;
	log_warn("proxy_protocol.refused", LOG_STR("listener", l->name),
		 LOG_STR("peer", addr_format(peer, text)), LOG_STR("reason", why),
		 LOG_U64("connections", l->proxy_unlogged));
	l->proxy_logged_ns = now_ns;
	l->proxy_unlogged = 0;
}

enum announce_verdict announce_judge(struct conn *c, const struct addr *peer)
{
	const struct conf *conf = c->gateway->current->conf;
	const struct conf_proxy_in *p = &conf->listeners[c->listener->index].proxy_protocol;

	for (size_t i = 0; i < p->n_from; i++) {
		if (prefix_contains(&p->from[i], peer)) {
			c->from_proxy = true;
			return ANNOUNCE_AWAIT;
		}
	}
	return p->n_from && p->others == CONF_PROXY_REFUSE ? ANNOUNCE_REFUSE : ANNOUNCE_NONE;
}

bool announce_waits(const struct conn *c)
{
	return c->stream.filter && c->stream.filter->ops == &ops;
}

static int refuse(struct stream *s, const char *why)
{
	announce_refused(conn_of(s)->listener, &s->peer, why);
	return -EPROTO;
}

/* The wait is over: what is below the stream now does its own handshake. */
static int go_on(struct stream *s)
{
	struct announce *a = announce_of(s);
	struct tls_context *tls = a->tls;
	int err = 0;

	s->filter = NULL;
	free(a);
	conn_timer(conn_of(s), conn_of(s)->listener->conf.handshake_timeout_ms);
	if (tls) {
		err = tls_accept(s, tls);
		tls_context_unref(tls);
	}
	return err || !s->filter ? err : s->filter->ops->handshake(s);
}

static void take_addresses(struct conn *c, const struct proxy_header *h)
{
	c->announced = h->announced;
	if (!h->announced)
		return;
	metric_add(METRIC_PROXY_ANNOUNCED, 1);
	c->client = h->source;
	c->client_port = h->source_port;
	c->local = h->destination;
	c->local_port = h->destination_port;
	c->has_local = true;
}

/* It was seen there: the kernel gives all of it. */
static bool take_bytes(struct stream *s, size_t n)
{
	while (n) {
		ssize_t got = recv(s->watch.fd, space, n, 0);

		if (got <= 0 && !(got < 0 && errno == EINTR))
			return false;
		n -= got > 0 ? (size_t)got : 0;
	}
	return true;
}

static int wait_for_more(struct stream *s, ssize_t have)
{
	if (!s->hup)
		return -EAGAIN;
	/* one that connects to see that we listen, and closes, did nothing wrong */
	return have > 0 ? refuse(s, "the header is cut short") : -ECONNABORTED;
}

static int on_handshake(struct stream *s)
{
	struct proxy_header h;
	const char *why = "";
	ssize_t have;
	int n;

	do {
		have = recv(s->watch.fd, space, sizeof(space), MSG_PEEK);
	} while (have < 0 && errno == EINTR);
	if (have < 0)
		return errno == EAGAIN ? wait_for_more(s, 0) : -errno;
	if (have == 0)
		return -ECONNABORTED;
	n = proxy_header_decode(space, (size_t)have, &h, &why);
	if (n == -EAGAIN)
		return wait_for_more(s, have);
	if (n == -ENOENT)
		return announce_of(s)->required ? refuse(s, "there is no header") : go_on(s);
	if (n < 0)
		return refuse(s, why);
	if (!take_bytes(s, (size_t)n))
		return -ECONNABORTED;
	take_addresses(conn_of(s), &h);
	return go_on(s);
}

static int on_nothing(struct stream *s)
{
	(void)s;
	return 0;
}

static void on_free(struct stream *s)
{
	struct announce *a = announce_of(s);

	tls_context_unref(a->tls);
	free(a);
}

/* The stream opens behind on_handshake, when another filter or none is in its place. */
static const struct stream_filter_ops ops = {
	.handshake = on_handshake,
	.flush = on_nothing,
	.shutdown = on_nothing,
	.free = on_free,
};

int announce_await(struct conn *c, struct tls_context *tls)
{
	const struct conf_listener *conf = &c->listener->conf;
	struct announce *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->filter.ops = &ops;
	a->tls = tls ? tls_context_ref(tls) : NULL;
	a->required = conf->proxy_protocol.required;
	stream_set_filter(&c->stream, &a->filter);
	return 0;
}
