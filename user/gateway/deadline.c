/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is waited for in an exchange, and for how long. No deadline is begun anew by a byte now and
 * then: a client owes a minimum rate, an endpoint the whole head of its response.
 */
#include "base/clock.h"
#include "base/metric.h"
#include "exchange.h"
#include "respond.h"

/* Is it the client that everything waits for? */
static bool waits_for_client(const struct exchange *x)
{
	if (x->state == EXCHANGE_TUNNEL)
		return false;
	if (*x->client.full)
		return true;
	if (x->request_done || x->request_broken || x->expect || x->client.ops->holds(x))
		return false;
	return (x->state == EXCHANGE_ASKED || x->state == EXCHANGE_ANSWERING) &&
	       !x->up->stream.write_full;
}

static uint64_t now_of(const struct exchange *x)
{
	return loop_now_ns(x->gateway->env.loop);
}

static uint64_t period_ns(const struct exchange *x)
{
	return x->conn->listener->conf.body_timeout_ms * NS_PER_MS;
}

static uint64_t waited_ns(const struct exchange *x)
{
	const struct exchange_pace *p = &x->pace;

	return p->waited_ns + (p->waits ? now_of(x) - p->since_ns : 0);
}

/* A period is body_timeout of waiting; what else passes in between is not counted. */
static void note_wait(struct exchange *x)
{
	struct exchange_pace *p = &x->pace;
	bool waits = waits_for_client(x);

	if (waits && !p->begun) {
		*p = (struct exchange_pace) { .begun = true, .in_mark = x->bytes_in };
	} else if (p->waits && !waits) {
		p->waited_ns = waited_ns(x);
	}
	if (waits && !p->waits)
		p->since_ns = now_of(x);
	p->waits = waits;
	if (*x->client.full && !p->taken_known && waits) {
		x->client.ops->mark(x, &p->mark);
		p->taken_known = true;
	}
}

/* Bytes that it moved in this period, either way. */
static uint64_t moved(const struct exchange *x)
{
	const struct exchange_pace *p = &x->pace;
	uint64_t n = x->bytes_in - p->in_mark;

	return p->taken_known ? n + x->client.ops->taken(x, &p->mark) : n;
}

static bool is_fast_enough(const struct exchange *x)
{
	uint64_t owed = conn_bytes_owed(x->conn->listener->conf.body_timeout_ms);

	return moved(x) >= owed;
}

/* UINT64_MAX: there is no such deadline. */
static uint64_t body_due_ns(const struct exchange *x)
{
	uint64_t total_ms = x->conn->listener->conf.body_total_timeout_ms;

	if (!total_ms || x->request_done || x->request_broken || x->state == EXCHANGE_TUNNEL)
		return UINT64_MAX;
	return x->begin_ns + total_ms * NS_PER_MS;
}

static void time_client(struct exchange *x)
{
	uint64_t now = now_of(x), due = body_due_ns(x), waited;

	note_wait(x);
	if (x->pace.waits) {
		waited = waited_ns(x);
		waited = waited < period_ns(x) ? period_ns(x) - waited : 0;
		due = now + waited < due ? now + waited : due;
	}
	if (due == UINT64_MAX)
		timer_stop(x->client.timer);
	else /* rounded up: not before it is due */
		timer_start(x->gateway->env.loop, x->client.timer,
			    due > now ? (due - now + NS_PER_MS - 1) / NS_PER_MS : 1);
}

static uint64_t response_timeout_ms(const struct exchange *x)
{
	struct exchange_facts f;

	exchange_facts(x, &f);
	return f.response_timeout_ms;
}

static uint64_t longest_silence_ms(const struct exchange *x)
{
	uint64_t idle_ms = x->conn->listener->conf.idle_timeout_ms;
	uint64_t response_ms = response_timeout_ms(x);

	return idle_ms > response_ms ? idle_ms : response_ms;
}

/* Is it the endpoint's turn, before its response? */
static bool owes_response(const struct exchange *x)
{
	return x->request_done || x->request_broken || x->expect || x->up->stream.write_full;
}

/* 0: the endpoint has no deadline now. *progress: another value begins the time anew. */
static uint64_t endpoint_ms(const struct exchange *x, uint64_t *progress)
{
	struct exchange_facts f;

	switch (x->state) {
	case EXCHANGE_ASKED:
		/* not what it sends: only a whole head counts */
		*progress = x->bytes_in << 1 | owes_response(x);
		return owes_response(x) ? response_timeout_ms(x) : 0;
	case EXCHANGE_ANSWERING:
		*progress = x->up->stream.bytes_in;
		return *x->client.full ? 0 : longest_silence_ms(x);
	case EXCHANGE_TUNNEL:
		*progress = x->bytes_in + x->bytes_out;
		exchange_facts(x, &f);
		return f.tunnel_timeout_ms;
	default:
		return 0; /* connecting: the connection's own */
	}
}

bool exchange_try_over(const struct exchange *x)
{
	/* timers are due by whole milliseconds */
	return x->up && x->try_due_ns && now_of(x) + NS_PER_MS > x->try_due_ns;
}

/* What is left of the attempt's own time; 0: it has none. */
static uint64_t try_left_ms(const struct exchange *x)
{
	if (!x->try_due_ns || exchange_answered(x))
		return 0;
	return exchange_try_over(x) ? 1 : (x->try_due_ns - now_of(x)) / NS_PER_MS + 1;
}

static void on_deadline(struct timer *t)
{
	struct exchange *x = container_of(t, struct exchange, deadline);

	metric_add(METRIC_TIMEOUTS_UPSTREAM, 1);
	exchange_fail(x, TERMINATION_DEADLINE, 0, NULL);
}

void exchange_begin_total(struct exchange *x)
{
	x->deadline.on_due = on_deadline;
	if (x->route->conf->timeout_ms)
		timer_start(x->gateway->env.loop, &x->deadline, x->route->conf->timeout_ms);
}

void exchange_begin_try(struct exchange *x)
{
	const struct cluster *cluster = x->route->cluster;
	uint64_t ms = cluster->conf->try_timeout_ms;

	x->timed = EXCHANGE_NEW;
	x->try_due_ns = ms ? now_of(x) + ms * NS_PER_MS : 0;
}

static void time_endpoint(struct exchange *x)
{
	uint64_t progress = 0, ms = x->up ? endpoint_ms(x, &progress) : 0;
	uint64_t left = x->up ? try_left_ms(x) : 0;

	if (left && (!ms || left < ms))
		ms = left;
	if (!ms) {
		timer_stop(&x->timer);
		x->timed = EXCHANGE_NEW;
		return;
	}
	if (x->timed == x->state && x->timed_progress == progress)
		return; /* its time is running */
	x->timed = x->state;
	x->timed_progress = progress;
	timer_start(x->gateway->env.loop, &x->timer, ms);
}

void exchange_rearm(struct exchange *x)
{
	if (x->state == EXCHANGE_ENDED)
		return;
	time_client(x);
	time_endpoint(x);
}

void exchange_client_slow(struct exchange *x)
{
	struct exchange_pace *p = &x->pace;
	bool late = now_of(x) >= body_due_ns(x), stalled = *x->client.full;

	note_wait(x);
	if (!late && (!p->waits || waited_ns(x) < period_ns(x))) {
		time_client(x); /* something changed meanwhile */
		return;
	}
	if (!late && is_fast_enough(x)) {
		*p = (struct exchange_pace) { .begun = false };
		time_client(x);
		return;
	}
	metric_add(METRIC_TIMEOUTS_CLIENT, 1);
	if (stalled && !late) {
		exchange_abort(x, TERMINATION_CLIENT_STALLED);
		return;
	}
	x->request_broken = true;
	exchange_fail(x, TERMINATION_CLIENT_TIMEOUT, 0, NULL);
}
