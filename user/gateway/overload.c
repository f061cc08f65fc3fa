/* SPDX-License-Identifier: BSD-2-Clause */
#include "overload.h"

#include <malloc.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "conn.h"
#include "gateway_state.h"
#include "snapshot.h"

#define CALM_TICKS 4 /* at a lower level before it is believed */
#define HALVED_MAX 16
#define KEPT_FILES 1000U /* of the descriptors: for endpoints, and what the process itself has */

enum cause { CAUSE_CONNECTIONS, CAUSE_MEMORY, CAUSE_LAG };
static const char *const cause_names[] = { "connections", "memory", "lag" };

static const char *const level_names[OVERLOAD_LEVELS] = { "none", "idle", "accept", "shed" };

const char *overload_name(enum overload_level level)
{
	return level < OVERLOAD_LEVELS ? level_names[level] : "?";
}

static uint64_t memory_now(const struct gateway *g)
{
	return g->env.memory_bytes ? g->env.memory_bytes(g->env.ctx) : mallinfo2().uordblks;
}

/* Half of the descriptors where there are few. 0: nobody said how many. */
static uint64_t descriptors(const struct gateway *g)
{
	const uint64_t n = g->env.descriptors;

	return n > 2 * (uint64_t)KEPT_FILES ? n - KEPT_FILES : n / 2;
}

static uint64_t mille(uint64_t n, uint64_t of)
{
	return of ? n * 1000 / of : 0; /* 0: not limited */
}

static enum overload_level level_of(uint64_t m, enum cause cause)
{
	if (m >= OVERLOAD_SHED_MILLE && cause != CAUSE_CONNECTIONS)
		return OVERLOAD_SHED;
	if (m >= (cause == CAUSE_LAG ? OVERLOAD_LAG_ACCEPT_MILLE : OVERLOAD_ACCEPT_MILLE))
		return OVERLOAD_ACCEPT;
	return m >= OVERLOAD_IDLE_MILLE && cause != CAUSE_LAG ? OVERLOAD_IDLE : OVERLOAD_NONE;
}

struct load {
	uint64_t memory, lag_ns;
	enum overload_level level;
	enum cause cause;
};

static struct load measure(struct gateway *g)
{
	const struct conf_agent *c = &g->current->conf->agent;
	const struct overload *o = &g->overload;
	struct load load = {
		.memory = memory_now(g),
		/* one late turn may be the machine's fault, two are ours */
		.lag_ns = o->lag_ns < o->last_lag_ns ? o->lag_ns : o->last_lag_ns,
	};
	const uint64_t used[] = {
		[CAUSE_CONNECTIONS] = mille(
			g->n_conns, c->worker_connections ? c->worker_connections : descriptors(g)),
		[CAUSE_MEMORY] = mille(load.memory, c->worker_memory),
		[CAUSE_LAG] = mille(load.lag_ns, c->worker_lag_ms * NS_PER_MS),
	};

	for (enum cause i = CAUSE_CONNECTIONS; i <= CAUSE_LAG; i++) {
		enum overload_level level = level_of(used[i], i);

		if (level > load.level) {
			load.level = level;
			load.cause = i;
		}
	}
	return load;
}

/* Up at once, down one by one. */
static void move_to(struct gateway *g, const struct load *load)
{
	struct overload *o = &g->overload;
	const enum overload_level before = o->level;

	o->calm = load->level < o->level ? o->calm + 1 : 0;
	if (load->level > o->level) {
		o->level = load->level;
	} else if (o->calm >= CALM_TICKS) {
		o->level--;
		o->calm = 0;
	}
	if (o->level == before)
		return;
	log_warn("overload.level", LOG_STR("level", overload_name(o->level)),
		 LOG_STR("cause", o->level > before ? cause_names[load->cause] : "over"),
		 LOG_U64("connections", g->n_conns), LOG_U64("memory_bytes", load->memory),
		 LOG_U64("lag_ms", load->lag_ns / NS_PER_MS));
}

/* The time that connections may be idle is halved with each tick, until it is enough. */
static void close_idle(struct gateway *g, const struct load *load)
{
	struct overload *o = &g->overload;

	if (load->level < OVERLOAD_IDLE || load->cause == CAUSE_LAG) {
		o->halved = 0;
		return;
	}
	if (o->halved < HALVED_MAX)
		o->halved++;
	metric_add(METRIC_OVERLOAD_IDLE_CLOSED, conn_close_idle_longer(g, o->halved));
}

static void on_tick(struct timer *t)
{
	struct gateway *g = container_of(t, struct gateway, overload.tick);
	struct overload *o = &g->overload;
	const uint64_t now_ns = loop_now_ns(g->env.loop);

	o->last_lag_ns = o->lag_ns;
	o->lag_ns = now_ns > o->due_ns ? now_ns - o->due_ns : 0;
	if (g->current) {
		struct load load = measure(g);

		move_to(g, &load);
		close_idle(g, &load);
	}
	o->due_ns = now_ns + OVERLOAD_TICK_MS * NS_PER_MS;
	timer_start(g->env.loop, t, OVERLOAD_TICK_MS);
}

void overload_start(struct gateway *g)
{
	struct overload *o = &g->overload;

	o->tick.on_due = on_tick;
	o->due_ns = loop_now_ns(g->env.loop) + OVERLOAD_TICK_MS * NS_PER_MS;
	timer_start(g->env.loop, &o->tick, OVERLOAD_TICK_MS);
}

void overload_stop(struct gateway *g)
{
	timer_stop(&g->overload.tick);
}
