/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "access_log.h"
#include "attempt.h"
#include "base/clock.h"
#include "base/metric.h"
#include "exchange.h"
#include "forward.h"
#include "relay.h"
#include "respond.h"

static uint64_t splitmix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* A version 4 UUID (RFC 9562) by a generator seeded once: unique, not secret. */
static void make_id(struct gateway *g, char id[EXCHANGE_ID_LEN + 1])
{
	uint64_t n = g->n_requests++;
	uint64_t a = splitmix(g->request_id_seed[0] + n), b = splitmix(g->request_id_seed[1] ^ n);

	snprintf(id, EXCHANGE_ID_LEN + 1, "%08x-%04x-4%03x-%04x-%012llx", (unsigned int)(a >> 32),
		 (unsigned int)(a >> 16) & 0xffff, (unsigned int)a & 0xfff,
		 0x8000 | ((unsigned int)(b >> 48) & 0x3fff),
		 (unsigned long long)(b & 0xffffffffffffULL));
}

static void on_timer(struct timer *t)
{
	struct exchange *x = container_of(t, struct exchange, timer);

	switch (x->state) {
	case EXCHANGE_TUNNEL:
		exchange_abort(x, TERMINATION_TUNNEL_IDLE);
		break;
	case EXCHANGE_ANSWERING:
		metric_add(METRIC_TIMEOUTS_UPSTREAM, 1);
		exchange_abort(x, TERMINATION_UPSTREAM_STALLED);
		break;
	default:
		metric_add(METRIC_TIMEOUTS_UPSTREAM, 1);
		exchange_fail(x, TERMINATION_RESPONSE_TIMEOUT, 0, NULL);
		break;
	}
}

struct exchange *exchange_new(struct conn *c)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->gateway = c->gateway;
	x->conn = c;
	x->snapshot = snapshot_ref(c->listener->removed ? c->listener->last : c->gateway->current);
	x->timer.on_due = on_timer;
	x->begin_ns = clock_now_ns();
	buf_init(&x->head, (size_t)c->listener->conf.max_header_bytes + EXCHANGE_HEAD_ADDED);
	make_id(c->gateway, x->id);
	return x;
}

static void count(const struct exchange *x)
{
	struct metric_route *row;
	uint32_t id;

	if (!x->route)
		return;
	id = x->route->stat_id < METRIC_STAT_IDS ? x->route->stat_id : METRIC_STAT_OTHER;
	row = &metric_page->route[id];
	if (x->status >= 100 && x->status < 600)
		metric_add_to(&row->responses[x->status / 100 - 1], 1);
	metric_add_to(&row->bytes_in, x->bytes_in);
	metric_add_to(&row->bytes_out, x->bytes_out);
	metric_observe_us(row, (clock_now_ns() - x->begin_ns) / 1000);
}

void exchange_end(struct exchange *x, bool keep, const struct h1_body *body)
{
	struct gateway *g = x->gateway;

	if (x->state == EXCHANGE_ENDED)
		return;
	x->state = EXCHANGE_ENDED;
	timer_stop(&x->timer);
	if (x->up)
		upstream_conn_close(x->up);
	x->up = NULL;
	count(x);
	access_log_write(x);
	conn_exchange_done(x->conn, keep, body);
	x->next = g->ended;
	g->ended = x;
	loop_defer(g->env.loop, &g->reap);
}

void exchange_reap(struct deferred *d)
{
	struct gateway *g = container_of(d, struct gateway, reap);
	struct exchange *x;

	while ((x = g->ended)) {
		g->ended = x->next;
		buf_clear(&x->head);
		free(x->text);
		snapshot_unref(x->snapshot);
		free(x);
	}
}

void exchange_finish(struct exchange *x)
{
	/* an endpoint that answered before it had read all would take the rest for a request */
	if (x->request_done && !x->up_closes) {
		upstream_conn_put(x->up);
		x->up = NULL;
	}
	exchange_end(x, x->keep_alive && x->request_done, NULL);
}

void exchange_abort(struct exchange *x, enum termination end)
{
	struct conn *c = x->conn;
	bool cut = exchange_answered(x) && x->until_close;

	if (x->state == EXCHANGE_ENDED)
		return;
	x->end = end;
	if (cut || end == TERMINATION_CLIENT_GONE || end == TERMINATION_CLIENT_STALLED) {
		conn_close(c, cut);
	}
	exchange_end(x, false, NULL);
}

void exchange_fail(struct exchange *x, enum termination end, unsigned int status,
		   const char *detail)
{
	if (x->state == EXCHANGE_ENDED)
		return;
	if (exchange_answered(x))
		exchange_abort(x, end);
	else
		respond_problem(x, end, status, detail);
}

int exchange_write_client(struct exchange *x, const struct buf *b)
{
	int err = stream_write(&x->conn->stream, buf_head(b), buf_len(b));

	if (!err)
		x->bytes_out += buf_len(b);
	return err;
}

/* Is it the client that everything waits for? */
static bool waits_for_client(const struct exchange *x)
{
	if (x->conn->stream.write_full)
		return true;
	if (x->request_done || x->request_broken || x->expect)
		return false;
	return (x->state == EXCHANGE_ASKED || x->state == EXCHANGE_ANSWERING) &&
	       !x->up->stream.write_full;
}

/* 0: the endpoint has no deadline now. */
static uint64_t upstream_deadline_ms(const struct exchange *x)
{
	const struct conf_cluster *cluster = ((struct cluster *)x->route->cluster)->conf;
	uint64_t idle_ms = x->conn->listener->conf.idle_timeout_ms;
	bool its_turn =
		x->request_done || x->request_broken || x->expect || x->up->stream.write_full;

	switch (x->state) {
	case EXCHANGE_ASKED:
		return its_turn ? cluster->response_timeout_ms : 0;
	case EXCHANGE_ANSWERING:
		if (x->conn->stream.write_full)
			return 0;
		/* fall through */
	case EXCHANGE_TUNNEL:
		return idle_ms > cluster->response_timeout_ms ? idle_ms
							      : cluster->response_timeout_ms;
	default:
		return 0; /* connecting: the connection's own */
	}
}

void exchange_rearm(struct exchange *x)
{
	struct conn *c = x->conn;
	uint64_t ms;

	if (x->state == EXCHANGE_ENDED)
		return;
	if (x->state != EXCHANGE_TUNNEL && waits_for_client(x))
		conn_timer(c, c->listener->conf.body_timeout_ms);
	else
		timer_stop(&c->timer);
	ms = x->up ? upstream_deadline_ms(x) : 0;
	if (ms)
		timer_start(x->gateway->env.loop, &x->timer, ms);
	else
		timer_stop(&x->timer);
}

void exchange_client_readable(struct exchange *x)
{
	if (x->state == EXCHANGE_TUNNEL)
		tunnel_pump(x);
	else if (!x->request_done) /* else: a pipelined request, for later */
		relay_request(x);
}

void exchange_client_writable(struct exchange *x)
{
	if (x->state == EXCHANGE_TUNNEL)
		tunnel_pump(x);
	else
		relay_response(x);
}

void exchange_client_end(struct exchange *x, int err)
{
	if (!err && x->state == EXCHANGE_TUNNEL) {
		tunnel_pump(x);
		return;
	}
	exchange_abort(x, TERMINATION_CLIENT_GONE);
}

void exchange_client_slow(struct exchange *x)
{
	struct conn *c = x->conn;

	if (c->stream.write_full && c->stream.bytes_out != c->timer_out_mark) {
		conn_timer(c, c->listener->conf.body_timeout_ms);
		return;
	}
	metric_add(METRIC_TIMEOUTS_CLIENT, 1);
	if (c->stream.write_full) {
		exchange_abort(x, TERMINATION_CLIENT_STALLED);
		return;
	}
	x->request_broken = true;
	exchange_fail(x, TERMINATION_CLIENT_TIMEOUT, 0, NULL);
}
