/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf_pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "conn.h"
#include "exchange.h"
#include "gateway_state.h"
#include "listener.h"
#include "snapshot.h"

#define RETIRE_END_MS  2000 /* of drain_timeout: idle connections are closed in order by then */
#define LINE_MAX_BYTES 8000 /* of the access log: what base/log takes */

/* Connections on which a consumer was served are open: say so again, twice per nat_memory. */
static void on_presence_due(struct timer *t)
{
	struct gateway *g = container_of(t, struct gateway, presence_timer);
	uint32_t now_s = (uint32_t)(loop_now_ns(g->env.loop) / NS_PER_S);
	uint64_t every_ms = 1000;

	for (struct conn *c = g->conns; c; c = c->next) {
		if (c->state != CONN_CLOSED)
			conn_stamp(c, now_s);
	}
	if (g->current)
		every_ms = g->current->conf->pushdown.nat_memory_ms / 3;
	timer_start(g->env.loop, &g->presence_timer, every_ms ? every_ms : 1);
}

static void on_drained(struct deferred *d)
{
	struct gateway *g = container_of(d, struct gateway, drained);

	if (!g->draining || g->n_conns)
		return;
	timer_stop(&g->drain_timer);
	timer_stop(&g->retire_timer);
	log_info("drain.end", LOG_U64("finished", g->drain_conns - g->drain_cut),
		 LOG_U64("cut", g->drain_cut),
		 LOG_U64("duration_ms", (clock_now_ns() - g->drain_begin_ns) / NS_PER_MS));
	if (g->on_drained)
		g->on_drained(g->drained_ctx);
}

static void on_drain_due(struct timer *t)
{
	struct gateway *g = container_of(t, struct gateway, drain_timer);

	g->drain_cut = conn_cut_all(g);
}

static void on_retire_due(struct timer *t)
{
	struct gateway *g = container_of(t, struct gateway, retire_timer);

	gateway_drain(g, g->on_drained, g->drained_ctx);
	timer_start(g->env.loop, &g->drain_timer, RETIRE_END_MS);
}

static void seed_ids(struct gateway *g)
{
	if (getrandom(g->request_id_seed, sizeof(g->request_id_seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(g->request_id_seed)) {
		g->request_id_seed[0] = clock_now_ns();
		g->request_id_seed[1] = clock_wall_ns();
	}
}

int gateway_new(const struct gateway_env *env, struct gateway **ret)
{
	struct gateway *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	g->env = *env;
	g->reap.run = exchange_reap;
	g->drained.run = on_drained;
	g->drain_timer.on_due = on_drain_due;
	g->retire_timer.on_due = on_retire_due;
	g->presence_timer.on_due = on_presence_due;
	buf_pool_open();
	buf_init(&g->scratch, GATEWAY_HEAD_MAX);
	buf_init(&g->line, LINE_MAX_BYTES);
	presence_init(&g->presence, env->presence);
	overload_start(g);
	seed_ids(g);
	err = upstream_new(env->loop, &g->upstream);
	if (!err)
		err = tls_cache_new(&g->tls);
	if (err) {
		if (g->upstream)
			upstream_free(g->upstream);
		overload_stop(g);
		free(g);
		return err;
	}
	*ret = g;
	return 0;
}

void gateway_free(struct gateway *g)
{
	struct listener *l;

	if (!g)
		return;
	timer_stop(&g->presence_timer);
	timer_stop(&g->drain_timer);
	timer_stop(&g->retire_timer);
	overload_stop(g);
	conn_free_all(g);
	loop_undefer(&g->drained);
	loop_undefer(&g->reap);
	exchange_reap(&g->reap);
	while ((l = g->listeners)) {
		g->listeners = l->next;
		listener_close(l);
		listener_unref(l);
	}
	if (g->current)
		snapshot_unref(g->current);
	upstream_free(g->upstream);
	tls_cache_unref(g->tls);
	buf_clear(&g->scratch);
	buf_clear(&g->line);
	buf_pool_close();
	free(g);
}

int gateway_apply(struct gateway *g, const struct gateway_revision *r, struct errmsg *err)
{
	struct listener_plan plan;
	struct snapshot *s;
	int code = snapshot_new(g, r, &s, err);

	if (code)
		return code;
	code = listeners_prepare(g, r, &plan, err);
	if (code) {
		snapshot_discard(s);
		return code;
	}
	/* from here on nothing fails */
	listeners_commit(g, r->conf, &plan);
	snapshot_install(s);
	presence_set_memory(&g->presence, r->conf->pushdown.nat_memory_ms);
	on_presence_due(&g->presence_timer);
	return 0;
}

uint64_t gateway_revision(const struct gateway *g)
{
	return g->current ? g->current->number : 0;
}

const struct tls_cache_counts *gateway_tls_counts(const struct gateway *g)
{
	return tls_cache_counts(g->tls);
}

uint64_t gateway_oldest_revision(const struct gateway *g)
{
	return g->oldest ? g->oldest->number : 0;
}

/* Of a drain: no new connection, and the last answer of each that there is. */
static void stop_accepting(struct gateway *g, void (*on_drained_fn)(void *ctx), void *ctx)
{
	if (!g->draining) {
		g->drain_begin_ns = clock_now_ns();
		g->drain_conns = g->n_conns;
	}
	g->draining = true;
	g->on_drained = on_drained_fn;
	g->drained_ctx = ctx;
	for (struct listener *l = g->listeners; l; l = l->next)
		listener_close(l);
	upstream_drain(g->upstream);
	if (!g->n_conns)
		loop_defer(g->env.loop, &g->drained);
}

void gateway_drain(struct gateway *g, void (*on_drained_fn)(void *ctx), void *ctx)
{
	timer_stop(&g->retire_timer);
	stop_accepting(g, on_drained_fn, ctx);
	if (g->current)
		timer_start(g->env.loop, &g->drain_timer, g->current->conf->agent.drain_timeout_ms);
	conn_close_idle(g, NULL);
}

void gateway_retire(struct gateway *g, void (*on_drained_fn)(void *ctx), void *ctx)
{
	const uint64_t ms = g->current ? g->current->conf->agent.drain_timeout_ms : 0;

	stop_accepting(g, on_drained_fn, ctx);
	timer_start(g->env.loop, &g->retire_timer, ms > RETIRE_END_MS ? ms - RETIRE_END_MS : 0);
}

uint32_t gateway_connections(const struct gateway *g)
{
	return g->n_conns;
}

uint32_t gateway_overload(const struct gateway *g)
{
	return g->overload.level;
}
