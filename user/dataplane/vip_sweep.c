/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_sweep.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "sluice/abi/flow_hash.h"
#include "sluice/abi/vip_flow.h"
#include "vip_flow.h"
#include "vip_ring.h"
#include "vip_state.h"

/* Of one turn of the loop, the batch aside in which it ends; behind it the loop has four times that. */
#define PART_NS	    (4 * NS_PER_MS)
#define REST_FACTOR 4
#define COUNT_MAX   1024 /* to know whether the map is half full, to some percent */

/* While the map is half full: notes that nobody followed within it go first, as a flood's would. */
#define UNFOLLOWED_S 30

/* Whose flow it is; NULL: nobody's that is configured. */
static const struct vip_place *place_of(const struct vip_map *m, const struct vip_flow *f)
{
	const struct vip_place *p = vip_index_id(&m->index, f->backend);

	return p && m->table[f->backend].generation == f->generation ? p : NULL;
}

static bool is_idle(struct vip_map *m, const struct vip_service *s, const struct vip_flow *f,
		    uint64_t now)
{
	uint64_t unseen = f->seen_ns < now ? now - f->seen_ns : 0;

	if (m->sweep.is_tight && f->seen_ns == f->made_ns && unseen > UNFOLLOWED_S * NS_PER_S)
		return true;
	return unseen > vip_flow_idle_ns(m, s);
}

static void look(struct vip_map *m, const struct flow_key *key, const struct vip_flow *f,
		 uint64_t now)
{
	const struct vip_place *p = place_of(m, f);
	struct vip_service *s = p ? p->service : NULL;

	if (!s || is_idle(m, s, f, now)) {
		bpf_map_delete_elem(m->sweep.walk.fd, key);
		return;
	}
	s->counted++;
	if (f->seen_ns + VIP_FLOW_LIVE_S * NS_PER_S >= now)
		p->backend->counted++;
	if (s->noted)
		s->noted[flow_hash_vip_slot(key, &s->rec)] = true;
}

/* A packet that found the window open may have noted its flow until a moment after its end. */
static bool may_forget(const struct vip_service *s, uint64_t now_ms)
{
	return s->window_over && now_ms - s->window_over_ms >= VIP_GRACE_MS;
}

static int begin(struct vip_map *m, const struct pinned_map *map, uint64_t now_ms)
{
	struct vip_sweep *w = &m->sweep;
	uint32_t n = 0;
	int err = pinned_map_count(map->fd, COUNT_MAX, &n);

	w->is_tight = n > map->shape.max_entries / 2;
	w->applied = m->applied;
	w->n = 0;
	for (size_t i = 0; !err && i < m->n_services; i++) {
		struct vip_service *s = &m->services[i];

		s->counted = 0;
		for (size_t j = 0; j < s->n_backends; j++)
			s->backends[j].counted = 0;
		free(s->noted);
		s->noted = NULL;
		if (!may_forget(s, now_ms))
			continue;
		s->noted = calloc(s->rec.ring_size + 1UL, sizeof(*s->noted));
		err = s->noted ? 0 : -ENOMEM;
	}
	return err ? err : map_walk_open(&w->walk, map->fd);
}

static void end(struct vip_map *m)
{
	m->n_flows = m->sweep.n;
	if (m->sweep.applied != m->applied) /* it was counted for others */
		return;
	for (size_t i = 0; i < m->n_services; i++) {
		struct vip_service *s = &m->services[i];

		s->flows = s->counted;
		for (size_t j = 0; j < s->n_backends; j++)
			s->backends[j].flows = s->backends[j].counted;
		/* Slots of windows that are over, which no note is about: nobody needs to look there. */
		if (s->noted)
			s->window_over = vip_ring_forget_over(m, s, s->noted);
		free(s->noted);
		s->noted = NULL;
	}
}

/* 1: there is more. */
static int part(struct vip_map *m)
{
	const uint64_t began = clock_now_ns();
	struct map_walk *w = &m->sweep.walk;
	uint64_t now = began;
	int more = 1;

	while (more > 0 && now - began < PART_NS) {
		more = map_walk_next(w);
		for (uint32_t i = 0; i < w->n; i++)
			look(m, map_walk_key(w, i), map_walk_value(w, i), now);
		m->sweep.n += w->n;
		now = clock_now_ns();
	}
	if (more > 0)
		timer_start(m->loop, &m->sweep.timer,
			    1 + REST_FACTOR * ((now - began) / NS_PER_MS));
	else if (!more)
		end(m);
	if (more <= 0)
		vip_sweep_stop(m);
	return more;
}

static void on_timer(struct timer *t)
{
	int err = part(container_of(t, struct vip_map, sweep.timer));

	if (err < 0)
		log_error("vip.flows_unread", LOG_STR("error", strerror(-err)));
}

int vip_sweep_start(struct vip_map *m)
{
	const struct pinned_map *map = pinned_map_find(m->dp, "vip_flow");
	int err = map ? 0 : -ENOENT;

	if (timer_running(&m->sweep.timer))
		return 0;
	if (!err)
		err = begin(m, map, clock_now_ns() / NS_PER_MS);
	if (err) {
		vip_sweep_stop(m);
		return err;
	}
	m->sweep.timer.on_due = on_timer;
	err = part(m);
	return err < 0 ? err : 0;
}

void vip_sweep_stop(struct vip_map *m)
{
	timer_stop(&m->sweep.timer);
	map_walk_clear(&m->sweep.walk);
}
