/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vip keeps its id by its key, also across restarts. What packets in flight may still use (the
 * ring of before, the record of a backend that left, the rings of a vip that is gone) is touched
 * only VIP_GRACE_MS later: by the timer, which also coalesces changes that come in bursts.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "nat_map.h"
#include "path_mtu_map.h"
#include "quic_key.h"
#include "quic_map.h"
#include "vip_backend.h"
#include "vip_flow.h"
#include "vip_id.h"
#include "vip_leaving.h"
#include "vip_map.h"
#include "vip_ring.h"
#include "vip_service.h"
#include "vip_share.h"
#include "vip_state.h"
#include "vip_sweep.h"
#include "vip_wide.h"

#define VIP_RINGS_PER_TURN 16
#define VIP_FLOW_TICK_MS   1000

static uint64_t now_ms(void)
{
	return clock_now_ns() / NS_PER_MS;
}

static struct vip_service *find_name(struct dataplane *dp, const char *name)
{
	for (size_t i = 0; dp->vip && i < dp->vip->n_services; i++) {
		if (strcmp(dp->vip->services[i].name, name) == 0)
			return &dp->vip->services[i];
	}
	return NULL;
}

static int retire(struct vip_map *m, bool is_vip, uint32_t id)
{
	struct vip_retired *p;

	if (m->n_retired == m->room_retired) {
		size_t room = m->room_retired ? m->room_retired * 2 : 64;

		p = realloc(m->retired, room * sizeof(*p));
		if (!p)
			return -ENOMEM;
		m->retired = p;
		m->room_retired = room;
	}
	m->retired[m->n_retired++] = (struct vip_retired) { is_vip, id, now_ms() + VIP_GRACE_MS };
	return 0;
}

/* Does a service still need the backend's record? It may have come back, or got a hop again. */
static bool is_needed(const struct vip_map *m, uint32_t backend_id)
{
	const struct vip_place *p = vip_index_id(&m->index, backend_id);

	return p && p->backend->has_hop;
}

/* Are all rings what they should be, and the ones of before out of use? */
static bool is_settled(const struct vip_map *m, uint64_t now)
{
	for (size_t i = 0; i < m->n_services; i++) {
		const struct vip_service *s = &m->services[i];

		if (s->dirty || (s->flipped_ms && now - s->flipped_ms < VIP_GRACE_MS))
			return false;
	}
	return true;
}

static bool bury(struct vip_map *m, const struct vip_retired *r, uint64_t now, bool settled)
{
	if (r->due_ms > now || (!r->is_vip && !settled))
		return false;
	if (r->is_vip) {
		vip_ring_zero(m, r->id);
		m->vip_used[r->id] = false;
		return true;
	}
	if (!is_needed(m, r->id)) {
		vip_backend_clear(m, r->id);
		vip_leaving_end(m, r->id);
	}
	return true;
}

static void bury_due(struct vip_map *m, uint64_t now)
{
	bool settled = is_settled(m, now);
	size_t i = 0;

	while (i < m->n_retired) {
		if (bury(m, &m->retired[i], now, settled))
			m->retired[i] = m->retired[--m->n_retired];
		else
			i++;
	}
}

static int update_ring(struct vip_map *m, struct vip_service *s, uint64_t now)
{
	int err = s->dirty ? quic_map_update(m, s) : 0;

	if (!err && s->dirty)
		err = vip_ring_update(m, s, now);
	if (err && err != -EAGAIN)
		log_error("vip.write_failed", LOG_STR("vip", s->name),
			  LOG_STR("error", strerror(-err)));
	if (!err)
		vip_share_follow(m, s, now);
	return err;
}

/* As many as one turn of the loop may have time for, beginning where the last one ended. */
static bool update_some(struct vip_map *m, uint64_t now, bool *again)
{
	size_t i, filled = 0;

	for (i = 0; i < m->n_services; i++) {
		size_t at = (m->next_ring + i) % m->n_services;
		struct vip_service *s = &m->services[at];

		filled += s->dirty;
		if (filled > VIP_RINGS_PER_TURN) {
			m->next_ring = at;
			return true;
		}
		*again = update_ring(m, s, now) || *again;
	}
	return false;
}

/*
 * Fill what is dirty and may be written; come back for the rest. A ring takes a millisecond or two, so
 * with many of them the loop has others to serve in between, and half of the time is theirs.
 */
static void update_rings(struct vip_map *m)
{
	uint64_t now = now_ms();
	bool again = false, more = update_some(m, now, &again);

	while (more && m->dp->is_filling)
		more = update_some(m, now, &again);
	bury_due(m, now);
	m->rest_ms = now_ms() - now;
	if (more)
		timer_start(m->loop, &m->timer, 1 + m->rest_ms);
	else if (again || m->n_retired)
		timer_start(m->loop, &m->timer, VIP_GRACE_MS + m->rest_ms);
	if (vip_flow_is_busy(m) && !timer_running(&m->flow_timer))
		timer_start(m->loop, &m->flow_timer, VIP_FLOW_TICK_MS);
}

/* Soon, not now: changes come in bursts. A timer that runs is due then: starting it puts it off. */
static void update_soon(struct vip_map *m)
{
	if (!timer_running(&m->timer))
		timer_start(m->loop, &m->timer, 1 + m->rest_ms);
}

static void on_timer(struct timer *t)
{
	update_rings(container_of(t, struct vip_map, timer));
}

static void look_at_paths(struct vip_map *m)
{
	int again = path_mtu_map_look(m);

	if (again < 0)
		log_error("vip.path_mtu_failed", LOG_STR("error", strerror(-again)));
	if (again)
		timer_start(m->loop, &m->path_timer, PATH_MTU_LOOK_MS);
}

static void on_path_timer(struct timer *t)
{
	look_at_paths(container_of(t, struct vip_map, path_timer));
}

/* A drain may have ended: who is dead is looked at with the ring, which need not change for it. */
static void on_flow_timer(struct timer *t)
{
	struct vip_map *m = container_of(t, struct vip_map, flow_timer);
	uint32_t id;

	for (size_t i = 0; i < m->n_services; i++)
		m->services[i].dirty =
			m->services[i].dirty || vip_flow_drain_ended(m, &m->services[i]);
	while ((id = vip_leaving_due(m, now_ms())))
		retire(m, false, id);
	vip_flow_tick(m);
	update_rings(m);
}

static void on_hop(const struct addr *a, const struct neigh_hop *hop, const char *why, void *ctx)
{
	const struct vip_place *p;
	struct vip_map *m = ctx;
	uint32_t step = 0;

	while ((p = vip_index_addr(&m->index, a, &step))) {
		struct vip_backend *b = p->backend;

		if (!vip_backend_set_hop(m, p->service, b, hop, why))
			continue;
		p->service->dirty = true;
		if (!b->has_hop)
			retire(m, false, b->id);
		log_info(b->has_hop ? "backend.ready" : "backend.lost",
			 LOG_STR("vip", p->service->name), LOG_STR("backend", b->conf.name),
			 LOG_STR("why", b->why));
	}
	vip_leaving_set_hop(m, a, hop, why);
	update_soon(m);
}

static void map_free(struct vip_map *m)
{
	timer_stop(&m->timer);
	timer_stop(&m->path_timer);
	timer_stop(&m->flow_timer);
	vip_sweep_stop(m);
	neigh_close(m->neigh);
	vip_index_clear(&m->index);
	vip_service_free(m->services, m->n_services);
	vip_id_close(m);
	free(m->table);
	free(m->backend_used);
	free(m->retired);
	free(m->leaving);
	free(m->vip_used);
	free(m->quic_keyed);
	free(m->quic_wanted);
	free(m);
}

static int map_open(struct dataplane *dp, struct loop *loop, struct vip_map **ret)
{
	const struct pinned_map *vips = pinned_map_find(dp, "vips");
	struct vip_map *m;
	int err;

	if (!vips)
		return -ENOENT;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->dp = dp;
	m->loop = loop;
	m->timer.on_due = on_timer;
	m->path_timer.on_due = on_path_timer;
	m->flow_timer.on_due = on_flow_timer;
	m->max_vips = vips->shape.max_entries;
	m->vip_used = calloc(m->max_vips, sizeof(*m->vip_used));
	err = m->vip_used ? vip_backend_load(m) : -ENOMEM;
	if (!err)
		err = neigh_open(loop, m->max_backends, on_hop, m, &m->neigh);
	if (err) {
		map_free(m);
		return err;
	}
	*ret = m;
	return 0;
}

/* Vips in the map that are not configured: the key first, then nothing finds the ring. */
static int remove_others(struct vip_map *m, const struct vip_pinned *pinned)
{
	int fd = pinned_map_fd(m->dp, "vips"), err = 0;
	size_t i;

	for (i = 0; !err && i < pinned->n; i++) {
		if (vip_index_service(&m->index, &pinned->keys[i]))
			continue;
		if (bpf_map_delete_elem(fd, &pinned->keys[i]))
			err = -errno;
		else
			err = retire(m, true, pinned->recs[i].id);
	}
	return err;
}

/* Backends that are ready in the map and configured nowhere: cleared after the rings left them. */
static int retire_backends(struct vip_map *m)
{
	uint32_t id;
	int err = 0;

	for (id = 1; !err && id < m->max_backends; id++) {
		if ((m->table[id].flags & (BACKEND_READY | BACKEND_LOST)) && !m->backend_used[id] &&
		    !vip_leaving_has(m, id))
			err = retire(m, false, id);
	}
	return err;
}

static int watch_all(struct vip_map *m)
{
	int err = 0;

	for (size_t i = 0; !err && i < m->n_services; i++) {
		for (size_t j = 0; !err && j < m->services[i].n_backends; j++)
			err = vip_backend_watch(m, &m->services[i], &m->services[i].backends[j]);
	}
	return err;
}

static void unwatch_others(struct vip_map *m, const struct vip_service *old, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < old[i].n_backends; j++) {
			const struct addr *a = &old[i].backends[j].conf.address;
			uint32_t step = 0;

			if (!vip_index_addr(&m->index, a, &step) && !vip_leaving_has_addr(m, a))
				neigh_unwatch(m->neigh, a);
		}
	}
}

static int check(struct vip_map *m, const struct conf *conf, struct errmsg *err)
{
	size_t n = 0, i;

	for (i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *v = &conf->vips[i];

		n += v->n_backends;
		if (v->limit && !conf_limit(conf, v->limit))
			return errmsg_set(err, -ENOENT, "vips[%s].limit: there is no limit %s",
					  v->name, v->limit);
	}
	if (conf->n_vips >= m->max_vips)
		return errmsg_set(err, -ENOSPC, "%zu vips, dataplane.max_vips allows %u",
				  conf->n_vips, m->max_vips - 1);
	if (n >= m->max_backends)
		return errmsg_set(err, -ENOSPC, "%zu backends, dataplane.max_backends allows %u", n,
				  m->max_backends - 1);
	return 0;
}

/* New keys get an empty ring: until a backend is ready their packets are dropped and counted. */
static int put_records(struct vip_map *m)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < m->n_services; i++) {
		err = vip_ring_put_record(m, &m->services[i]);
		m->services[i].is_new = false;
	}
	return err;
}

/* Whether packets may skip the look-up. */
static int set_empty(struct dataplane *dp, bool empty)
{
	struct vip_state *state = pinned_map_mem(dp, "vip_state");

	if (!state)
		return -ENOENT;
	__atomic_store_n(&state->is_empty, empty, __ATOMIC_RELEASE);
	return 0;
}

int vip_map_open(struct dataplane *dp)
{
	return set_empty(dp, false);
}

static int apply(struct vip_map *m, const struct conf *conf)
{
	CLEANUP(vip_pinned_clear) struct vip_pinned pinned = { 0 };
	struct vip_service *services = NULL, *old = m->services;
	size_t n_old = m->n_services;
	struct vip_index index = { 0 }, was = m->index;
	int err = vip_pinned_read(m, &pinned);

	if (!err)
		err = vip_service_build(m, conf, &pinned, &services, &index);
	if (err)
		return err;
	m->index = index;
	m->services = services;
	m->n_services = conf->n_vips;
	m->applied++;
	err = vip_leaving_apply(m, &was);
	vip_index_clear(&was);
	unwatch_others(m, old, n_old);
	vip_service_free(old, n_old);
	if (!err)
		err = watch_all(m);
	if (!err && m->dp->is_filling)
		neigh_settle(m->neigh, VIP_HOP_WAIT_MS);
	vip_leaving_look(m);
	if (!err)
		err = set_empty(m->dp, false);
	if (!err)
		err = quic_map_apply(
			m, conf); /* before records say that connection ids are to be read */
	if (!err)
		err = nat_map_apply(m->dp, conf);
	if (!err)
		err = put_records(m);
	if (!err)
		err = vip_wide_apply(m->dp, conf);
	if (!err)
		err = remove_others(m, &pinned);
	if (!err)
		err = set_empty(m->dp, m->n_services == 0);
	if (!err)
		err = retire_backends(m);
	update_rings(m);
	look_at_paths(m);
	return err;
}

int vip_map_apply(struct dataplane *dp, struct loop *loop, const struct conf *conf,
		  struct errmsg *err)
{
	int e = dp->vip ? 0 : map_open(dp, loop, &dp->vip);

	if (e)
		return errmsg_set(err, e, "cannot open the vips: %s", strerror(-e));
	e = check(dp->vip, conf, err);
	if (!e)
		e = quic_key_check(dp, conf, err);
	if (e)
		return e;
	map_move_start(dp, loop);
	e = apply(dp->vip, conf);
	drop_cache_map_forget(dp);
	if (e == -ENOSPC)
		return errmsg_set(
			err, e,
			"the new vips and backends have no room beside those that leave, "
			"which packets may still use; remove those in a change of its own, "
			"or raise dataplane.max_vips and max_backends");
	return e ? errmsg_set(err, e, "cannot apply the vips: %s", strerror(-e)) : 0;
}

static struct vip_backend *find_place(struct dataplane *dp, const struct conf *conf, size_t vip,
				      size_t backend, struct vip_service **ret)
{
	const struct conf_vip *v = vip < conf->n_vips ? &conf->vips[vip] : NULL;
	struct vip_map *m = dp->vip;
	struct vip_service *s;
	size_t i;

	if (!m || !v || backend >= v->n_backends)
		return NULL;
	/* Nearly always it is the configuration in force, and they are in its order. */
	s = vip < m->n_services && strcmp(m->services[vip].name, v->name) == 0
		    ? &m->services[vip]
		    : find_name(dp, v->name);
	if (!s)
		return NULL;
	*ret = s;
	if (backend < s->n_backends &&
	    addr_eq(&s->backends[backend].conf.address, &v->backends[backend].address))
		return &s->backends[backend];
	for (i = 0; i < s->n_backends; i++) {
		if (addr_eq(&s->backends[i].conf.address, &v->backends[backend].address))
			return &s->backends[i];
	}
	return NULL;
}

int vip_map_set_share(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend,
		      uint32_t share)
{
	struct vip_service *s;
	struct vip_backend *b = find_place(dp, conf, vip, backend, &s);

	if (!b)
		return -ENOENT;
	if (b->share == share)
		return 0;
	b->share = share < VIP_SHARE_FULL ? share : VIP_SHARE_FULL;
	if (!share) /* its flows, too, and however long rings take */
		vip_backend_set_dead(dp->vip, b->id, true);
	s->dirty = true;
	update_soon(dp->vip);
	return 0;
}

uint32_t vip_map_backend(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend,
			 struct addr *ret_source)
{
	struct vip_service *s;
	const struct vip_backend *b = find_place(dp, conf, vip, backend, &s);

	if (b && b->has_hop)
		*ret_source = b->hop.source;
	return b ? b->id : 0;
}

uint32_t vip_map_share(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend)
{
	struct vip_service *s;
	const struct vip_backend *b = find_place(dp, conf, vip, backend, &s);

	return b ? b->share : 0;
}

void vip_map_stop(struct dataplane *dp)
{
	if (dp->vip)
		map_free(dp->vip);
	dp->vip = NULL;
}

uint32_t vip_map_id(struct dataplane *dp, const char *name)
{
	const struct vip_service *s = find_name(dp, name);

	return s ? s->rec.id : 0;
}

uint64_t vip_map_share_since_ms(struct dataplane *dp, const char *name)
{
	const struct vip_service *s = find_name(dp, name);

	return s ? s->share_since_ms : 0;
}

int vip_map_stats(struct dataplane *dp, uint32_t vip_id, struct stats_vip *ret)
{
	int fd = pinned_map_fd(dp, "stats_vip");

	if (fd < 0)
		return fd;
	return pinned_map_sum(fd, &vip_id, sizeof(*ret), (uint64_t *)ret);
}

static void backend_state(struct dataplane *dp, const struct vip_service *s,
			  const struct vip_backend *b, struct vip_backend_state *ret)
{
	int fd = pinned_map_fd(dp, "stats_backend");

	memset(ret, 0, sizeof(*ret));
	ret->conf = &b->conf;
	ret->id = b->id;
	ret->ready = b->has_hop;
	ret->slots = b->slots;
	ret->share = b->share;
	ret->share_from = b->share_from;
	ret->flows = b->flows;
	ret->mtu = b->has_hop ? dp->vip->table[b->id].mtu : 0;
	snprintf(ret->state, sizeof(ret->state), "%s",
		 !b->has_hop			       ? b->why
		 : !b->conf.weight || b->conf.drain_by ? "drained"
		 : !b->share			       ? "down"
						       : "ready");
	pinned_map_sum(fd, &b->id, sizeof(ret->forwarded), (uint64_t *)&ret->forwarded);
	ret->has_flows = s->mode == BACKEND_NAT;
	if (ret->has_flows)
		nat_map_stats(dp, b->id, &ret->nat);
}

size_t vip_map_backends(struct dataplane *dp, const char *vip, struct vip_backend_state *ret,
			size_t max)
{
	const struct vip_service *s = find_name(dp, vip);
	size_t i;

	for (i = 0; s && i < s->n_backends && i < max; i++)
		backend_state(dp, s, &s->backends[i], &ret[i]);
	return s ? s->n_backends : 0;
}
