/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "sluice/abi/stats.h"
#include "sluice/abi/vip_flow.h"
#include "vip_ring.h"
#include "vip_state.h"
#include "vip_sweep.h"

/* Up to so many notes are read each tick, and each fifth; more each fifteenth. */
#define EACH_TICK_MAX  16384
#define FIFTH_TICK_MAX 131072

static struct vip_window *window_of(struct vip_map *m, const struct vip_service *s)
{
	char *mem = pinned_map_mem(m->dp, "vip_window");

	return mem ? (struct vip_window *)(void *)mem + s->rec.id : NULL;
}

/* When the drain of the backend ends that ends last: CLOCK_MONOTONIC; 0: none runs. */
static uint64_t drained_ns(const struct vip_service *s)
{
	uint64_t now_s = clock_wall_ns() / NS_PER_S, by_s = 0;
	size_t i;

	for (i = 0; i < s->n_backends; i++) {
		if (s->backends[i].conf.drain_by > by_s)
			by_s = s->backends[i].conf.drain_by;
	}
	return by_s > now_s ? clock_now_ns() + (by_s - now_s) * NS_PER_S : 0;
}

/* What forwarded nothing has no flow to lose: a first ring, and backends that join it one by one. */
static bool has_flows(struct vip_map *m, const struct vip_service *s)
{
	struct stats_vip stats;
	int fd = pinned_map_fd(m->dp, "stats_vip");

	return pinned_map_sum(fd, &s->rec.id, sizeof(stats), (uint64_t *)&stats) ||
	       stats.forwarded.packets;
}

bool vip_flow_open_window(struct vip_map *m, struct vip_service *s)
{
	struct vip_window *w = window_of(m, s);
	uint64_t now = clock_now_ns(), drained = drained_ns(s);
	uint64_t until = now + s->drain_ms * NS_PER_MS;

	if (drained > until)
		until = drained;
	/* Flows of nat are all known, and connections of QUIC say themselves where they are. */
	if (!w || until == now || s->rec.flags & (VIP_NAT | VIP_QUIC) ||
	    (!s->window_open && !has_flows(m, s)))
		return false;
	if (!s->window_open)
		w->opened_ns = now;
	if (!s->window_open || w->until_ns < until)
		w->until_ns = until;
	s->window_open = true;
	/* A sweep that goes on has not seen all notes of this one. */
	free(s->noted);
	s->noted = NULL;
	return true;
}

void vip_flow_adopt(struct vip_map *m, struct vip_service *s, bool is_open, bool is_over)
{
	struct vip_window *w = window_of(m, s);
	uint64_t now = clock_now_ns();

	s->window_open = is_open && w;
	s->window_over = is_over;
	s->window_over_ms = now / NS_PER_MS;
	/* Written by an agent before us, of this boot; else it is none that we can have. */
	if (s->window_open && (!w->opened_ns || w->opened_ns > now)) {
		w->opened_ns = now;
		w->until_ns = now + s->drain_ms * NS_PER_MS;
	}
}

/* Is there a backend whose drain ends by then, and whose flows may go to it? */
static bool has_drain(const struct vip_map *m, const struct vip_service *s, uint64_t by_s)
{
	size_t i;

	for (i = 0; i < s->n_backends; i++) {
		const struct vip_backend *b = &s->backends[i];

		if (b->conf.drain_by && b->conf.drain_by <= by_s &&
		    !(m->table[b->id].flags & BACKEND_DEAD))
			return true;
	}
	return false;
}

bool vip_flow_drain_ended(const struct vip_map *m, const struct vip_service *s)
{
	return has_drain(m, s, clock_wall_ns() / NS_PER_S);
}

bool vip_flow_is_busy(const struct vip_map *m)
{
	size_t i;

	for (i = 0; i < m->n_services && !m->n_leaving; i++) {
		const struct vip_service *s = &m->services[i];

		if (s->window_open || s->window_over || has_drain(m, s, UINT64_MAX))
			return true;
	}
	return m->n_leaving > 0;
}

/*
 * A drain that was begun while the window was open, or prolonged; and one that was taken back, or
 * went with its backend: the window need not wait for that deadline any more.
 */
static void close_window(struct vip_map *m, struct vip_service *s, uint64_t now)
{
	struct vip_window *w = window_of(m, s);
	uint64_t drained = drained_ns(s), until = (s->flipped_ms + s->drain_ms) * NS_PER_MS;

	if (until < drained)
		until = drained;
	if (w->until_ns < drained || w->until_ns > until)
		w->until_ns = until;
	if (w->until_ns > now)
		return;
	vip_ring_end_window(m, s);
	s->window_open = false;
	s->window_over = true;
	s->window_over_ms = now / NS_PER_MS;
	log_info("vip.window_over", LOG_STR("vip", s->name));
}

/* A flow may be idle for as long as its vip's windows are. */
uint64_t vip_flow_idle_ns(struct vip_map *m, const struct vip_service *s)
{
	const struct vip_window *w = window_of(m, s);
	uint64_t span = w && w->until_ns > w->opened_ns ? w->until_ns - w->opened_ns : 0;
	uint64_t least = s->drain_ms * NS_PER_MS;

	return span > least ? span : least;
}

void vip_flow_tick(struct vip_map *m)
{
	uint64_t now = clock_now_ns();
	uint32_t every = m->n_flows <= EACH_TICK_MAX ? 1 : m->n_flows <= FIFTH_TICK_MAX ? 5 : 15;
	size_t i;
	int err;

	for (i = 0; i < m->n_services; i++) {
		if (m->services[i].window_open)
			close_window(m, &m->services[i], now);
	}
	/* What is not moved yet would not be met, and taken for gone. */
	if (m->flow_ticks++ % every || map_move_runs(m->dp, MAP_MOVE_VIP_FLOW))
		return;
	err = vip_sweep_start(m);
	if (err)
		log_error("vip.flows_unread", LOG_STR("error", strerror(-err)));
}

int vip_flow_get(struct dataplane *dp, const char *vip, struct vip_flow_state *ret)
{
	struct vip_map *m = dp->vip;
	const struct vip_service *s = NULL;
	struct vip_flow_state state = { 0 };
	const struct vip_window *w;
	uint64_t now = clock_now_ns();
	size_t i;
	int err;

	for (i = 0; m && i < m->n_services && !s; i++) {
		if (strcmp(m->services[i].name, vip) == 0)
			s = &m->services[i];
	}
	if (!s)
		return -ENOENT;
	err = pinned_map_sum(pinned_map_fd(dp, "stats_flow"), &s->rec.id, sizeof(state.counts),
			     (uint64_t *)&state.counts);
	if (err)
		return err;
	w = window_of(m, s);
	state.is_open = s->window_open;
	state.left_ms =
		w && state.is_open && w->until_ns > now ? (w->until_ns - now) / NS_PER_MS : 0;
	state.flows = s->flows;
	*ret = state;
	return 0;
}
