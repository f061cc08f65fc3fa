/* SPDX-License-Identifier: BSD-2-Clause */
#include "slots.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane/meter_map.h"

struct slots {
	uint32_t max;		      /* words; 0 belongs to nobody */
	uint32_t hint;		      /* where to look for a free one */
	char (*name)[SLOTS_NAME_MAX]; /* by slot; "": free */
	uint32_t *place;	      /* open addressing by name; 0: empty */
	size_t mask;
};

static uint64_t hash(const char *name)
{
	uint64_t h = 14695981039346656037ULL; /* FNV-1a, 64 bits */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211ULL;
	return h ^ h >> 32;
}

int slots_new(uint32_t max_meters, struct slots **ret)
{
	struct slots *t = calloc(1, sizeof(*t));
	size_t places = 2;

	if (!t)
		return -ENOMEM;
	while (places < 2 * (size_t)max_meters)
		places *= 2;
	t->max = max_meters;
	t->hint = 1;
	t->mask = places - 1;
	t->name = calloc(max_meters ? max_meters : 1, sizeof(*t->name));
	t->place = calloc(places, sizeof(*t->place));
	if (!t->name || !t->place) {
		slots_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void slots_free(struct slots *t)
{
	if (!t)
		return;
	free(t->name);
	free(t->place);
	free(t);
}

/* Where the name is, or the empty place for it. */
static uint32_t *find(struct slots *t, const char *name)
{
	size_t i = (size_t)hash(name) & t->mask;

	while (t->place[i] && strcmp(t->name[t->place[i]], name) != 0)
		i = (i + 1) & t->mask;
	return &t->place[i];
}

static void put(struct slots *t, const char *name, uint32_t slot)
{
	uint32_t *place = find(t, name);

	if (*place || !slot || slot >= t->max || t->name[slot][0])
		return;
	snprintf(t->name[slot], SLOTS_NAME_MAX, "%s", name);
	*place = slot;
}

static int get(struct slots *t, const char *name)
{
	uint32_t *place = find(t, name);

	if (*place)
		return (int)*place;
	for (uint32_t i = 0; i < t->max; i++) {
		uint32_t slot = (t->hint + i) % t->max;

		if (!slot || t->name[slot][0])
			continue;
		put(t, name, slot);
		t->hint = slot + 1;
		return (int)slot;
	}
	return -ENOSPC;
}

void slots_name(const char *consumer, const char *limit, char ret[SLOTS_NAME_MAX])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char text[2 * (CONF_NAME_MAX + 1)];
	int n = snprintf(text, sizeof(text), "%s/%s", consumer, limit);

	if (n < SLOTS_NAME_MAX) {
		memcpy(ret, text, (size_t)n + 1);
		return;
	}
	SHA256((const unsigned char *)text, strlen(text), digest);
	/* 31 bytes of it, so that the NUL fits */
	for (size_t i = 0; i < (SLOTS_NAME_MAX - 1) / 2; i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* Calls fn with each name and where its slot is noted. */
static int each(const struct revision *r, int (*fn)(const char *name, uint32_t *slot, void *ctx),
		void *ctx)
{
	const struct conf *c = r->conf;

	for (size_t i = 0; i < c->n_consumers; i++) {
		const struct conf_plan *plan =
			c->consumers[i].plan ? conf_plan(c, c->consumers[i].plan) : NULL;

		for (size_t k = 0; plan && k < plan->n_limits; k++) {
			char name[SLOTS_NAME_MAX];
			int ret;

			slots_name(c->consumers[i].name, plan->limits[k].name, name);
			ret = fn(name, &r->meter_slots[i * CONF_PLAN_LIMITS_MAX + k], ctx);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int adopt_one(const char *name, uint32_t *slot, void *ctx)
{
	put(ctx, name, *slot);
	return 0;
}

void slots_adopt(struct slots *t, const struct revision *r)
{
	each(r, adopt_one, t);
}

struct assign {
	struct slots *t;
	struct dataplane *dp;
};

static int assign_one(const char *name, uint32_t *slot, void *ctx)
{
	const struct assign *a = ctx;
	int got;

	if (*slot)
		return 0;
	got = a->dp ? meter_map_slot(a->dp, name) : get(a->t, name);
	if (got < 0)
		return got;
	*slot = (uint32_t)got;
	return 0;
}

static bool same_limits(const struct conf_plan *a, const struct conf_plan *b)
{
	if (!a || !b || a->n_limits != b->n_limits)
		return false;
	for (size_t i = 0; i < a->n_limits; i++) {
		if (strcmp(a->limits[i].name, b->limits[i].name) != 0)
			return false;
	}
	return true;
}

static const struct conf_plan *plan_of(const struct conf *c, const struct conf_consumer *consumer)
{
	return consumer->plan ? conf_plan(c, consumer->plan) : NULL;
}

/* Both lists in one walk: most changes add, remove or alter a consumer and leave the others in order. */
static void carry_over(const struct revision *last, struct revision *next)
{
	const struct conf *from = last->conf, *to = next->conf;
	size_t j = 0;

	for (size_t i = 0; i < to->n_consumers && j < from->n_consumers; i++) {
		const char *name = to->consumers[i].name;

		if (strcmp(from->consumers[j].name, name) != 0 && j + 1 < from->n_consumers &&
		    strcmp(from->consumers[j + 1].name, name) == 0)
			j++;
		if (strcmp(from->consumers[j].name, name) != 0)
			continue;
		if (same_limits(plan_of(from, &from->consumers[j]), plan_of(to, &to->consumers[i])))
			memcpy(&next->meter_slots[i * CONF_PLAN_LIMITS_MAX],
			       &last->meter_slots[j * CONF_PLAN_LIMITS_MAX],
			       CONF_PLAN_LIMITS_MAX * sizeof(uint32_t));
		j++;
	}
}

int slots_assign(struct slots *t, struct dataplane *dp, const struct revision *last,
		 struct revision *next, struct errmsg *err)
{
	struct assign a = { t, dp };
	int ret;

	if (last)
		carry_over(last, next);
	ret = each(next, assign_one, &a);
	if (ret == -ENOSPC)
		return errmsg_set(err, ret,
				  "no meter is left for the limits of all consumers: raise "
				  "dataplane.max_meters (now %u) and restart",
				  next->conf->dataplane.max_meters);
	if (ret)
		return errmsg_set(err, ret, "cannot give out meters: %s", strerror(-ret));
	return 0;
}

struct names {
	char (*name)[SLOTS_NAME_MAX];
	size_t n;
};

static int count_one(const char *name, uint32_t *slot, void *ctx)
{
	(void)name;
	(void)slot;
	(*(size_t *)ctx)++;
	return 0;
}

static int note_one(const char *name, uint32_t *slot, void *ctx)
{
	struct names *names = ctx;

	(void)slot;
	snprintf(names->name[names->n++], SLOTS_NAME_MAX, "%s", name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_live(const char *name, void *ctx)
{
	const struct names *names = ctx;

	return bsearch(name, names->name, names->n, sizeof(*names->name), compare) != NULL;
}

/* Places depend on each other in open addressing: drop, then put all that stay anew. */
static int sweep_table(struct slots *t, struct names *live)
{
	int n = 0;

	memset(t->place, 0, (t->mask + 1) * sizeof(*t->place));
	for (uint32_t slot = 1; slot < t->max; slot++) {
		if (!t->name[slot][0])
			continue;
		if (is_live(t->name[slot], live)) {
			*find(t, t->name[slot]) = slot;
			continue;
		}
		t->name[slot][0] = '\0';
		n++;
	}
	return n;
}

int slots_sweep(struct slots *t, struct dataplane *dp, const struct revision *live)
{
	CLEANUP_FREE void *memory = NULL;
	struct names names = { 0 };
	size_t n = 0;

	each(live, count_one, &n);
	memory = calloc(n ? n : 1, SLOTS_NAME_MAX);
	if (!memory)
		return -ENOMEM;
	names.name = memory;
	each(live, note_one, &names);
	qsort(names.name, names.n, sizeof(*names.name), compare);
	return dp ? meter_map_sweep(dp, is_live, &names) : sweep_table(t, &names);
}
