/* SPDX-License-Identifier: BSD-2-Clause */
#include "health_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "net/sock.h"
#include "net/stream.h"

#define IN_MAX_BYTES	 (32U << 10) /* more than a head, so that one always fits */
#define OUT_MAX_BYTES	 (4U << 10)  /* the request: a host and a path */
#define DATAGRAM_BYTES	 4096
#define STALL_MS	 20 /* that the loop is late by: it was held up, and with it the probe */
#define DATAGRAMS_A_TURN 16 /* that answer nothing: a peer must not keep the loop busy */

struct health_probe {
	struct loop *loop;
	const struct health_check *check;
	struct addr addr; /* the backend's */
	uint16_t port;
	bool has_way;
	struct health_way way;
	health_probe_done *done;
	void *ctx;
	struct timer timer;
	bool extended;		/* its timeout, by what the loop was late */
	struct deferred finish; /* tells and frees: nothing of the probe is on the stack then */
	uint64_t begun_ns;
	enum health_result result;
	uint64_t latency_us;
	struct errmsg why;
	struct stream stream; /* all types but those over UDP */
	struct health_http http;
	struct watch watch; /* those */
	uint8_t query[HEALTH_DNS_MAX_BYTES];
	size_t query_len;
};

static bool is_udp(const struct health_probe *p)
{
	return p->check->type == CONF_HEALTH_UDP || p->check->type == CONF_HEALTH_DNS;
}

static bool is_http(const struct health_probe *p)
{
	return p->check->type == CONF_HEALTH_HTTP || p->check->type == CONF_HEALTH_HTTPS;
}

static void probe_close(struct health_probe *p)
{
	timer_stop(&p->timer);
	if (!is_udp(p)) {
		stream_close(&p->stream);
	} else if (p->watch.fd >= 0) {
		loop_del(p->loop, &p->watch);
		close(p->watch.fd);
		p->watch.fd = -1;
	}
	health_http_clear(&p->http);
}

static void on_finish(struct deferred *d)
{
	struct health_probe *p = container_of(d, struct health_probe, finish);
	health_probe_done *done = p->done;
	const enum health_result result = p->result;
	const uint64_t latency_us = p->latency_us;
	struct errmsg why = p->why;
	void *ctx = p->ctx;

	free(p);
	done(ctx, result, why.text, latency_us);
}

/* The one end of a probe; why is set where it did not pass. */
static void end(struct health_probe *p, enum health_result result)
{
	if (p->finish.queued)
		return;
	p->result = result;
	p->latency_us = (clock_now_ns() - p->begun_ns) / 1000;
	probe_close(p);
	loop_defer(p->loop, &p->finish);
}

/* What connect(2), send(2) or recv(2) said. */
static void end_errno(struct health_probe *p, int err)
{
	errmsg_set(&p->why, 0, "%s", strerror(-err));
	switch (err) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -EPIPE:
		end(p, HEALTH_REFUSED);
		return;
	case -ETIMEDOUT:
		end(p, HEALTH_TIMEOUT);
		return;
	}
	end(p, HEALTH_FAILED);
}

static void on_due(struct timer *t)
{
	struct health_probe *p = container_of(t, struct health_probe, timer);
	const uint64_t late_ms = loop_now_ns(p->loop) / NS_PER_MS - t->due_ms;

	/* An agent that did not get the CPU must not take every backend down for it. */
	if (late_ms > STALL_MS && !p->extended) {
		p->extended = true;
		timer_start(p->loop, t,
			    late_ms < p->check->timeout_ms ? late_ms : p->check->timeout_ms);
		return;
	}
	errmsg_set(&p->why, 0, "no answer within %llu ms",
		   (unsigned long long)p->check->timeout_ms);
	end(p, HEALTH_TIMEOUT);
}

static const char *host_of(const struct health_probe *p, char text[ADDR_TEXT_MAX])
{
	return p->check->host ? p->check->host : addr_format(&p->addr, text);
}

/* RFC 9110 s7.2: the port is part of Host where it is not the scheme's; an IPv6 address in brackets. */
static int write_request(struct health_probe *p)
{
	const struct health_check *c = p->check;
	const uint16_t usual = c->type == CONF_HEALTH_HTTPS ? 443 : 80;
	char request[OUT_MAX_BYTES], address[ADDR_TEXT_MAX], port[8] = "";
	const char *host = host_of(p, address);
	const bool bracket = strchr(host, ':') && host[0] != '[';
	int n;

	if (p->port != usual)
		snprintf(port, sizeof(port), ":%u", p->port);
	n = snprintf(request, sizeof(request),
		     "GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: sluice-health\r\n"
		     "Accept: */*\r\nConnection: close\r\n\r\n",
		     c->path, bracket ? "[" : "", host, bracket ? "]" : "", port);
	if (n < 0 || (size_t)n >= sizeof(request))
		return -ENOSPC;
	return stream_write(&p->stream, request, (size_t)n);
}

static void on_open(struct stream *s)
{
	struct health_probe *p = container_of(s, struct health_probe, stream);
	int err;

	if (!is_http(p)) {
		end(p, HEALTH_PASS);
		return;
	}
	err = write_request(p);
	if (err)
		end_errno(p, err);
}

static void on_readable(struct stream *s)
{
	struct health_probe *p = container_of(s, struct health_probe, stream);
	size_t used;
	int ret;

	do {
		ret = health_http_feed(&p->http, buf_head(&s->in), buf_len(&s->in), &used, &p->why);
		buf_consume(&s->in, used);
	} while (!ret && used && buf_len(&s->in));
	if (ret)
		end(p, ret > 0 ? HEALTH_PASS : HEALTH_ANSWER);
}

static void on_end(struct stream *s, int err)
{
	struct health_probe *p = container_of(s, struct health_probe, stream);
	struct tls_info info;

	if (!err) { /* in order, or so it says */
		(void)health_http_end(&p->http, &p->why);
		end(p, HEALTH_ANSWER);
	} else if (err == -EPROTO || err == -ECONNABORTED) {
		tls_info(s, &info);
		errmsg_set(&p->why, 0, "TLS: %s",
			   info.failure ? info.failure
					: "closed within the handshake or an answer");
		end(p, HEALTH_TLS);
	} else {
		end_errno(p, err);
	}
}

static const struct stream_events events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_end = on_end,
};

static const struct addr *target_of(const struct health_probe *p)
{
	return p->has_way ? &p->way.addr : &p->addr;
}

static const struct sock_way *way_of(const struct health_probe *p)
{
	return p->has_way ? &p->way.by : NULL;
}

static int start_tcp(struct health_probe *p)
{
	int fd = sock_connect_by(target_of(p), p->port, way_of(p)), err;
	char text[ADDR_TEXT_MAX];

	if (fd < 0)
		return fd;
	err = stream_open(&p->stream, p->loop, fd, &events, IN_MAX_BYTES, OUT_MAX_BYTES, true);
	if (!err && p->check->type == CONF_HEALTH_HTTPS) {
		err = tls_connect(&p->stream, p->check->tls, host_of(p, text), NULL);
		if (err)
			stream_close(&p->stream);
	}
	return err;
}

/* 1: that is it; 0: not for us; -EPROTO. */
static int check_datagram(struct health_probe *p, const uint8_t *data, size_t n)
{
	const struct health_check *c = p->check;

	if (c->type == CONF_HEALTH_DNS)
		return health_dns_check(p->query, p->query_len, data, n, c->rcode, &p->why);
	if (n >= c->expect_len && memcmp(data, c->expect, c->expect_len) == 0)
		return 1;
	return errmsg_set(&p->why, -EPROTO, "the answer of %zu bytes begins otherwise", n);
}

static void on_datagram(struct watch *w, uint32_t what)
{
	struct health_probe *p = container_of(w, struct health_probe, watch);
	uint8_t data[DATAGRAM_BYTES];

	(void)what;
	/* Edge-triggered: what is left after a turn of noise comes with the next datagram, or never. */
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		ssize_t n = recv(w->fd, data, sizeof(data), 0);
		int ret;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			end_errno(p, -errno);
			return;
		}
		ret = check_datagram(p, data, (size_t)n);
		if (ret) {
			end(p, ret > 0 ? HEALTH_PASS : HEALTH_ANSWER);
			return;
		}
	}
}

static int send_datagram(struct health_probe *p)
{
	const struct health_check *c = p->check;
	const bool dns = c->type == CONF_HEALTH_DNS;

	if (send(p->watch.fd, dns ? p->query : c->send, dns ? p->query_len : c->send_len, 0) >= 0)
		return 0;
	return -errno;
}

static int start_udp(struct health_probe *p)
{
	const struct health_check *c = p->check;
	uint16_t id;
	int n, err;

	if (c->type == CONF_HEALTH_DNS) {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return -EIO;
		n = health_dns_encode(id, c->query, c->record, p->query);
		if (n < 0)
			return n;
		p->query_len = (size_t)n;
	}
	p->watch.fd = sock_connect_udp_by(target_of(p), p->port, way_of(p));
	if (p->watch.fd < 0)
		return p->watch.fd;
	err = loop_add(p->loop, &p->watch);
	if (!err) {
		err = send_datagram(p);
		if (err)
			loop_del(p->loop, &p->watch);
	}
	if (err)
		close(p->watch.fd);
	return err;
}

int health_probe_start(struct loop *l, const struct health_check *check, const struct addr *addr,
		       uint16_t port, const struct health_way *way, health_probe_done *done,
		       void *ctx, struct health_probe **ret)
{
	struct health_probe *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->loop = l;
	p->check = check;
	p->addr = *addr;
	p->port = port;
	p->has_way = way != NULL;
	if (way)
		p->way = *way;
	p->done = done;
	p->ctx = ctx;
	p->timer.on_due = on_due;
	p->finish.run = on_finish;
	p->watch = (struct watch) { .fd = -1, .on_event = on_datagram };
	p->begun_ns = clock_now_ns();
	health_http_init(&p->http, &check->http);
	err = is_udp(p) ? start_udp(p) : start_tcp(p);
	if (err) {
		free(p);
		return err;
	}
	timer_start(l, &p->timer, check->timeout_ms);
	*ret = p;
	return 0;
}

void health_probe_cancel(struct health_probe *p)
{
	if (p->finish.queued)
		loop_undefer(&p->finish);
	else
		probe_close(p);
	free(p);
}
