/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change in the order that leaves no gap: what a class is (rates, rows), then which classes packets
 * will meet (sets), then which packets (sources to groups, ports and, by vip_map, vips to services),
 * and last that what is gone has no rates.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "conf/vip_place.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "limit_class.h"
#include "limit_key.h"
#include "limit_map.h"
#include "limit_row.h"
#include "limit_set.h"
#include "sluice/abi/vip.h"
#include "source_table.h"

struct vip_entry {
	char name[CONF_NAME_MAX + 1];
	uint8_t service;
};

/* What the last apply made; the rest is in the maps. */
struct limit_map {
	bool known; /* the last apply was completed */
	bool group_used[LIMIT_GROUPS];
	struct vip_entry *vips;
	size_t n_vips;
};

struct apply {
	struct dataplane *dp;
	const struct conf *conf;
	struct errmsg *err;
	struct limit_compiled *compiled;
	struct limit_rates *rates;  /* by index of the limit */
	bool reused[LIMIT_CLASSES]; /* by class: it was another limit's */
	struct limit_row_want want[LIMIT_CLASSES];
	uint8_t ids[LIMIT_CLASSES]; /* class, by number of the limit */
	uint8_t *vip;		    /* service in force, by index in conf->vips */
	struct limit_live live;
	struct limit_plan plan;
};

static void apply_clear(struct apply *a)
{
	limit_compile_free(a->compiled);
	free(a->rates);
	free(a->vip);
}

static struct limit_state *state_of(struct dataplane *dp)
{
	return pinned_map_mem(dp, "limit_state");
}

/* Which services the vips in force have. */
static int read_vips(struct apply *a)
{
	const struct conf *conf = a->conf;
	CLEANUP_FREE struct vip_key *keys = NULL;
	CLEANUP_FREE struct vip *vips = NULL;
	size_t n = 0;
	int err = pinned_map_read(pinned_map_fd(a->dp, "vips"), (void **)&keys, (void **)&vips, &n);

	for (size_t i = 0; !err && i < n; i++) {
		uint8_t service = (uint8_t)vips[i].service;

		a->live.service_used[service] = true;
		for (size_t j = 0; j < conf->n_vips; j++) {
			const struct vip_key key = vip_place_key(&conf->vips[j]);

			if (memcmp(&key, &keys[i], sizeof(key)) == 0)
				a->vip[j] = service;
		}
	}
	return err;
}

static bool is_zero(const struct limit_set *row)
{
	static const struct limit_set none;

	return memcmp(row, &none, sizeof(none)) == 0;
}

/* After a restart nobody knows which groups sources have: those that mean something. */
static void read_groups(struct apply *a)
{
	const struct limit_map *m = a->dp->limit;

	for (size_t g = 1; g < LIMIT_GROUPS; g++) {
		if (m->known && !m->group_used[g] && !is_zero(&a->live.set[g]))
			memset(&a->live.set[g], 0, sizeof(a->live.set[g]));
		a->live.group_used[g] = m->known ? m->group_used[g] : !is_zero(&a->live.set[g]);
	}
}

/* Against sets that name no limit whose id another is about to take. */
static int plan_beside(struct apply *a, struct limit_set *copy)
{
	struct limit_live live = a->live;

	memcpy(copy, a->live.set, LIMIT_GROUPS * sizeof(*copy));
	for (size_t id = 1; id < LIMIT_CLASSES; id++)
		if (a->reused[id])
			limit_set_forget(copy, (uint8_t)id);
	live.set = copy;
	return limit_set_plan(a->compiled, a->conf->n_vips, a->ids, &live, &a->plan, a->err);
}

static int make_plan(struct apply *a)
{
	CLEANUP_FREE struct limit_set *copy = calloc(LIMIT_GROUPS, sizeof(*copy));
	int err = copy ? read_vips(a) : -ENOMEM;

	if (err)
		return errmsg_set(a->err, err, "cannot read map vips: %s", strerror(-err));
	read_groups(a);
	err = plan_beside(a, copy);
	if (err != -ENOSPC || a->dp->limit->known)
		return err;
	/*
	 * Other limits than those before the restart, and so many that they do not fit beside what
	 * was in force: rather a moment in which a source meets another's than no limits.
	 */
	log_warn("limits.replaced_at_once", LOG_STR("why", a->err->text));
	memset(a->live.group_used, 0, sizeof(a->live.group_used));
	memset(a->live.service_used, 0, sizeof(a->live.service_used));
	memset(a->live.ports, 0, LIMIT_PORT_TABLES * sizeof(*a->live.ports));
	memset(a->vip, 0, a->conf->n_vips);
	return limit_set_plan(a->compiled, a->conf->n_vips, a->ids, &a->live, &a->plan, a->err);
}

/* What rows the limits want, and whether there are as many. */
static int want_rows(struct apply *a)
{
	const struct pinned_map *map = pinned_map_find(a->dp, "limit_rows");

	for (size_t i = 0; i < a->conf->n_limits; i++) {
		const struct conf_limit *l = &a->conf->limits[i];
		bool inert = limit_compile_selector(a->conf, l) == LIMIT_TO_NOTHING;

		a->want[i].limit_class = a->ids[i + 1];
		a->want[i].row_bits = inert || !l->rows ? 0 : 31 - (uint32_t)__builtin_clz(l->rows);
	}
	if (!map || !pinned_map_mem(a->dp, "limit_rows"))
		return errmsg_set(a->err, -ENOMEM, "cannot map limit_rows");
	return limit_row_check(a->want, a->conf->n_limits, map->shape.max_entries, a->err);
}

static int place_rows(struct apply *a)
{
	bool moved;
	int err = limit_row_place(limit_class_all(a->dp), pinned_map_mem(a->dp, "limit_rows"),
				  pinned_map_find(a->dp, "limit_rows")->shape.max_entries, a->want,
				  a->conf->n_limits, &moved, a->err);

	if (!err && moved)
		log_warn("limit.rows_moved",
			 LOG_STR("why", "no piece of dataplane.limit_rows was large enough; "
					"unproven sources begin with full buckets"));
	return err;
}

static int write_sources(struct apply *a)
{
	const struct limit_compiled *c = a->compiled;
	CLEANUP_FREE struct source_group_prefix *want = calloc(c->n_sources + 1, sizeof(*want));
	int err = want ? 0 : -ENOMEM;

	if (!a->dp->source)
		return errmsg_set(a->err, -ENOENT, "the tables of sources are not open");
	for (size_t i = 0; !err && i < c->n_sources; i++) {
		want[i].prefix = c->sources[i].prefix;
		want[i].group = a->plan.group[c->sources[i].group];
	}
	if (!err)
		err = source_table_set_groups(a->dp->source, want, c->n_sources);
	if (err)
		return errmsg_set(a->err, err, "limits: a source cannot be compiled: %s",
				  strerror(-err));
	return source_table_apply(a->dp->source, a->err);
}

static void write_amplifiers(struct limit_amplifier *map, const struct conf_dataplane *conf)
{
	struct limit_amplifier want = { { 0 } };

	for (size_t i = 0; i < conf->n_amplification_ports; i++) {
		uint16_t port = conf->amplification_ports[i];

		want.port[port / 64] |= 1ULL << (port % 64);
	}
	for (size_t i = 0; i < sizeof(want.port) / sizeof(want.port[0]); i++)
		__atomic_store_n(&map->port[i], want.port[i], __ATOMIC_RELAXED);
}

static bool has_concurrent(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_limits; i++)
		if (conf->limits[i].concurrent)
			return true;
	return false;
}

/* Which packets meet what has been written. */
static int write_selectors(struct apply *a)
{
	struct limit_state *state = state_of(a->dp);
	struct limit_amplifier *amplifier = pinned_map_mem(a->dp, "limit_amplifier");

	if (!amplifier)
		return errmsg_set(a->err, -ENOMEM, "cannot map limit_amplifier");
	limit_set_write_ports(a->compiled, &a->plan, a->live.ports);
	__atomic_store_n(&state->has_ports, a->compiled->has_ports, __ATOMIC_RELEASE);
	__atomic_store_n(&state->has_egress, a->compiled->has_egress, __ATOMIC_RELEASE);
	__atomic_store_n(&state->has_concurrent, has_concurrent(a->conf), __ATOMIC_RELEASE);
	write_amplifiers(amplifier, &a->conf->dataplane);
	for (size_t kind = 0; kind < LIMIT_KINDS; kind++)
		__atomic_store_n(&state->kind_class[kind], a->ids[a->compiled->kind[kind]],
				 __ATOMIC_RELEASE);
	return 0;
}

static int remember(struct apply *a)
{
	struct limit_map *m = a->dp->limit;
	struct vip_entry *vips = calloc(a->conf->n_vips + 1, sizeof(*vips));

	if (!vips)
		return errmsg_set(a->err, -ENOMEM, "no memory");
	for (size_t i = 0; i < a->conf->n_vips; i++) {
		snprintf(vips[i].name, sizeof(vips[i].name), "%s", a->conf->vips[i].name);
		vips[i].service = a->plan.service[a->compiled->vip[i]];
	}
	free(m->vips);
	m->vips = vips;
	m->n_vips = a->conf->n_vips;
	return 0;
}

static int open_maps(struct apply *a)
{
	if (!a->dp->limit)
		a->dp->limit = calloc(1, sizeof(*a->dp->limit));
	a->live.set = pinned_map_mem(a->dp, "limit_set");
	a->live.ports = pinned_map_mem(a->dp, "limit_port");
	a->live.vip = a->vip;
	if (!a->dp->limit || !a->live.set || !a->live.ports || !state_of(a->dp) ||
	    !limit_class_all(a->dp))
		return errmsg_set(a->err, -ENOMEM, "cannot map the tables of limits");
	return 0;
}

/* All that can be wrong with the input: nothing is written yet. */
static int prepare(struct apply *a)
{
	struct limit_fault fault;
	int err = open_maps(a);

	if (!err)
		err = limit_class_compile(a->conf->limits, a->conf->n_limits, a->rates, a->err);
	if (!err)
		err = limit_compile(a->conf, &a->compiled, &fault, a->err);
	if (!err)
		err = limit_key_first(state_of(a->dp));
	return err;
}

static int put_in_force(struct apply *a)
{
	struct limit_map *m = a->dp->limit;
	int err = write_sources(a);

	if (!err)
		err = write_selectors(a);
	if (!err)
		err = remember(a);
	if (err)
		return err;
	limit_class_end(a->dp, a->ids, a->conf->n_limits);
	memset(m->group_used, 0, sizeof(m->group_used));
	for (size_t g = 1; g < a->compiled->n_groups; g++)
		m->group_used[a->plan.group[g]] = true;
	m->known = true;
	return 0;
}

static int apply(struct dataplane *dp, const struct conf *conf, struct errmsg *err)
{
	CLEANUP(apply_clear) struct apply a = { .dp = dp, .conf = conf, .err = err };
	int e;

	a.rates = calloc(conf->n_limits + 1, sizeof(*a.rates));
	a.vip = calloc(conf->n_vips + 1, sizeof(*a.vip));
	if (!a.rates || !a.vip)
		return errmsg_set(err, -ENOMEM, "no memory");
	e = prepare(&a);
	if (!e)
		e = limit_class_assign(dp, conf->limits, conf->n_limits, a.ids, a.reused, err);
	if (!e)
		e = want_rows(&a);
	if (!e)
		e = make_plan(&a);
	/* Nothing is refused from here on, but for want of memory, or of room for sources. */
	if (!e)
		e = limit_class_name(dp, conf->limits, conf->n_limits, a.ids, a.reused, err);
	if (!e)
		e = place_rows(&a);
	if (e)
		return e;
	limit_class_begin(dp, a.ids, a.rates, conf->n_limits);
	drop_cache_map_forget(dp);
	/* From here on what the maps hold is not what an apply made, until one is done. */
	dp->limit->known = false;
	limit_set_write(a.compiled, a.ids, &a.plan, &a.live);
	return put_in_force(&a);
}

int limit_map_apply(struct dataplane *dp, const struct conf *conf, struct errmsg *err)
{
	int e = apply(dp, conf, err);

	drop_cache_map_forget(dp);
	return e;
}

void limit_map_close(struct dataplane *dp)
{
	if (dp->limit)
		free(dp->limit->vips);
	free(dp->limit);
	dp->limit = NULL;
}

uint8_t limit_map_service(struct dataplane *dp, const char *vip)
{
	for (size_t i = 0; dp->limit && i < dp->limit->n_vips; i++)
		if (strcmp(dp->limit->vips[i].name, vip) == 0)
			return dp->limit->vips[i].service;
	return 0;
}

int limit_map_stats(struct dataplane *dp, uint32_t limit_class, struct stats_limit *ret)
{
	int fd = pinned_map_fd(dp, "stats_limit");

	if (fd < 0)
		return fd;
	return pinned_map_sum(fd, &limit_class, sizeof(*ret), (uint64_t *)ret);
}
