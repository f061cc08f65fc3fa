/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A class id belongs to a name for as long as there are ids to spare: a limit that is removed has
 * its rates zeroed and keeps its id, name and counters, so that its return is the same limit. Only
 * when all 255 ids have names does a new limit take the id of one that is not configured; that id's
 * counters then start again.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "dataplane_state.h"
#include "epoch.h"
#include "limit_map.h"

/* A packet that read `active` before a flip is done with its version long before this. */
#define FLIP_GRACE_NS (10 * NS_PER_MS)
#define NAME_KEPT     14 /* of a long name: the rest is '~' and 8 digits of its hash */

/* FNV-1a (draft-eastlake-fnv): only tells names that begin alike apart. */
static uint32_t name_hash(const char *name)
{
	uint32_t h = 2166136261U;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619U;
	return h;
}

/* The name as limit_class holds it. '~' is in no configured name, so cut names meet no whole one. */
static void class_name(const char *name, char ret[24])
{
	memset(ret, 0, 24);
	if (strlen(name) < 24)
		snprintf(ret, 24, "%s", name);
	else
		snprintf(ret, 24, "%.*s~%08x", NAME_KEPT, name, name_hash(name));
}

static struct limit_class *classes(struct dataplane *dp)
{
	return pinned_map_mem(dp, "limit_class");
}

static uint32_t find(const struct limit_class *c, const char *name)
{
	char wanted[24];
	uint32_t id;

	class_name(name, wanted);
	for (id = 1; id < LIMIT_CLASSES; id++) {
		if (memcmp(c[id].name, wanted, sizeof(wanted)) == 0)
			return id;
	}
	return LIMIT_CLASS_NONE;
}

uint32_t limit_map_class(struct dataplane *dp, const char *name)
{
	const struct limit_class *c = classes(dp);

	return c ? find(c, name) : LIMIT_CLASS_NONE;
}

static int compile(const struct conf_limit *l, struct limit_rates *ret, struct errmsg *err)
{
	static const char *const units[LIMIT_UNITS] = { "packets", "bytes", "connections" };
	int unit, e;

	memset(ret, 0, sizeof(*ret));
	ret->dry_run = l->dry_run;
	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		if (!l->unit[unit].count)
			continue;
		e = conf_rate_compile(&l->unit[unit], &ret->unit[unit]);
		if (e)
			return errmsg_set(err, e,
					  "limits[%s].%s: this rate or burst cannot be represented",
					  l->name, units[unit]);
	}
	return 0;
}

static void wait_for_grace(struct dataplane *dp)
{
	uint64_t since = clock_now_ns() - dp->limit_flipped_ns;
	struct timespec rest;

	if (since >= FLIP_GRACE_NS)
		return;
	rest = (struct timespec) { .tv_nsec = (long)(FLIP_GRACE_NS - since) };
	nanosleep(&rest, NULL);
}

/* Write the idle version, then flip: no packet sees half of a change. */
static void set_rates(struct dataplane *dp, struct limit_class *c, const struct limit_rates *rates,
		      bool *flipped)
{
	uint32_t active = c->active & 1;

	if (memcmp(&c->rates[active], rates, sizeof(*rates)) == 0)
		return;
	wait_for_grace(dp);
	c->rates[!active] = *rates;
	__atomic_store_n(&c->active, !active, __ATOMIC_RELEASE);
	*flipped = true;
}

struct apply {
	struct dataplane *dp;
	struct limit_class *classes;
	const struct conf_limit *limits;
	size_t n;
	uint32_t *ids;		   /* class of each limit */
	struct limit_rates *rates; /* of each limit */
	bool used[LIMIT_CLASSES];
};

static int spare_id(const struct apply *a, uint32_t *ret, bool *ret_reused)
{
	uint32_t id, reuse = 0;

	for (id = 1; id < LIMIT_CLASSES; id++) {
		if (a->used[id])
			continue;
		if (!a->classes[id].name[0]) {
			*ret = id;
			*ret_reused = false;
			return 0;
		}
		if (!reuse)
			reuse = id;
	}
	*ret = reuse;
	*ret_reused = true;
	return reuse ? 0 : -ENOSPC;
}

/* Nothing of the limit that had the id before may show: its sources, rates and counters. */
static int reset_class(struct apply *a, uint32_t id)
{
	static const struct limit_rates none;
	int fd = pinned_map_fd(a->dp, "limit_prefix");
	CLEANUP_FREE struct prefix *keys = NULL;
	CLEANUP_FREE struct limit_prefix_value *values = NULL;
	bool flipped = false;
	size_t n = 0, i;
	int err = pinned_map_read(fd, (void **)&keys, (void **)&values, &n);

	for (i = 0; !err && i < n; i++) {
		if (values[i].limit_class == id && bpf_map_delete_elem(fd, &keys[i]))
			err = -errno;
	}
	if (err)
		return err;
	set_rates(a->dp, &a->classes[id], &none, &flipped);
	if (flipped)
		a->dp->limit_flipped_ns = clock_now_ns();
	return pinned_map_zero(pinned_map_fd(a->dp, "stats_limit"), &id,
			       sizeof(struct stats_limit));
}

static int assign_ids(struct apply *a, struct errmsg *err)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		a->ids[i] = find(a->classes, a->limits[i].name);
		a->used[a->ids[i]] = true;
	}
	for (i = 0; i < a->n; i++) {
		bool reused;
		int e;

		if (a->ids[i])
			continue;
		e = spare_id(a, &a->ids[i], &reused);
		if (!e && reused)
			e = reset_class(a, a->ids[i]);
		if (e)
			return errmsg_set(err, e, "limits[%s]: %s", a->limits[i].name,
					  strerror(-e));
		a->used[a->ids[i]] = true;
		class_name(a->limits[i].name, a->classes[a->ids[i]].name);
	}
	return 0;
}

static void write_rates(struct apply *a, bool *flipped)
{
	static const struct limit_rates none;
	uint32_t id;
	size_t i;

	for (i = 0; i < a->n; i++)
		set_rates(a->dp, &a->classes[a->ids[i]], &a->rates[i], flipped);
	for (id = 1; id < LIMIT_CLASSES; id++) {
		if (!a->used[id] && a->classes[id].name[0])
			set_rates(a->dp, &a->classes[id], &none, flipped);
	}
}

struct source {
	struct prefix prefix;
	size_t limit; /* index of the limit that has it */
};

static int by_prefix(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct prefix));
}

/* All sources of all limits, sorted. -EEXIST: one prefix in two limits. */
static int collect_sources(const struct apply *a, struct source **ret, size_t *ret_n,
			   struct errmsg *err)
{
	CLEANUP_FREE struct source *all = NULL;
	char text[ADDR_TEXT_MAX];
	size_t n = 0, i, j;

	for (i = 0; i < a->n; i++)
		n += a->limits[i].n_sources;
	all = calloc(n + 1, sizeof(*all));
	if (!all)
		return errmsg_set(err, -ENOMEM, "no memory");
	for (i = 0, n = 0; i < a->n; i++) {
		for (j = 0; j < a->limits[i].n_sources; j++, n++) {
			const struct prefix *p = &a->limits[i].sources[j];

			all[n].prefix.len_bits = p->len_bits;
			all[n].prefix.addr = addr_mask(&p->addr, p->len_bits);
			all[n].limit = i;
		}
	}
	qsort(all, n, sizeof(*all), by_prefix);
	for (i = 1; i < n; i++) {
		if (by_prefix(&all[i - 1], &all[i]) == 0 && all[i - 1].limit != all[i].limit)
			return errmsg_set(err, -EEXIST, "limits: %s is a source of two limits",
					  prefix_format(&all[i].prefix, text));
	}
	*ret = take_ptr(&all);
	*ret_n = n;
	return 0;
}

/* Add first, then remove: no source is unlimited in between. */
static int write_sources(struct apply *a, const struct source *want, size_t n, struct errmsg *err)
{
	int fd = pinned_map_fd(a->dp, "limit_prefix"), e;
	CLEANUP_FREE struct prefix *keys = NULL;
	CLEANUP_FREE void *values = NULL;
	size_t n_keys = 0, i;

	for (i = 0; i < n; i++) {
		struct limit_prefix_value v = { a->ids[want[i].limit] };

		if (bpf_map_update_elem(fd, &want[i].prefix, &v, BPF_ANY))
			return errmsg_set(err, -errno, "cannot write map limit_prefix: %s%s",
					  strerror(errno),
					  errno == ENOSPC ? "; raise dataplane.max_acl" : "");
	}
	e = pinned_map_read(fd, (void **)&keys, &values, &n_keys);
	for (i = 0; !e && i < n_keys; i++) {
		if (n && bsearch(&keys[i], want, n, sizeof(*want), by_prefix))
			continue;
		if (bpf_map_delete_elem(fd, &keys[i]))
			e = -errno;
	}
	return e ? errmsg_set(err, e, "cannot clean map limit_prefix: %s", strerror(-e)) : 0;
}

int limit_map_apply(struct dataplane *dp, const struct conf_limit *limits, size_t n,
		    struct errmsg *err)
{
	CLEANUP_FREE uint32_t *ids = calloc(n + 1, sizeof(*ids));
	CLEANUP_FREE struct limit_rates *rates = calloc(n + 1, sizeof(*rates));
	CLEANUP_FREE struct source *sources = NULL;
	struct apply a = { .dp = dp,
			   .classes = classes(dp),
			   .limits = limits,
			   .n = n,
			   .ids = ids,
			   .rates = rates };
	bool flipped = false;
	size_t n_sources = 0, i;
	int e = 0;

	if (!ids || !rates || !a.classes)
		return errmsg_set(err, -ENOMEM, "cannot map limit_class");
	if (n >= LIMIT_CLASSES)
		return errmsg_set(err, -ENOSPC, "%zu limits, at most %d", n, LIMIT_CLASSES - 1);
	/* What can be wrong with the input is found before anything is written. */
	for (i = 0; !e && i < n; i++)
		e = compile(&limits[i], &rates[i], err);
	if (!e)
		e = collect_sources(&a, &sources, &n_sources, err);
	if (!e)
		e = assign_ids(&a, err);
	if (e)
		return e;
	write_rates(&a, &flipped);
	if (flipped)
		dp->limit_flipped_ns = clock_now_ns();
	e = write_sources(&a, sources, n_sources, err);
	epoch_raise_all(dp);
	return e;
}

int limit_map_rates(struct dataplane *dp, uint32_t limit_class, struct limit_rates *ret)
{
	const struct limit_class *c = classes(dp);

	if (!c)
		return -ENOMEM;
	if (limit_class == LIMIT_CLASS_NONE || limit_class >= LIMIT_CLASSES)
		return -ENOENT;
	*ret = c[limit_class].rates[c[limit_class].active & 1];
	return 0;
}

int limit_map_stats(struct dataplane *dp, uint32_t limit_class, struct stats_limit *ret)
{
	int fd = pinned_map_fd(dp, "stats_limit");

	if (fd < 0)
		return fd;
	return pinned_map_sum(fd, &limit_class, sizeof(*ret), (uint64_t *)ret);
}

int limit_map_client(struct dataplane *dp, const struct addr *source, uint32_t scope,
		     struct client *ret)
{
	struct client_key key = { .source = addr_unit(source), .scope = scope };
	int fd = pinned_map_fd(dp, "clients");

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, &key, ret) ? -errno : 0;
}
