/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A class id belongs to a name for as long as there are ids to spare: a limit that is removed has
 * its rates zeroed and keeps its id, name and counters, so that its return is the same limit. Only
 * when all 255 ids have names does a new limit take the id of one that is not configured; that id's
 * counters then start again.
 */
#include "limit_class.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "dataplane_state.h"
#include "limit_debt.h"
#include "limit_map.h"
#include "limit_set.h"

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

struct limit_class *limit_class_all(struct dataplane *dp)
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

const char *limit_map_name(struct dataplane *dp, uint32_t limit_class)
{
	const struct limit_class *c = limit_class_all(dp);

	if (!c || limit_class == LIMIT_CLASS_NONE || limit_class >= LIMIT_CLASSES)
		return NULL;
	return c[limit_class].name[0] ? c[limit_class].name : NULL;
}

uint32_t limit_map_class(struct dataplane *dp, const char *name)
{
	const struct limit_class *c = limit_class_all(dp);

	return c ? find(c, name) : LIMIT_CLASS_NONE;
}

int limit_map_rates(struct dataplane *dp, uint32_t limit_class, struct limit_rates *ret)
{
	const struct limit_class *c = limit_class_all(dp);

	if (!c)
		return -ENOMEM;
	if (limit_class == LIMIT_CLASS_NONE || limit_class >= LIMIT_CLASSES)
		return -ENOENT;
	*ret = c[limit_class].rates[c[limit_class].active & 1];
	return 0;
}

static int compile_units(const struct conf_limit *l, const struct conf_rate *from,
			 const char *total, struct gcra_rate *ret, struct errmsg *err)
{
	static const char *const units[LIMIT_UNITS] = { "packets", "bytes", "connections" };

	for (int unit = 0; unit < LIMIT_UNITS; unit++) {
		int e = from[unit].count ? conf_rate_compile(&from[unit], &ret[unit]) : 0;

		if (e)
			return errmsg_set(err, e,
					  "limits[%s].%s%s: this rate or burst cannot be "
					  "represented",
					  l->name, total, units[unit]);
	}
	return 0;
}

static int compile(const struct conf_limit *l, struct limit_rates *ret, struct errmsg *err)
{
	int e;

	memset(ret, 0, sizeof(*ret));
	e = compile_units(l, l->unit, "", ret->unit, err);
	if (!e)
		e = compile_units(l, l->total, "total.", ret->total, err);
	if (e)
		return e;
	ret->concurrent = l->concurrent;
	ret->flags = l->dry_run ? LIMIT_DRY_RUN : 0;
	if (l->per == CONF_PER_PREFIX)
		ret->flags |= LIMIT_PER_PREFIX;
	for (int unit = 0; unit < LIMIT_UNITS; unit++)
		if (ret->total[unit].tolerance_fp)
			ret->flags |= LIMIT_HAS_TOTAL;
	return 0;
}

int limit_class_compile(const struct conf_limit *limits, size_t n, struct limit_rates *ret,
			struct errmsg *err)
{
	int e = 0;

	if (n >= LIMIT_CLASSES)
		return errmsg_set(err, -ENOSPC, "%zu limits, at most %d", n, LIMIT_CLASSES - 1);
	for (size_t i = 0; !e && i < n; i++)
		e = compile(&limits[i], &ret[i], err);
	return e;
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
static void set_rates(struct dataplane *dp, uint32_t id, const struct limit_rates *rates,
		      bool *flipped)
{
	struct limit_class *c = &limit_class_all(dp)[id];
	uint32_t active = c->active & 1;

	if (memcmp(&c->rates[active], rates, sizeof(*rates)) == 0)
		return;
	wait_for_grace(dp);
	limit_debt_carry(dp, id, c, rates);
	c->rates[!active] = *rates;
	__atomic_store_n(&c->active, !active, __ATOMIC_RELEASE);
	*flipped = true;
}

static int spare_id(const struct limit_class *classes, const bool *used, uint32_t *ret,
		    bool *ret_reused)
{
	uint32_t id, reuse = 0;

	for (id = 1; id < LIMIT_CLASSES; id++) {
		if (used[id])
			continue;
		if (!classes[id].name[0]) {
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

/* Nothing of the limit that had the id before may show: who meets it, its rates and counters. */
static int reset_class(struct dataplane *dp, uint32_t id)
{
	static const struct limit_rates none;
	struct limit_set *set = pinned_map_mem(dp, "limit_set");
	struct limit_state *state = pinned_map_mem(dp, "limit_state");
	bool flipped = false;

	if (!set || !state)
		return -ENOMEM;
	limit_set_forget(set, (uint8_t)id);
	for (size_t kind = 0; kind < LIMIT_KINDS; kind++)
		if (state->kind_class[kind] == id)
			state->kind_class[kind] = LIMIT_CLASS_NONE;
	set_rates(dp, id, &none, &flipped);
	if (flipped)
		dp->limit_flipped_ns = clock_now_ns();
	return pinned_map_zero(pinned_map_fd(dp, "stats_limit"), &id, sizeof(struct stats_limit));
}

int limit_class_assign(struct dataplane *dp, const struct conf_limit *limits, size_t n,
		       uint8_t ret_ids[LIMIT_CLASSES], bool ret_reused[LIMIT_CLASSES],
		       struct errmsg *err)
{
	const struct limit_class *classes = limit_class_all(dp);
	bool used[LIMIT_CLASSES] = { false };
	uint32_t id;
	size_t i;

	memset(ret_reused, 0, LIMIT_CLASSES * sizeof(*ret_reused));
	ret_ids[0] = LIMIT_CLASS_NONE;
	for (i = 0; i < n; i++) {
		ret_ids[i + 1] = (uint8_t)find(classes, limits[i].name);
		used[ret_ids[i + 1]] = true;
	}
	for (i = 0; i < n; i++) {
		bool reused;
		int e;

		if (ret_ids[i + 1])
			continue;
		e = spare_id(classes, used, &id, &reused);
		if (e)
			return errmsg_set(err, e, "limits[%s]: %s", limits[i].name, strerror(-e));
		used[id] = true;
		ret_ids[i + 1] = (uint8_t)id;
		ret_reused[id] = reused;
	}
	return 0;
}

int limit_class_name(struct dataplane *dp, const struct conf_limit *limits, size_t n,
		     const uint8_t *ids, const bool *reused, struct errmsg *err)
{
	struct limit_class *classes = limit_class_all(dp);

	for (size_t i = 0; i < n; i++) {
		uint8_t id = ids[i + 1];
		int e = reused[id] ? reset_class(dp, id) : 0;

		if (e)
			return errmsg_set(err, e, "limits[%s]: %s", limits[i].name, strerror(-e));
		class_name(limits[i].name, classes[id].name);
	}
	return 0;
}

void limit_class_begin(struct dataplane *dp, const uint8_t *ids, const struct limit_rates *rates,
		       size_t n)
{
	bool flipped = false;

	for (size_t i = 0; i < n; i++)
		set_rates(dp, ids[i + 1], &rates[i], &flipped);
	if (flipped)
		dp->limit_flipped_ns = clock_now_ns();
}

void limit_class_end(struct dataplane *dp, const uint8_t *ids, size_t n)
{
	static const struct limit_rates none;
	struct limit_class *classes = limit_class_all(dp);
	bool used[LIMIT_CLASSES] = { false }, flipped = false;

	for (size_t i = 0; i < n; i++)
		used[ids[i + 1]] = true;
	for (uint32_t id = 1; id < LIMIT_CLASSES; id++)
		if (!used[id] && classes[id].name[0])
			set_rates(dp, id, &none, &flipped);
	if (flipped)
		dp->limit_flipped_ns = clock_now_ns();
}

uint64_t limit_class_refill_ms(struct dataplane *dp)
{
	const struct limit_class *c = limit_class_all(dp);
	uint64_t longest_fp = 0;

	for (uint32_t id = 1; c && id < LIMIT_CLASSES; id++)
		for (int unit = 0; unit < LIMIT_UNITS; unit++) {
			uint64_t fp = c[id].rates[c[id].active & 1].unit[unit].tolerance_fp;

			longest_fp = fp > longest_fp ? fp : longest_fp;
		}
	return (longest_fp + GCRA_FP_PER_S / 1000 - 1) / (GCRA_FP_PER_S / 1000);
}
