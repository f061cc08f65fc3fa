/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

	a = (a & ~0xf000ULL) | 0x4000;	      /* the version */
	b = (b & ~(3ULL << 62)) | 1ULL << 63; /* the variant */
	for (int i = 0, digit = 0; i < EXCHANGE_ID_LEN; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			id[i] = '-';
			continue;
		}
		id[i] = "0123456789abcdef"[(digit < 16 ? a : b) >> (60 - 4 * (digit & 15)) & 15];
		digit++;
	}
	id[EXCHANGE_ID_LEN] = '\0';
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
		if (exchange_try_over(x))
			exchange_try_late(x);
		else
			exchange_fail(x, TERMINATION_RESPONSE_TIMEOUT, 0, NULL);
		break;
	}
}

struct exchange *exchange_new(struct conn *c)
{
	struct exchange *x = malloc(sizeof(*x)); /* by its quick list, which calloc has none of */

	if (!x)
		return NULL;
	*x = (struct exchange) {
		.gateway = c->gateway,
		.conn = c,
		.timer = { .on_due = on_timer },
		.begin_ns = clock_now_ns(),
	};
	x->snapshot = snapshot_ref(c->listener->removed ? c->listener->last : c->gateway->current);
	buf_init(&x->head, (size_t)c->listener->conf.max_header_bytes + EXCHANGE_HEAD_ADDED);
	buf_init(&x->request_trailers, H1_TRAILERS_MAX);
	buf_init(&x->response_trailers, H1_TRAILERS_MAX);
	make_id(c->gateway, x->id);
	return x;
}

void exchange_facts(const struct exchange *x, struct exchange_facts *ret)
{
	if (x->kept) {
		*ret = *x->kept;
		return;
	}
	*ret = (struct exchange_facts) { .logged = x->snapshot->conf->agent.access_log };
	if (x->route) {
		const struct cluster *cluster = x->route->cluster;

		ret->route = x->route->conf->name;
		ret->cluster = x->route->conf->cluster;
		ret->route_stat_id = x->route->stat_id;
		ret->response_timeout_ms = cluster->conf->response_timeout_ms;
		ret->tunnel_timeout_ms = cluster->conf->tunnel_timeout_ms;
	}
	if (x->consumer)
		ret->consumer = x->consumer->conf->name;
}

/* The text behind `at`; NULL stays NULL. */
static const char *keep_text(char **at, const char *text)
{
	size_t n = text ? strlen(text) + 1 : 0;
	char *copy = *at;

	if (!text)
		return NULL;
	memcpy(copy, text, n);
	*at += n;
	return copy;
}

void exchange_let_go(struct exchange *x)
{
	struct exchange_facts f, *kept;
	char *at;

	if (x->kept)
		return;
	exchange_facts(x, &f);
	kept = malloc(sizeof(f) + 3 * (CONF_NAME_MAX + 1));
	if (!kept)
		return;
	at = (char *)(kept + 1);
	f.route = keep_text(&at, f.route);
	f.cluster = keep_text(&at, f.cluster);
	f.consumer = keep_text(&at, f.consumer);
	*kept = f;
	x->kept = kept;
	x->route = NULL;
	x->consumer = NULL;
	x->nearest = NULL;
	snapshot_unref(x->snapshot);
	x->snapshot = NULL;
}

static void count(const struct exchange *x)
{
	struct exchange_facts f;
	struct metric_route *row;

	exchange_facts(x, &f);
	if (!f.route)
		return;
	row = &metric_page->route[f.route_stat_id < METRIC_STAT_IDS ? f.route_stat_id
								    : METRIC_STAT_OTHER];
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
	timer_stop(&x->deadline);
	if (x->up)
		upstream_conn_close(x->up);
	x->up = NULL;
	count(x);
	access_log_write(x);
	x->client.ops->done(x, keep, body);
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
		buf_clear(&x->request_trailers);
		buf_clear(&x->response_trailers);
		free(x->text);
		free(x->kept);
		if (x->snapshot)
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
	exchange_end(x, x->keep_alive && !x->request_broken,
		     x->request_done ? NULL : &x->request_body);
}

void exchange_abort(struct exchange *x, enum termination end)
{
	if (x->state == EXCHANGE_ENDED)
		return;
	x->end = end;
	x->client.ops->cut(x, end);
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

int exchange_write_client(struct exchange *x, struct buf *b, enum client_piece piece)
{
	size_t n = buf_len(b);
	int err = x->client.ops->write(x, b, piece);

	if (!err)
		x->bytes_out += n;
	return err;
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
	if (err)
		exchange_abort(x, TERMINATION_CLIENT_GONE);
	else if (x->state == EXCHANGE_TUNNEL)
		tunnel_pump(x);
	else if (!x->request_done) /* else: it may still read, and is owed its response */
		relay_request_ended(x);
}
