/* SPDX-License-Identifier: BSD-2-Clause */
#include "nat_resize.h"

#include <bpf/bpf.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout_convert.h"
#include "limit_concurrent.h"
#include "map_view.h"
#include "nat_map.h"

/*
 * Slots that are free begin with lives that none of the old ones' tuples has, also such as begin before
 * the flip. Programs compare the lower 16 bits in places.
 */
#define LIVES_APART 4096

static struct nat_flow *flows_of(const struct map_view *v)
{
	return (struct nat_flow *)(void *)v->mem;
}

bool nat_resize_keeps_slots(struct dataplane *dp)
{
	const struct pinned_map *flows = pinned_map_find(dp, "nat_flow");
	const struct pinned_map *tuples = pinned_map_find(dp, "nat_tuple");
	struct map_shape old;

	return flows && tuples && flows->fate == MAP_RESIZED && tuples->fate == MAP_RESIZED &&
	       pinned_map_shape(flows->old_fd, &old) == 0 &&
	       old.max_entries <= flows->shape.max_entries;
}

/* A flow into a slot, with both tuples by which packets find it. One without its tuples is found by none. */
static void put_flow(int tuple_fd, struct nat_flow *flows, uint32_t slot, const struct nat_flow *f)
{
	struct nat_ref ref = { .slot = slot, .life = f->life };

	flows[slot] = *f;
	bpf_map_update_elem(tuple_fd, &f->client, &ref, BPF_ANY);
	ref.is_back = 1;
	bpf_map_update_elem(tuple_fd, &f->answer, &ref, BPF_ANY);
}

/* The table that is replaced, perhaps of another layout. */
struct old_flows {
	const struct pinned_map *map;
	const struct map_view *view;
	uint32_t n;
};

static bool read_old(const struct old_flows *o, uint32_t slot, struct nat_flow *ret)
{
	const char *from = o->view->mem + slot * o->view->stride;
	struct nat_flow again;

	if (!o->map->moves)
		return nat_map_read_flow((const struct nat_flow *)(const void *)from, ret);
	layout_convert(o->map, from, ret);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	layout_convert(o->map, from, &again);
	return nat_map_read_flow(&again, ret) && again.life == ret->life;
}

/*
 * Those for which there is no room are their clients' connections no more. Programs still run on the old
 * maps: one of those that ends there until they do no longer is taken off twice.
 */
static void copy_flows(struct dataplane *dp, const struct old_flows *from, struct nat_flow *to,
		       uint32_t n_to)
{
	const int tuple_fd = pinned_map_fd(dp, "nat_tuple");
	struct nat_flow f;
	uint32_t free = 0;

	for (uint32_t i = 0; i < from->n && i < n_to; i++) {
		if (read_old(from, i, &f))
			put_flow(tuple_fd, to, i, &f);
	}
	/* Those whose slot is none any more take what the others left. */
	for (uint32_t i = n_to; i < from->n; i++) {
		if (!read_old(from, i, &f))
			continue;
		while (free < n_to && to[free].phase != NAT_FREE)
			free++;
		if (free < n_to)
			put_flow(tuple_fd, to, free, &f);
		else
			limit_concurrent_lose(dp, &f.place);
	}
}

static void grow(const struct nat_flow *from, uint32_t n_from, struct nat_flow *to)
{
	struct nat_flow f;

	for (uint32_t i = 0; i < n_from; i++) {
		if (__atomic_load_n(&from[i].phase, __ATOMIC_RELAXED) >= NAT_OPENING &&
		    nat_map_read_flow(&from[i], &f))
			to[i] = f;
		else
			to[i].life = __atomic_load_n(&from[i].life, __ATOMIC_RELAXED) + LIVES_APART;
	}
}

int nat_resize_copy(struct dataplane *dp, const struct pinned_map *m, const struct map_shape *old)
{
	CLEANUP(map_view_close) struct map_view from = { 0 }, to = { 0 };
	const struct old_flows flows = { m, &from, old->max_entries };
	int err = map_view_open(&from, m->old_fd, old);

	if (!err)
		err = map_view_open(&to, m->fd, &m->shape);
	if (err)
		return err;
	if (nat_resize_keeps_slots(dp))
		grow(flows_of(&from), old->max_entries, flows_of(&to));
	else
		copy_flows(dp, &flows, flows_of(&to), m->shape.max_entries);
	return 0;
}

/* As programs take a slot: by its phase. */
static bool take(struct nat_flow *f)
{
	enum nat_phase was = NAT_FREE;

	return __atomic_compare_exchange_n(&f->phase, &was, NAT_BUSY, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static void catch_up(struct dataplane *dp, const struct nat_flow *from, struct nat_flow *to)
{
	enum nat_phase phase;
	struct nat_flow f;

	if (__atomic_load_n(&from->phase, __ATOMIC_RELAXED) < NAT_OPENING ||
	    __atomic_load_n(&from->life, __ATOMIC_RELAXED) ==
		    __atomic_load_n(&to->life, __ATOMIC_RELAXED) ||
	    !nat_map_read_flow(from, &f))
		return;
	if (!take(to)) {
		limit_concurrent_lose(dp, &f.place);
		return;
	}
	phase = f.phase;
	f.phase = NAT_BUSY; /* until all of it is there */
	*to = f;
	__atomic_store_n(&to->phase, phase, __ATOMIC_RELEASE);
}

void nat_resize_catch_up(struct dataplane *dp, const struct pinned_map *m)
{
	CLEANUP(map_view_close) struct map_view from = { 0 }, to = { 0 };
	struct map_shape old;

	if (!nat_resize_keeps_slots(dp) || pinned_map_shape(m->old_fd, &old) ||
	    map_view_open(&from, m->old_fd, &old) || map_view_open(&to, m->fd, &m->shape))
		return;
	for (uint32_t i = 0; i < old.max_entries; i++)
		catch_up(dp, &flows_of(&from)[i], &flows_of(&to)[i]);
}
