/* SPDX-License-Identifier: BSD-2-Clause */
#include "health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "health_set.h"

#define STEP_MS 1000 /* of slow starts: a ring is rebuilt for them at most so often */

uint64_t health_now_ms(const struct health *h)
{
	return loop_now_ns(h->loop) / NS_PER_MS;
}

/* SplitMix64: spreads probes, and keeps no secret. */
static uint64_t random_below(struct health *h, uint64_t n)
{
	uint64_t x = h->random += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return n ? x % n : 0;
}

/* From the beginning of one probe to that of the next. */
static uint64_t next_interval_ms(struct health_target *t)
{
	const struct health_vip *v = t->vip;
	uint64_t jitter_ms = v->interval_ms * v->jitter_percent / 100;

	return v->interval_ms - jitter_ms + random_below(t->set, 2 * jitter_ms + 1);
}

static void run_waiting(struct health *h);

static void note(struct health_target *t, enum health_result result, const char *why,
		 uint64_t latency_us)
{
	struct health *h = t->set;
	struct health_vip *v = t->vip;
	const bool pass = result == HEALTH_PASS;
	uint64_t due_ms = t->begun_ms + next_interval_ms(t), now_ms = health_now_ms(h);

	t->probes[result]++;
	t->latency_us = latency_us;
	if (!pass)
		snprintf(t->error, sizeof(t->error), "%s", why);
	timer_start(h->loop, &t->timer, due_ms > now_ms ? due_ms - now_ms : 0);
	if (health_state_note(&t->state, &v->rules, pass, now_ms)) {
		t->transitions++;
		h->events.on_change(h->events.ctx, v->index, t->index, pass, t->error);
		health_vip_share(v, false);
		if (t->state.slow && !timer_running(&h->step))
			timer_start(h->loop, &h->step, STEP_MS);
	}
}

static void on_done(void *ctx, enum health_result result, const char *why, uint64_t latency_us)
{
	struct health_target *t = ctx;
	struct health *h = t->set;

	t->probe = NULL;
	h->n_running--;
	note(t, result, why, latency_us);
	run_waiting(h);
}

static void on_failed(struct deferred *d)
{
	struct health_target *t = container_of(d, struct health_target, failed);
	const bool refused = t->failed_errno == -ENETUNREACH || t->failed_errno == -EHOSTUNREACH ||
			     t->failed_errno == -ECONNREFUSED;

	note(t, refused ? HEALTH_REFUSED : HEALTH_FAILED, strerror(-t->failed_errno), 0);
}

static void begin(struct health_target *t)
{
	const struct health_way *by = NULL;
	struct health *h = t->set;
	struct health_way way;
	int err;

	t->begun_ms = health_now_ms(h);
	if (h->events.way && h->events.way(h->events.ctx, t->vip->index, t->index, &way))
		by = &way;
	err = health_probe_start(h->loop, t->vip->check, &t->addr, t->port, by, on_done, t,
				 &t->probe);
	if (!err) {
		h->n_running++;
		return;
	}
	t->failed_errno = err;
	loop_defer(h->loop, &t->failed);
}

static void run_waiting(struct health *h)
{
	while (h->waiting && h->n_running < HEALTH_PROBES_MAX) {
		struct health_target *t = h->waiting;

		h->waiting = t->next;
		if (!h->waiting)
			h->waiting_end = &h->waiting;
		t->waiting = false;
		begin(t);
	}
}

static void stop_waiting(struct health_target *t)
{
	struct health *h = t->set;
	struct health_target **p = &h->waiting;

	if (!t->waiting)
		return;
	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	if (h->waiting_end == &t->next)
		h->waiting_end = p;
	t->waiting = false;
}

static void on_due(struct timer *timer)
{
	struct health_target *t = container_of(timer, struct health_target, timer);
	struct health *h = t->set;

	if (h->n_running < HEALTH_PROBES_MAX && !h->waiting) {
		begin(t);
		return;
	}
	h->delayed++;
	t->waiting = true;
	t->next = NULL;
	*h->waiting_end = t;
	h->waiting_end = &t->next;
}

void health_target_start(struct health_target *t, uint64_t within_ms)
{
	t->timer.on_due = on_due;
	t->failed.run = on_failed;
	timer_start(t->set->loop, &t->timer, random_below(t->set, within_ms));
}

void health_target_stop(struct health_target *t)
{
	timer_stop(&t->timer);
	loop_undefer(&t->failed);
	stop_waiting(t);
	if (t->probe) {
		health_probe_cancel(t->probe);
		t->set->n_running--;
	}
	t->probe = NULL;
}

void health_target_free(struct health_target *t)
{
	health_target_stop(t);
	free(t);
}

static void on_step(struct timer *timer)
{
	struct health *h = container_of(timer, struct health, step);
	bool again = false;

	for (size_t i = 0; i < h->n_vips; i++) {
		if (!health_vip_is_slow(&h->vips[i]))
			continue;
		health_vip_share(&h->vips[i], false);
		again = true;
	}
	if (again)
		timer_start(h->loop, timer, STEP_MS);
}

int health_new(struct loop *l, const struct health_events *events, struct health **ret)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->loop = l;
	h->events = *events;
	h->waiting_end = &h->waiting;
	h->step.on_due = on_step;
	if (getrandom(&h->random, sizeof(h->random), 0) != sizeof(h->random)) {
		free(h);
		return -EIO;
	}
	*ret = h;
	return 0;
}

/* all: also of targets that another configuration has taken. */
static void free_vips(struct health_vip *vips, size_t n, bool all)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < vips[i].n_targets; j++)
			if (all || !vips[i].targets[j]->taken)
				health_target_free(vips[i].targets[j]);
		health_vip_clear(&vips[i]);
	}
	free(vips);
}

void health_free(struct health *h)
{
	if (!h)
		return;
	timer_stop(&h->step);
	free_vips(h->vips, h->n_vips, true);
	free(h->place);
	free(h);
}

static struct health_vip *find_vip(struct health *h, const char *name)
{
	for (size_t i = 0; i < h->n_vips; i++)
		if (strcmp(h->vips[i].name, name) == 0)
			return &h->vips[i];
	return NULL;
}

/* Nothing that runs is changed but for marks, which undo takes off. */
static int build(struct health *h, const struct conf *conf, const struct health_source *source,
		 struct health_vip *vips, size_t *ret_n, size_t *place, struct errmsg *warning)
{
	int err = 0;

	for (size_t i = 0; i < conf->n_vips && !err; i++) {
		const struct conf_vip *v = &conf->vips[i];

		place[i] = SIZE_MAX;
		if (!v->health.type)
			continue;
		err = health_vip_init(h, v, i, find_vip(h, v->name), source, &vips[*ret_n],
				      warning);
		if (!err)
			place[i] = (*ret_n)++;
	}
	return err;
}

/* What was made for a configuration that does not come: new targets go, taken ones stay. */
static void undo(struct health *h, struct health_vip *vips, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < vips[i].n_targets; j++)
			if (!vips[i].targets[j]->taken)
				health_target_free(vips[i].targets[j]);
		health_vip_clear(&vips[i]);
	}
	free(vips);
	for (size_t i = 0; i < h->n_vips; i++)
		for (size_t j = 0; j < h->vips[i].n_targets; j++)
			h->vips[i].targets[j]->taken = false;
}

int health_apply(struct health *h, const struct conf *conf, const struct health_source *source,
		 struct errmsg *warning)
{
	struct health_vip *vips = calloc(conf->n_vips + 1, sizeof(*vips)), *old = h->vips;
	size_t *place = calloc(conf->n_vips + 1, sizeof(*place)), n = 0, n_old = h->n_vips;
	int err = vips && place ? 0 : -ENOMEM;

	warning->text[0] = '\0';
	if (!err)
		err = build(h, conf, source, vips, &n, place, warning);
	if (err) {
		undo(h, vips, n);
		free(place);
		return err;
	}
	for (size_t i = 0; i < n; i++)
		health_vip_begin(&vips[i], &conf->vips[vips[i].index], source);
	free_vips(old, n_old, false);
	free(h->place);
	h->vips = vips;
	h->n_vips = n;
	h->place = place;
	h->n_places = conf->n_vips;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < vips[i].n_targets; j++)
			vips[i].targets[j]->taken = false;
	for (size_t i = 0; i < n; i++)
		health_vip_share(&vips[i], true);
	if (!timer_running(&h->step))
		timer_start(h->loop, &h->step, STEP_MS);
	return 0;
}

bool health_get(const struct health *h, size_t vip, size_t backend, struct health_info *ret)
{
	const size_t at = vip < h->n_places ? h->place[vip] : SIZE_MAX;
	const struct health_vip *v = at != SIZE_MAX ? &h->vips[at] : NULL;
	const struct health_target *t = v && backend < v->n_targets ? v->targets[backend] : NULL;

	if (!t)
		return false;
	*ret = (struct health_info) {
		.status = t->state.status,
		.slow = t->state.status == HEALTH_UP && t->state.slow,
		.held = t->held,
		.share = t->share,
		.passed = t->state.passed,
		.failed = t->state.failed,
		.flaps = t->state.flaps,
		.rise = health_state_rise(&t->state, &v->rules),
		.changed_ms = t->state.changed_ms,
		.latency_us = t->latency_us,
		.error = t->error,
		.transitions = t->transitions,
	};
	memcpy(ret->probes, t->probes, sizeof(ret->probes));
	return true;
}

uint64_t health_delayed(const struct health *h)
{
	return h->delayed;
}

size_t health_running(const struct health *h)
{
	return h->n_running;
}
