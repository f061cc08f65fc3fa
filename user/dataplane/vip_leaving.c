/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_leaving.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "nat_map.h"
#include "vip_backend.h"
#include "vip_state.h"

/* At a time, of all vips; more go at once. */
#define LEAVING_MAX 1024

/* Rings have been without it for that long before another may have its id. */
#define GIVE_AFTER_MS 100

static struct vip_leaving *find(const struct vip_map *m, uint32_t id)
{
	for (size_t i = 0; i < m->n_leaving; i++)
		if (m->leaving[i].id == id)
			return &m->leaving[i];
	return NULL;
}

bool vip_leaving_has_addr(const struct vip_map *m, const struct addr *a)
{
	for (size_t i = 0; i < m->n_leaving; i++)
		if (addr_eq(&m->table[m->leaving[i].id].addr, a))
			return true;
	return false;
}

/* Is somebody configured there, who has the address watched as he wants it? */
static bool is_configured(const struct vip_map *m, const struct addr *a)
{
	uint32_t step = 0;

	return vip_index_addr(&m->index, a, &step) != NULL;
}

static void drop(struct vip_map *m, struct vip_leaving *l)
{
	const struct addr a = m->table[l->id].addr;

	*l = m->leaving[--m->n_leaving];
	if (!is_configured(m, &a) && !vip_leaving_has_addr(m, &a))
		neigh_unwatch(m->neigh, &a);
}

/*
 * Its next hop, as it was configured: mostly that is watched already. Where a device was given that has
 * gone since, behind a restart of the agent, there is nothing to be watched.
 */
static int watch(struct vip_map *m, uint32_t id)
{
	const struct backend *t = &m->table[id];
	char device[IF_NAMESIZE] = "";
	struct neigh_hop hop;

	if (is_configured(m, &t->addr) ||
	    (t->flags & BACKEND_BY_DEVICE && !if_indextoname(t->ifindex, device)))
		return 0;
	vip_backend_hop(m, id, &hop);
	return neigh_watch(m->neigh, &t->addr, device[0] ? device : NULL,
			   t->flags & BACKEND_BY_MAC ? t->dst_mac : NULL,
			   t->flags & BACKEND_LOST ? NULL : &hop);
}

/* Services of mode nat by vip id, whose removed backends keep their flows for a while. */
static const struct vip_service **by_id(const struct vip_map *m)
{
	const struct vip_service **ret = calloc(m->max_vips, sizeof(struct vip_service *));

	for (size_t i = 0; ret && i < m->n_services; i++) {
		const struct vip_service *s = &m->services[i];

		if (s->mode == BACKEND_NAT && s->drain_ms)
			ret[s->rec.id] = s;
	}
	return ret;
}

/* The service whose flows it has, though it is in none; NULL: it is not so. */
static const struct vip_service *left(const struct vip_map *m, const struct vip_service **services,
				      uint32_t id)
{
	const struct backend *t = &m->table[id];

	if (m->backend_used[id] || t->mode != BACKEND_NAT || t->vip_id >= m->max_vips ||
	    t->flags & BACKEND_DEAD || !(t->flags & (BACKEND_READY | BACKEND_LOST)))
		return NULL;
	return services[t->vip_id];
}

static int add(struct vip_map *m, const struct vip_service *s, const struct vip_place *was,
	       uint32_t id)
{
	const uint64_t now = clock_now_ns() / NS_PER_MS, now_s = clock_wall_ns() / NS_PER_S;
	const uint64_t by_s = was ? was->backend->conf.drain_by : 0;
	struct vip_leaving *l;

	if (m->n_leaving == LEAVING_MAX || (by_s && by_s <= now_s))
		return 0;
	if (m->n_leaving == m->room_leaving) {
		const size_t room = m->room_leaving ? m->room_leaving * 2 : 16;

		l = realloc(m->leaving, room * sizeof(*l));
		if (!l)
			return -ENOMEM;
		m->leaving = l;
		m->room_leaving = room;
	}
	l = &m->leaving[m->n_leaving++];
	*l = (struct vip_leaving) { .id = id,
				    .since_ms = now,
				    .drain_ms = s->drain_ms,
				    .is_lost = m->table[id].flags & BACKEND_LOST,
				    .until_ms = now + (by_s > now_s ? (by_s - now_s) * 1000
								    : s->drain_ms) };
	snprintf(l->name, sizeof(l->name), "%s", was ? was->backend->conf.name : "");
	snprintf(l->why, sizeof(l->why), "%s", l->is_lost ? "resolving" : "");
	log_info("backend.leaving", LOG_STR("vip", s->name), LOG_STR("backend", l->name),
		 LOG_U64("left_ms", l->until_ms - now));
	return watch(m, id);
}

/* A drain that is shorter by now is so for them as well. */
static void keep(struct vip_leaving *l, const struct vip_service *s, uint64_t now_ms)
{
	if (l->until_ms > now_ms + s->drain_ms && s->drain_ms != l->drain_ms)
		l->until_ms = now_ms + s->drain_ms;
	l->drain_ms = s->drain_ms;
}

int vip_leaving_apply(struct vip_map *m, const struct vip_index *was)
{
	CLEANUP_FREE const struct vip_service **services = by_id(m);
	const uint64_t now = clock_now_ns() / NS_PER_MS;
	int err = services ? 0 : -ENOMEM;

	for (size_t i = m->n_leaving; i-- > 0;) {
		struct vip_leaving *l = &m->leaving[i];
		const struct vip_service *s = err ? NULL : left(m, services, l->id);

		if (s)
			keep(l, s, now);
		else
			drop(m, l);
	}
	for (uint32_t id = 1; !err && id < m->max_backends; id++) {
		const struct vip_service *s = left(m, services, id);

		if (s && !find(m, id))
			err = add(m, s, vip_index_id(was, id), id);
	}
	return err;
}

bool vip_leaving_has(const struct vip_map *m, uint32_t id)
{
	return find(m, id) != NULL;
}

static const struct vip_service *service_of(const struct vip_map *m, const struct vip_leaving *l)
{
	for (size_t i = 0; i < m->n_services; i++)
		if (m->services[i].rec.id == m->table[l->id].vip_id)
			return &m->services[i];
	return NULL;
}

static void set_hop(struct vip_map *m, struct vip_leaving *l, const struct neigh_hop *hop,
		    const char *why)
{
	const struct vip_service *s = service_of(m, l);

	if (!s || l->is_over)
		return;
	vip_backend_follow(m, s, l->id, hop);
	snprintf(l->why, sizeof(l->why), "%s", hop ? "" : *why ? why : "resolving");
	if (l->is_lost == !hop)
		return;
	l->is_lost = !hop;
	log_info(hop ? "backend.ready" : "backend.lost", LOG_STR("vip", s->name),
		 LOG_STR("backend", l->name), LOG_STR("why", l->why));
}

void vip_leaving_set_hop(struct vip_map *m, const struct addr *a, const struct neigh_hop *hop,
			 const char *why)
{
	for (size_t i = 0; i < m->n_leaving; i++)
		if (addr_eq(&m->table[m->leaving[i].id].addr, a))
			set_hop(m, &m->leaving[i], hop, why);
}

void vip_leaving_look(struct vip_map *m)
{
	for (size_t i = 0; i < m->n_leaving; i++) {
		struct vip_leaving *l = &m->leaving[i];
		const struct neigh_hop *hop;
		const char *why;

		hop = l->is_lost ? neigh_get(m->neigh, &m->table[l->id].addr, &why) : NULL;
		if (hop)
			set_hop(m, l, hop, "");
	}
}

const char *vip_leaving_name(const struct vip_map *m, uint32_t id)
{
	const struct vip_leaving *l = find(m, id);

	return l ? l->name : "";
}

uint32_t vip_leaving_due(struct vip_map *m, uint64_t now_ms)
{
	for (size_t i = 0; i < m->n_leaving; i++) {
		struct vip_leaving *l = &m->leaving[i];

		if (l->is_over || l->until_ms > now_ms)
			continue;
		l->is_over = true;
		return l->id;
	}
	return 0;
}

void vip_leaving_end(struct vip_map *m, uint32_t id)
{
	struct vip_leaving *l = find(m, id);

	if (!l)
		return;
	log_info("backend.left", LOG_STR("backend", l->name));
	drop(m, l);
}

uint32_t vip_leaving_give(struct vip_map *m, uint64_t now_ms)
{
	struct vip_leaving *first = NULL;
	uint32_t id;

	for (size_t i = 0; i < m->n_leaving; i++) {
		struct vip_leaving *l = &m->leaving[i];

		if (!l->is_over && now_ms - l->since_ms >= GIVE_AFTER_MS &&
		    !m->backend_used[l->id] && (!first || l->until_ms < first->until_ms))
			first = l;
	}
	if (!first)
		return 0;
	id = first->id;
	drop(m, first);
	return id;
}

bool vip_map_leaves(struct dataplane *dp, const char *vip, const char *name)
{
	const uint32_t vip_id = vip ? vip_map_id(dp, vip) : 0;

	for (size_t i = 0; dp->vip && i < dp->vip->n_leaving; i++) {
		const struct vip_leaving *l = &dp->vip->leaving[i];

		if (strcmp(l->name, name) == 0 && (!vip || dp->vip->table[l->id].vip_id == vip_id))
			return true;
	}
	return false;
}

size_t vip_map_leaving(struct dataplane *dp, const char *vip, struct vip_leaving_state *ret,
		       size_t max)
{
	const uint64_t now = clock_now_ns() / NS_PER_MS;
	const uint32_t vip_id = vip_map_id(dp, vip);
	size_t n = 0;

	for (size_t i = 0; vip_id && i < dp->vip->n_leaving; i++) {
		const struct vip_leaving *l = &dp->vip->leaving[i];

		if (dp->vip->table[l->id].vip_id != vip_id)
			continue;
		if (n < max) {
			ret[n] = (struct vip_leaving_state) {
				.name = l->name,
				.address = dp->vip->table[l->id].addr,
				.why = l->why,
				.left_ms = l->until_ms > now ? l->until_ms - now : 0,
			};
			(void)nat_map_stats(dp, l->id, &ret[n].nat);
		}
		n++;
	}
	return n;
}
