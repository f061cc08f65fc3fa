/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of one vip: built from its settings, and what all of its backends' states add up to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "health_set.h"
#include "sluice/abi/vip.h"

#define FIRST_WITHIN_MS 1000 /* a backend that gets nothing is looked at soon */

static int read_client(const struct conf_health *conf, const struct health_source *source,
		       struct tls_client **ret, struct errmsg *err)
{
	CLEANUP_FREE char *text = NULL;
	struct errmsg why = { "" };
	size_t len = 0;
	int code = conf->verify && conf->ca ? source->read(conf->ca, &text, &len, err) : 0;

	if (code)
		return code;
	code = tls_client_new(conf->verify, text, len, ret, &why);
	return code ? errmsg_set(err, code, "%s: %s", text ? conf->ca : "https", why.text) : 0;
}

void health_check_files(const struct conf *conf, const struct health_source *source,
			struct conf_errors *errors)
{
	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_health *c = &conf->vips[i].health;
		struct tls_client *client = NULL;
		struct errmsg err = { "" };

		if (c->type == CONF_HEALTH_HTTPS && read_client(c, source, &client, &err))
			conf_errors_add(errors, c->ca_place.line, c->ca_place.column,
					"vips[%s].health.ca: %s",
					conf->vips[i].name ? conf->vips[i].name : "?", err.text);
		tls_client_unref(client);
	}
}

void health_vip_clear(struct health_vip *v)
{
	if (v->check)
		health_check_clear(v->check);
	free(v->check);
	free(v->name);
	free(v->targets);
}

bool health_vip_is_slow(const struct health_vip *v)
{
	for (size_t i = 0; i < v->n_targets; i++)
		if (v->targets[i]->state.status == HEALTH_UP && v->targets[i]->state.slow)
			return true;
	return false;
}

/*
 * Those that failed together are the last ones: within the time in which a backend's failure is
 * noticed of each other. Who fails of the same cause at the same time is noticed so far apart.
 */
static uint64_t last_ones_ms(const struct health_vip *v)
{
	const uint64_t longest_ms = v->interval_ms * (100U + v->jitter_percent) / 100;

	return v->rules.fall * longest_ms + v->check->timeout_ms;
}

/* When the last of them failed; 0: one of them is up, or none ever was. */
static uint64_t all_down_since(struct health_vip *v, uint64_t now_ms)
{
	uint64_t last_ms = 0;

	for (size_t i = 0; i < v->n_targets; i++) {
		struct health_target *t = v->targets[i];

		if (!t->eligible)
			continue;
		if (health_state_share(&t->state, &v->rules, now_ms))
			return 0;
		if (t->state.status == HEALTH_DOWN && t->state.lost_share &&
		    t->state.changed_ms > last_ms)
			last_ms = t->state.changed_ms;
	}
	return last_ms;
}

void health_vip_share(struct health_vip *v, bool all)
{
	const struct health_events *events = v->n_targets ? &v->targets[0]->set->events : NULL;
	uint64_t now_ms = v->n_targets ? health_now_ms(v->targets[0]->set) : 0, last_ms = 0;

	if (v->all_down == CONF_ALL_DOWN_LAST_KNOWN)
		last_ms = all_down_since(v, now_ms);
	for (size_t i = 0; i < v->n_targets; i++) {
		struct health_target *t = v->targets[i];
		const struct health_state *s = &t->state;
		uint32_t share = health_state_share(&t->state, &v->rules, now_ms);

		t->held = last_ms && s->status == HEALTH_DOWN && s->lost_share &&
			  s->changed_ms + last_ones_ms(v) >= last_ms;
		if (t->held)
			share = s->lost_share;
		if (share == t->share && !all)
			continue;
		t->share = share;
		events->on_share(events->ctx, v->index, i, share);
	}
}

/* Where the backend is probed: where the vip's packets come to it, unless the check says otherwise. */
static uint16_t port_of(const struct conf_vip *v, const struct conf_backend *b)
{
	if (v->health.port)
		return v->health.port;
	return v->mode == BACKEND_NAT && b->port ? b->port : v->port;
}

static bool is_target(const struct health_target *t, const struct addr *a, uint16_t port)
{
	return !t->taken && t->port == port && addr_eq(&t->addr, a);
}

static struct health_target *find_target(struct health_vip *v, const struct addr *a, uint16_t port)
{
	for (size_t i = 0; v && i < v->n_targets; i++)
		if (is_target(v->targets[i], a, port))
			return v->targets[i];
	return NULL;
}

static int init_targets(struct health *h, const struct conf_vip *conf, struct health_vip *old,
			struct health_vip *v)
{
	v->targets = calloc(conf->n_backends + 1, sizeof(v->targets[0]));
	if (!v->targets)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_backends; i++) {
		const struct addr *a = &conf->backends[i].address;
		const uint16_t port = port_of(conf, &conf->backends[i]);
		/* Most lists change little: look in the same place first. */
		struct health_target *t =
			old && i < old->n_targets && is_target(old->targets[i], a, port)
				? old->targets[i]
				: find_target(old, a, port);

		if (t) {
			t->taken = true;
		} else {
			t = calloc(1, sizeof(*t));
			if (!t)
				return -ENOMEM;
			t->set = h;
			t->addr = *a;
			t->port = port;
		}
		v->targets[v->n_targets++] = t;
	}
	return 0;
}

int health_vip_init(struct health *h, const struct conf_vip *conf, size_t index,
		    struct health_vip *old, const struct health_source *source,
		    struct health_vip *ret, struct errmsg *warning)
{
	const struct conf_health *c = &conf->health;
	struct tls_client *client = NULL;
	struct health_vip v = {
		.old = old,
		.name = strdup(conf->name),
		.index = index,
		.check = calloc(1, sizeof(*v.check)),
		.rules = { c->rise, c->fall, conf->slow_start_ms },
		.interval_ms = c->interval_ms,
		.jitter_percent = c->jitter_percent,
		.all_down = conf->all_down,
	};
	struct errmsg why = { "" };
	int err = v.name && v.check ? 0 : -ENOMEM;

	v.blind = c->type == CONF_HEALTH_HTTPS && read_client(c, source, &client, &why);
	if (v.blind)
		errmsg_set(warning, 0, "vip %s: %.300s", conf->name, why.text);
	if (!err)
		err = health_check_init(c, client, v.check);
	tls_client_unref(client);
	if (!err)
		err = init_targets(h, conf, old, &v);
	if (!err) {
		*ret = v;
		return 0;
	}
	for (size_t i = 0; i < v.n_targets; i++)
		if (!v.targets[i]->taken)
			health_target_free(v.targets[i]);
	health_vip_clear(&v);
	return err;
}

/* The old object stays, for probes on their way refer to it; the authorities are the new ones. */
static void keep_check(struct health_vip *v, struct health_vip *old)
{
	struct health_check *made = v->check;
	struct tls_client *client = made->tls;

	v->check = old->check;
	old->check = made;
	if (v->blind) {
		v->blind = old->blind;
		return;
	}
	made->tls = v->check->tls;
	v->check->tls = client;
}

/* Nobody has judged it by these checks: it keeps what it has until they have. */
static void begin_target(struct health_vip *v, struct health_target *t, uint32_t share)
{
	health_target_stop(t);
	health_state_init(&t->state, share, health_now_ms(t->set));
	t->error[0] = '\0';
	if (!v->blind)
		health_target_start(t, share || v->interval_ms < FIRST_WITHIN_MS ? v->interval_ms
										 : FIRST_WITHIN_MS);
}

void health_vip_begin(struct health_vip *v, const struct conf_vip *conf,
		      const struct health_source *source)
{
	struct health_vip *old = v->old;
	const bool same = old && health_check_same(old->check, v->check);
	const bool timed = same && !old->blind && old->interval_ms == v->interval_ms;

	v->old = NULL;
	if (same)
		keep_check(v, old);
	for (size_t i = 0; i < v->n_targets; i++) {
		struct health_target *t = v->targets[i];
		const bool known = same && t->taken;

		t->vip = v;
		t->index = i;
		t->eligible = conf->backends[i].weight && !conf->backends[i].drain_by;
		if (!known)
			begin_target(v, t, source->share(source->ctx, v->index, i));
		else if (!timed && !t->probe && !t->waiting && !v->blind)
			health_target_start(t, v->interval_ms);
	}
}
