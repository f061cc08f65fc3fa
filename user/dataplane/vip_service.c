/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "conf/vip_place.h"
#include "dataplane_state.h"
#include "limit_map.h"
#include "quic_map.h"
#include "vip_backend.h"
#include "vip_id.h"
#include "vip_leaving.h"
#include "vip_ring.h"
#include "vip_service.h"
#include "vip_state.h"

int vip_pinned_read(struct vip_map *m, struct vip_pinned *ret)
{
	size_t i;
	int err = pinned_map_read(pinned_map_fd(m->dp, "vips"), (void **)&ret->keys,
				  (void **)&ret->recs, &ret->n);

	for (i = 0; !err && i < ret->n; i++) {
		if (ret->recs[i].id == 0 || ret->recs[i].id >= m->max_vips)
			return -EPROTO;
		m->vip_used[ret->recs[i].id] = true;
	}
	return err;
}

void vip_pinned_clear(struct vip_pinned *p)
{
	free(p->keys);
	free(p->recs);
}

void vip_service_free(struct vip_service *services, size_t n)
{
	size_t i, j;

	for (i = 0; services && i < n; i++) {
		for (j = 0; j < services[i].n_backends; j++) {
			free(services[i].backends[j].conf.name);
			free(services[i].backends[j].conf.device);
		}
		free(services[i].backends);
		free(services[i].noted);
	}
	free(services);
}

static int copy_backend(const struct conf_backend *c, struct vip_backend *ret)
{
	ret->conf = *c;
	ret->conf.name = strdup(c->name);
	ret->conf.device = c->device ? strdup(c->device) : NULL;
	return ret->conf.name && (!c->device || ret->conf.device) ? 0 : -ENOMEM;
}

static int copy_conf(const struct vip_map *m, const struct conf_vip *v, struct vip_service *s)
{
	size_t i;
	int err = 0;

	snprintf(s->name, sizeof(s->name), "%s", v->name);
	s->key = vip_place_key(v);
	s->mode = (enum backend_mode)v->mode;
	s->has_source = v->has_source;
	s->source = v->source;
	s->gue_port = v->gue_port;
	s->mss_clamp = v->mss_clamp;
	s->drain_ms = v->drain_ms;
	s->ring_size = v->ring_size ? v->ring_size : m->dp->conf.ring_size;
	quic_map_compile(v, &s->quic);
	s->rec.service = limit_map_service(m->dp, v->name);
	s->rec.flags =
		(uint16_t)((v->n_quic ? VIP_QUIC : 0) | (v->mode == BACKEND_NAT ? VIP_NAT : 0) |
			   (v->echo ? VIP_ECHO : 0) | (v->by_client ? VIP_CLIENT : 0));
	s->backends = calloc(v->n_backends + 1, sizeof(*s->backends));
	if (!s->backends)
		return -ENOMEM;
	s->n_backends = v->n_backends;
	s->checked = v->health.type != CONF_HEALTH_NONE;
	for (i = 0; !err && i < v->n_backends; i++)
		err = copy_backend(&v->backends[i], &s->backends[i]);
	return err;
}

static int new_record(struct vip_map *m, struct vip *ret)
{
	uint32_t id;
	int err;

	for (id = 1; id < m->max_vips && m->vip_used[id]; id++)
		;
	if (id == m->max_vips)
		return -ENOSPC;
	*ret = (struct vip) { .id = id };
	if (getrandom(ret->hash_seed, sizeof(ret->hash_seed), 0) != sizeof(ret->hash_seed))
		return -EIO;
	/* An agent before us may have stopped before it cleaned up behind a vip of this id. */
	vip_ring_zero(m, id);
	err = pinned_map_zero(pinned_map_fd(m->dp, "stats_vip"), &id, sizeof(struct stats_vip));
	if (!err)
		err = pinned_map_zero(pinned_map_fd(m->dp, "stats_quic"), &id,
				      sizeof(struct stats_quic));
	if (!err)
		m->vip_used[id] = true;
	return err;
}

/* The record: this process', a pinned one, or a new one. */
static int find_record(struct vip_map *m, const struct vip_pinned *pinned, struct vip_service *s)
{
	const struct vip_service *old = vip_index_service(&m->index, &s->key);
	uint16_t service = s->rec.service, flags = s->rec.flags;
	size_t i = 0;
	int err;

	while (!old && i < pinned->n && memcmp(&pinned->keys[i], &s->key, sizeof(s->key)) != 0)
		i++;
	if (old) {
		s->rec = old->rec;
		s->flipped_ms = old->flipped_ms;
		s->share_since_ms = old->share_since_ms;
		s->share_flipped_ms = old->share_flipped_ms;
		s->window_open = old->window_open;
		s->window_over = old->window_over;
		s->window_over_ms = old->window_over_ms;
		s->flows = old->flows;
	} else if (i < pinned->n) {
		s->rec = pinned->recs[i];
		s->rec.ring &= 1;
		s->is_found = true;
		/* Who flipped it, and when, is not known: the idle ring waits. */
		s->flipped_ms = clock_now_ns() / NS_PER_MS;
	} else {
		err = new_record(m, &s->rec);
		if (err)
			return err;
		s->rec.ring_size = s->ring_size;
		s->is_new = true;
	}
	s->rec.service = service;
	s->rec.flags = flags;
	s->dirty = true;
	return 0;
}

/* What this process knows of the backend: more than its record says. */
static void keep_hop(const struct vip_map *m, struct vip_backend *b)
{
	const struct vip_place *p = vip_index_id(&m->index, b->id);
	const struct vip_backend *was = p ? p->backend : NULL;

	if (!was)
		return;
	b->has_hop = was->has_hop;
	b->hop = was->hop;
	b->slots = was->slots;
	b->share = was->share;
	b->flows = was->flows;
	b->share_from = was->share_from;
	memcpy(b->why, was->why, sizeof(b->why));
}

/*
 * What a ring that was found says of the backends' shares: the one with most slots for its weight has
 * all of it. Who has next to none of what that makes is as good as out.
 */
static void find_shares(const struct vip_map *m, struct vip_service *s)
{
	uint64_t most = 0; /* slots per 2^16 of weight */
	size_t i;

	for (i = 0; i < s->n_backends; i++) {
		const struct vip_backend *b = &s->backends[i];
		uint64_t each = b->conf.weight ? ((uint64_t)b->slots << 16) / b->conf.weight : 0;

		most = each > most ? each : most;
	}
	for (i = 0; i < s->n_backends; i++) {
		struct vip_backend *b = &s->backends[i];
		uint64_t full = most * b->conf.weight >> 16;
		uint64_t share = full ? (uint64_t)b->slots * VIP_SHARE_FULL / full : 0;

		/* Who is drained has no slot, but may have flows: his record knows. */
		if (!b->conf.weight || b->conf.drain_by) {
			b->share = m->table[b->id].flags & BACKEND_DEAD ? 0 : VIP_SHARE_FULL;
			continue;
		}
		/* Slots are shared to about a percent; what was all of a weight is again. */
		b->share = share > VIP_SHARE_FULL - 5 ? VIP_SHARE_FULL : (uint32_t)share;
	}
}

/* Who is drained has no slots, and was up if its server id was there. */
static void find_named(const struct vip_map *m, struct vip_service *s)
{
	size_t i;

	for (i = 0; i < s->n_backends; i++) {
		const struct conf_backend *c = &s->backends[i].conf;

		if ((c->drain_by || !c->weight) && quic_map_has(m, s, i))
			s->backends[i].share = VIP_SHARE_FULL;
	}
}

/*
 * Who is checked has nothing until it passed. But where the vips of an earlier version were made anew,
 * nobody knows who had passed: better all of them than none.
 */
static bool is_trusted(const struct vip_map *m, const struct vip_service *s)
{
	const struct pinned_map *vips = pinned_map_find(m->dp, "vips");

	return !s->checked || (m->dp->is_filling && vips && vips->fate == MAP_FORGOTTEN);
}

static int set_shares(struct vip_map *m, struct vip_service *s)
{
	int err = 0;
	size_t i;

	if (s->is_found)
		err = vip_ring_adopt(m, s);
	if (s->checked && s->is_found) {
		find_shares(m, s);
		find_named(m, s);
	}
	for (i = 0; is_trusted(m, s) && i < s->n_backends; i++)
		s->backends[i].share = VIP_SHARE_FULL;
	s->is_found = false;
	return err;
}

/* Those that have an id first, so that no other is given it. */
static void adopt_ids(struct vip_map *m, struct vip_service *services, size_t n)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < services[i].n_backends; j++) {
			struct vip_backend *b = &services[i].backends[j];

			vip_backend_adopt(m, &services[i], b);
			if (b->id)
				keep_hop(m, b);
		}
	}
}

/* Ids that were another backend's before, and of which vips. */
struct recycled {
	bool *ids, *vips;
};

static void recycled_clear(struct recycled *r)
{
	free(r->ids);
	free(r->vips);
}

static int recycled_open(const struct vip_map *m, struct recycled *r)
{
	r->ids = calloc(m->max_backends, sizeof(*r->ids));
	r->vips = calloc(m->max_vips, sizeof(*r->vips));
	return r->ids && r->vips ? 0 : -ENOMEM;
}

/*
 * Flows of who had an id must not become the new one's. In one pass over a vip's rings, however many
 * ids: until its next hop is known the new one gets nothing anyway.
 */
static void recycled_forget(struct vip_map *m, const struct recycled *r)
{
	uint32_t id;

	for (id = 1; id < m->max_vips; id++) {
		if (r->vips[id])
			vip_ring_forget_backends(m, id, r->ids);
	}
}

static int assign_id(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
		     struct vip_id_free *f, struct recycled *r)
{
	int err = f->heap ? 0 : vip_id_collect(m, f);
	uint32_t id = err ? 0 : vip_id_take(m, f);
	const struct backend *was;

	if (!err && !id)
		id = vip_leaving_give(m, clock_now_ns() / NS_PER_MS);
	if (!err && !id)
		err = -ENOSPC;
	if (err)
		return err;
	was = &m->table[id];
	if (was->generation && was->vip_id < m->max_vips)
		r->ids[id] = r->vips[was->vip_id] = true;
	return vip_backend_assign(m, s, b, id);
}

static int assign_ids(struct vip_map *m, struct vip_service *services, size_t n)
{
	CLEANUP(vip_id_clear) struct vip_id_free f = { 0 };
	CLEANUP(recycled_clear) struct recycled r = { 0 };
	int err = recycled_open(m, &r);
	size_t i, j;

	if (err)
		return err;
	adopt_ids(m, services, n);
	for (i = 0; !err && i < n; i++) {
		for (j = 0; !err && j < services[i].n_backends; j++) {
			if (!services[i].backends[j].id)
				err = assign_id(m, &services[i], &services[i].backends[j], &f, &r);
		}
	}
	recycled_forget(m, &r);
	return err;
}

static bool is_same_backend(const struct vip_backend *a, const struct vip_backend *b)
{
	return a->conf.weight == b->conf.weight && a->conf.drain_by == b->conf.drain_by &&
	       a->share == b->share && a->has_hop == b->has_hop;
}

/* Has the ring in force what these backends make? So it need not be filled to find that out. */
static bool keeps_ring(const struct vip_map *m, const struct vip_service *s)
{
	const struct vip_service *old = vip_index_service(&m->index, &s->key);
	size_t i;

	if (!old || old->dirty || old->n_backends != s->n_backends ||
	    s->rec.ring_size != s->ring_size)
		return false;
	for (i = 0; i < s->n_backends; i++) {
		const struct vip_place *p = vip_index_id(&m->index, s->backends[i].id);

		if (!p || p->service != old || !is_same_backend(p->backend, &s->backends[i]))
			return false;
	}
	return true;
}

static void forget_new_ids(struct vip_map *m, const struct vip_service *services, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (services[i].is_new)
			m->vip_used[services[i].rec.id] = false;
	}
}

int vip_service_build(struct vip_map *m, const struct conf *conf, const struct vip_pinned *pinned,
		      struct vip_service **ret, struct vip_index *ret_index)
{
	CLEANUP_FREE bool *was_used = calloc(m->max_backends, sizeof(*was_used));
	struct vip_service *services = calloc(conf->n_vips + 1, sizeof(*services));
	size_t i;
	int err = was_used && services ? 0 : -ENOMEM;

	for (i = 0; !err && i < conf->n_vips; i++) {
		err = copy_conf(m, &conf->vips[i], &services[i]);
		if (!err)
			err = find_record(m, pinned, &services[i]);
	}
	if (!err) {
		memcpy(was_used, m->backend_used, m->max_backends * sizeof(*was_used));
		memset(m->backend_used, 0, m->max_backends * sizeof(*was_used));
		err = assign_ids(m, services, conf->n_vips);
		for (i = 0; !err && i < conf->n_vips; i++)
			err = set_shares(m, &services[i]);
		for (i = 0; !err && i < conf->n_vips; i++)
			services[i].dirty = !keeps_ring(m, &services[i]);
		if (!err)
			err = vip_index_open(ret_index, services, conf->n_vips, m->max_backends);
		if (err)
			memcpy(m->backend_used, was_used, m->max_backends * sizeof(*was_used));
	}
	if (err) {
		if (services)
			forget_new_ids(m, services, conf->n_vips);
		vip_service_free(services, conf->n_vips);
		return err;
	}
	*ret = services;
	return 0;
}
