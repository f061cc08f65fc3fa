/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/metric.h"
#include "http/h1/write.h"
#include "relay.h"

static const struct upstream_events events;

static struct cluster *cluster_of(const struct exchange *x)
{
	return x->route->cluster;
}

static struct metric_cluster *metrics_of(const struct exchange *x)
{
	uint32_t id = cluster_of(x)->stat_id;

	return &metric_page->cluster[id < METRIC_STAT_IDS ? id : METRIC_STAT_OTHER];
}

static void send_head(struct exchange *x)
{
	struct buf *out = &x->up->stream.out;
	size_t want = buf_len(&x->head) + EXCHANGE_PIECE_MIN + H1_CHUNK_OVERHEAD;

	/* the listener may allow heads that are larger than what bodies need */
	if (out->max_bytes < want)
		out->max_bytes = want;
	x->state = EXCHANGE_ASKED;
	x->timed = EXCHANGE_NEW; /* each attempt has its own time */
	x->response_scanned = 0;
	x->asked_ns = clock_now_ns();
	stream_write(&x->up->stream, buf_head(&x->head), buf_len(&x->head));
	relay_request(x);
	if (x->state == EXCHANGE_ASKED)
		exchange_rearm(x);
}

static void give_up(struct exchange *x, int err, bool connected)
{
	enum termination end = TERMINATION_CONNECT_FAILED;

	metric_add_to(&metrics_of(x)->failures, 1);
	if (connected) {
		metric_add(METRIC_UPSTREAM_RESETS, 1);
		end = TERMINATION_UPSTREAM_RESET;
	} else if (err == -ETIMEDOUT) {
		metric_add(METRIC_TIMEOUTS_UPSTREAM, 1);
		end = TERMINATION_CONNECT_TIMEOUT;
	} else if (err == -ENOBUFS) {
		end = TERMINATION_OVERFLOW;
	} else if (err == UPSTREAM_ERR_CERTIFICATE) {
		end = TERMINATION_UPSTREAM_CERTIFICATE;
	} else if (err == UPSTREAM_ERR_TLS) {
		end = TERMINATION_UPSTREAM_TLS;
	} else if (!x->pool) {
		end = TERMINATION_NO_ENDPOINT;
	} else if (err == -EMFILE || err == -ENFILE || err == -ENOMEM) {
		end = TERMINATION_INTERNAL;
	}
	exchange_fail(x, end, 0, NULL);
}

/* The request's host without port and brackets, in lower case; empty: none, or longer than any is. */
static void copy_host(const struct exchange *x, char to[CONF_HOST_MAX + 1])
{
	struct str host = x->host;
	const char *end;

	to[0] = '\0';
	if (!cluster_of(x)->tls || !cluster_of(x)->tls->name_from_request || !host.len)
		return;
	if (host.ptr[0] == '[') {
		host = (struct str) { host.ptr + 1, host.len - 1 };
		end = memchr(host.ptr, ']', host.len);
	} else {
		end = memchr(host.ptr, ':', host.len);
	}
	if (end)
		host.len = (size_t)(end - host.ptr);
	if (host.len > CONF_HOST_MAX)
		return;
	for (size_t i = 0; i < host.len; i++)
		to[i] = (char)tolower((unsigned char)host.ptr[i]);
	to[host.len] = '\0';
}

/*
 * Choose an endpoint and ask it. again: ask this one once more, by a new connection.
 * 0, or the errno of why not; -ENOBUFS, -EHOSTUNREACH: the next attempt would fare the same.
 */
static int ask(struct exchange *x, struct pool *again)
{
	struct proxy_header client = { .version = cluster_of(x)->conf->proxy_protocol };
	char host[CONF_HOST_MAX + 1];
	const struct upstream_whose whose = { .host = host,
					      .client = client.version ? &client : NULL };
	struct pool *pool = again;
	int err = again ? 0 : cluster_pick(cluster_of(x), x->pool, &pool);

	if (err)
		return err;
	x->pool = pool;
	copy_host(x, host);
	if (client.version)
		conn_announce(x->conn, &client);
	return upstream_conn_get_for(pool, &whose, again != NULL, &events, x, &x->up);
}

static bool is_final(const struct exchange *x, int err)
{
	return err == -ENOBUFS || err == -EMFILE || err == -ENFILE || err == -ENOMEM || !x->pool;
}

static void try_endpoints(struct exchange *x, struct pool *again)
{
	exchange_begin_try(x);
	for (;;) {
		int err = ask(x, again);

		if (!err)
			break;
		again = NULL;
		if (is_final(x, err) || x->tries + 1 >= EXCHANGE_TRIES_MAX ||
		    !cluster_take_retry(cluster_of(x))) {
			give_up(x, err, false);
			return;
		}
		x->tries++;
		metric_add(METRIC_UPSTREAM_RETRIES, 1);
	}
	x->state = EXCHANGE_CONNECTING;
	if (x->up->connected)
		send_head(x);
	else if (x->try_due_ns)
		exchange_rearm(x);
}

void exchange_start(struct exchange *x)
{
	cluster_count_request(cluster_of(x));
	metric_add_to(&metrics_of(x)->requests, 1);
	exchange_begin_total(x);
	try_endpoints(x, NULL);
}

bool attempt_may_repeat(const struct exchange *x, const struct upstream_conn *up)
{
	if (exchange_answered(x) || upstream_conn_answered(up) || x->interim)
		return false;
	if (x->body_sent || !buf_len(&x->head))
		return false;
	return up->stream.bytes_out == up->lent_out || http_method_idempotent(x->method);
}

void exchange_upstream_lost(struct exchange *x, int err)
{
	struct upstream_conn *up = x->up;
	bool may = attempt_may_repeat(x, up), connected = up->connected;
	bool stale = connected && up->reused && !x->retried_stale;

	upstream_conn_close(up);
	x->up = NULL;
	timer_stop(&x->timer);
	if (may && stale) { /* it was closed while we thought it open: nobody's failure */
		x->retried_stale = true;
		metric_add(METRIC_UPSTREAM_RETRIES, 1);
		try_endpoints(x, x->pool);
		return;
	}
	if (!may || x->tries + 1 >= EXCHANGE_TRIES_MAX || !cluster_take_retry(cluster_of(x))) {
		give_up(x, err, connected);
		return;
	}
	x->tries++;
	metric_add(METRIC_UPSTREAM_RETRIES, 1);
	try_endpoints(x, NULL);
}

void exchange_try_late(struct exchange *x)
{
	struct upstream_conn *up = x->up;
	bool may = attempt_may_repeat(x, up), connected = up->connected;

	if (!connected)
		pool_connect_failed(up->pool);
	upstream_conn_close(up);
	x->up = NULL;
	if (!may || x->tries + 1 >= EXCHANGE_TRIES_MAX || !cluster_take_retry(cluster_of(x))) {
		metric_add_to(&metrics_of(x)->failures, 1);
		exchange_fail(
			x, connected ? TERMINATION_RESPONSE_TIMEOUT : TERMINATION_CONNECT_TIMEOUT,
			0, NULL);
		return;
	}
	x->tries++;
	metric_add(METRIC_UPSTREAM_RETRIES, 1);
	try_endpoints(x, NULL);
}

static void on_open(struct upstream_conn *c)
{
	send_head(c->owner);
}

static void on_readable(struct upstream_conn *c)
{
	struct exchange *x = c->owner;

	if (x->state == EXCHANGE_TUNNEL)
		tunnel_pump(x);
	else
		relay_response(x);
}

static void on_writable(struct upstream_conn *c)
{
	struct exchange *x = c->owner;

	if (x->state == EXCHANGE_TUNNEL)
		tunnel_pump(x);
	else
		relay_request(x);
}

static void on_end(struct upstream_conn *c, int err)
{
	struct exchange *x = c->owner;

	if (x->state == EXCHANGE_CONNECTING)
		exchange_upstream_lost(x, err);
	else if (x->state != EXCHANGE_TUNNEL)
		relay_response(x); /* what came before the end, and then the end */
	else if (err)
		exchange_abort(x, TERMINATION_UPSTREAM_RESET);
	else
		tunnel_pump(x);
}

static const struct upstream_events events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_writable = on_writable,
	.on_end = on_end,
};
