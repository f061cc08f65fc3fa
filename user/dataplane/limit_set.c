/* SPDX-License-Identifier: BSD-2-Clause */
#include "limit_set.h"

#include <errno.h>
#include <string.h>

static uint32_t load(const struct limit_set_entry *e)
{
	return __atomic_load_n((const uint32_t *)(const void *)e, __ATOMIC_RELAXED);
}

/* All classes of an entry at once: no packet sees a part. */
static void store(struct limit_set_entry *e, struct limit_set_entry to)
{
	uint32_t word;

	memcpy(&word, &to, sizeof(word));
	if (load(e) != word)
		__atomic_store_n((uint32_t *)(void *)e, word, __ATOMIC_RELEASE);
}

static bool is_equal(const struct limit_set_entry *e, struct limit_set_entry to)
{
	uint32_t word;

	memcpy(&word, &to, sizeof(word));
	return load(e) == word;
}

static struct limit_set_entry entry_of(const struct limit_compiled *c, const uint8_t *ids,
				       size_t group, size_t service)
{
	const uint8_t *numbers = c->set[group * c->n_services + service];
	struct limit_set_entry e = { { 0 } };

	for (int i = 0; i < LIMIT_SET_CLASSES; i++)
		e.limit_class[i] = ids[numbers[i]];
	return e;
}

/* Where destinations point now, and where they will. */
static void find_services(const struct limit_compiled *c, size_t n_vips,
			  const struct limit_live *live, struct limit_plan *p)
{
	for (int map = 0; map < LIMIT_PORT_TABLES; map++)
		for (size_t port = 0; port < 65536; port++) {
			uint8_t id = live->ports[map].service[port];

			limit_bits_set(&p->becomes[id], c->port[map][port]);
			p->service_live[id] = true;
		}
	for (size_t i = 0; i < n_vips; i++)
		limit_bits_set(&p->becomes[live->vip[i]], c->vip[i]);
	for (size_t id = 0; id < LIMIT_SERVICES; id++)
		p->service_live[id] = p->service_live[id] || live->service_used[id];
	p->service_live[0] = true;
}

/* The one service that all destinations of an id will have; 0: none, or several. */
static size_t only_service(const struct limit_compiled *c, const struct limit_bits *becomes)
{
	size_t found = 0;

	for (size_t s = 0; s < c->n_services; s++) {
		if (!limit_bits_has(becomes, s))
			continue;
		if (found || s == 0)
			return 0;
		found = s;
	}
	return found;
}

static int plan_services(const struct limit_compiled *c, const uint8_t *ids,
			 const struct limit_live *live, struct limit_plan *p, struct errmsg *err)
{
	size_t next = 1;

	p->service_kept[0] = true;
	for (size_t id = 1; id < LIMIT_SERVICES; id++) {
		size_t s = only_service(c, &p->becomes[id]);

		if (!s || p->service_kept[s] ||
		    !is_equal(&live->set[0].service[id], entry_of(c, ids, 0, s)))
			continue;
		p->service[s] = (uint8_t)id;
		p->service_kept[s] = true;
	}
	for (size_t s = 1; s < c->n_services; s++) {
		if (p->service_kept[s])
			continue;
		while (next < LIMIT_SERVICES && p->service_live[next])
			next++;
		if (next == LIMIT_SERVICES)
			return errmsg_set(err, -ENOSPC,
					  "limits: the combinations of vips and ports before and "
					  "after this change are more than %d together; change "
					  "fewer at a time",
					  LIMIT_SERVICES - 1);
		p->service[s] = (uint8_t)next++;
	}
	return 0;
}

/* Does a compiled group mean what a row of the map says, where both can be compared? */
static bool is_same_group(const struct limit_compiled *c, const uint8_t *ids,
			  const struct limit_plan *p, size_t group, const struct limit_set *row)
{
	for (size_t s = 0; s < c->n_services; s++)
		if (p->service_kept[s] &&
		    !is_equal(&row->service[p->service[s]], entry_of(c, ids, group, s)))
			return false;
	return true;
}

static int plan_groups(const struct limit_compiled *c, const uint8_t *ids,
		       const struct limit_live *live, struct limit_plan *p, struct errmsg *err)
{
	bool taken[LIMIT_GROUPS] = { true };
	size_t next = 1;

	/* Group 0 keeps its id whatever it means: its entries change in place, each at once. */
	p->group_kept[0] = true;
	for (size_t g = 1; g < c->n_groups; g++)
		for (size_t id = 1; id < LIMIT_GROUPS && !p->group_kept[g]; id++) {
			if (taken[id] || !live->group_used[id] ||
			    !is_same_group(c, ids, p, g, &live->set[id]))
				continue;
			p->group[g] = (uint8_t)id;
			p->group_kept[g] = taken[id] = true;
		}
	for (size_t g = 1; g < c->n_groups; g++) {
		if (p->group_kept[g])
			continue;
		while (next < LIMIT_GROUPS && (live->group_used[next] || taken[next]))
			next++;
		if (next == LIMIT_GROUPS)
			return errmsg_set(
				err, -ENOSPC,
				"limits: the groups of sources before and after this "
				"change are more than %d together; change fewer at a time",
				SOURCE_GROUP_MAX);
		p->group[g] = (uint8_t)next++;
	}
	return 0;
}

int limit_set_plan(const struct limit_compiled *c, size_t n_vips, const uint8_t *ids,
		   const struct limit_live *live, struct limit_plan *ret, struct errmsg *err)
{
	int code;

	memset(ret, 0, sizeof(*ret));
	find_services(c, n_vips, live, ret);
	code = plan_services(c, ids, live, ret, err);
	return code ? code : plan_groups(c, ids, live, ret, err);
}

/* What a new group meets at an id that is going away: what its destinations agree about. */
static struct limit_set_entry agreed(const struct limit_compiled *c, const uint8_t *ids,
				     size_t group, const struct limit_bits *becomes)
{
	struct limit_set_entry sum = { { 0 } };
	bool any = false;

	for (size_t s = 0; s < c->n_services; s++) {
		struct limit_set_entry e = entry_of(c, ids, group, s), both = { { 0 } };
		size_t n = 0;

		if (!limit_bits_has(becomes, s))
			continue;
		for (int i = 0; i < LIMIT_SET_CLASSES; i++)
			if (e.limit_class[i] &&
			    (!any || memchr(sum.limit_class, e.limit_class[i], LIMIT_SET_CLASSES)))
				both.limit_class[n++] = e.limit_class[i];
		sum = both;
		any = true;
	}
	return sum;
}

/* The compiled service that has an id; 0: none. */
static void services_by_id(const struct limit_compiled *c, const struct limit_plan *p,
			   uint8_t by_id[LIMIT_SERVICES])
{
	memset(by_id, 0, LIMIT_SERVICES);
	for (size_t s = 1; s < c->n_services; s++)
		by_id[p->service[s]] = (uint8_t)s;
}

void limit_set_write(const struct limit_compiled *c, const uint8_t *ids,
		     const struct limit_plan *plan, struct limit_live *live)
{
	bool wanted[LIMIT_GROUPS] = { false };
	uint8_t by_id[LIMIT_SERVICES];

	services_by_id(c, plan, by_id);
	for (size_t g = 0; g < c->n_groups; g++) {
		struct limit_set *row = &live->set[plan->group[g]];

		wanted[plan->group[g]] = true;
		for (size_t id = 0; id < LIMIT_SERVICES; id++) {
			if (id == 0 || by_id[id])
				store(&row->service[id], entry_of(c, ids, g, by_id[id]));
			else if (!plan->group_kept[g])
				store(&row->service[id], agreed(c, ids, g, &plan->becomes[id]));
		}
	}
	/* Groups that are going away meet new services only if a packet is late. */
	for (size_t id = 1; id < LIMIT_GROUPS; id++) {
		for (size_t s = 1; live->group_used[id] && !wanted[id] && s < c->n_services; s++)
			if (!plan->service_kept[s])
				store(&live->set[id].service[plan->service[s]],
				      entry_of(c, ids, 0, s));
	}
}

void limit_set_write_ports(const struct limit_compiled *c, const struct limit_plan *plan,
			   struct limit_ports *ports)
{
	for (int map = 0; map < LIMIT_PORT_TABLES; map++)
		for (size_t port = 0; port < 65536; port++) {
			uint8_t id = plan->service[c->port[map][port]];

			if (ports[map].service[port] != id)
				__atomic_store_n(&ports[map].service[port], id, __ATOMIC_RELEASE);
		}
}

void limit_set_forget(struct limit_set *set, uint8_t limit_class)
{
	for (size_t g = 0; g < LIMIT_GROUPS; g++)
		for (size_t s = 0; s < LIMIT_SERVICES; s++) {
			struct limit_set_entry *e = &set[g].service[s], kept = { { 0 } };
			size_t n = 0;

			for (int i = 0; i < LIMIT_SET_CLASSES; i++)
				if (e->limit_class[i] && e->limit_class[i] != limit_class)
					kept.limit_class[n++] = e->limit_class[i];
			store(e, kept);
		}
}
