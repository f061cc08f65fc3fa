/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "sluice/algo/maglev.h"
#include "sluice/abi/vip_flow.h"
#include "vip_backend.h"
#include "vip_before.h"
#include "vip_flow.h"
#include "vip_ring.h"
#include "vip_state.h"

/* Slots in memory. */
struct ring {
	char *mem;
	size_t stride;
	uint32_t size;
};

/* Both parts of a slot at once, as packets read them. */
static uint64_t *ring_word(const struct ring *r, uint32_t slot)
{
	return (uint64_t *)(void *)(r->mem + slot * r->stride);
}

static uint32_t ring_get(const struct ring *r, uint32_t slot)
{
	return VIP_SLOT_BACKEND(*ring_word(r, slot));
}

static uint32_t ring_before(const struct ring *r, uint32_t slot)
{
	return VIP_SLOT_BEFORE(*ring_word(r, slot));
}

static void ring_set(struct ring *r, uint32_t slot, uint32_t id, uint32_t before)
{
	*(volatile uint64_t *)ring_word(r, slot) = VIP_SLOT(id, before);
}

/* The first `size` slots of those that each ring has room for. */
static int ring_open(struct vip_map *m, uint32_t vip_id, uint32_t which, uint32_t size,
		     struct ring *ret)
{
	const struct pinned_map *map = pinned_map_find(m->dp, "vip_ring");
	char *mem = pinned_map_mem(m->dp, "vip_ring");
	uint64_t slots = m->dp->conf.ring_size, first = ((uint64_t)vip_id * 2 + which) * slots;

	if (!map || !mem || first + slots > map->shape.max_entries)
		return -ENOMEM;
	ret->stride = pinned_map_stride(map->shape.value_bytes);
	ret->mem = mem + first * ret->stride;
	ret->size = size < slots ? size : (uint32_t)slots;
	return 0;
}

/* What an endpoint is: its address. Every node gets the same, so every node fills the same ring. */
static uint64_t endpoint_hash(const struct addr *a)
{
	uint64_t high, low;

	memcpy(&high, a->b, 8);
	memcpy(&low, a->b + 8, 8);
	return maglev_mix(maglev_mix(high) ^ low);
}

static bool in_ring(const struct vip_backend *b)
{
	return b->has_hop && b->conf.weight > 0 && b->share > 0 && !b->conf.drain_by;
}

/* The ring that the service should have. */
static int fill(const struct vip_service *s, uint32_t *ring, uint32_t size)
{
	CLEANUP_FREE struct maglev_endpoint *endpoints = NULL;
	uint32_t n = 0;
	size_t i;

	endpoints = calloc(s->n_backends + 1, sizeof(*endpoints));
	if (!endpoints)
		return -ENOMEM;
	for (i = 0; i < s->n_backends; i++) {
		const struct vip_backend *b = &s->backends[i];

		if (!in_ring(b))
			continue;
		endpoints[n++] = (struct maglev_endpoint) {
			.hash = endpoint_hash(&b->conf.address),
			.id = b->id,
			.weight = b->conf.weight * b->share,
		};
	}
	return maglev_fill(ring, size, endpoints, n);
}

/* One pass over the ring, whatever the number of backends. */
static int count_slots(const struct vip_map *m, struct vip_service *s, const uint32_t *ring,
		       uint32_t size)
{
	CLEANUP_FREE uint32_t *count = calloc(m->max_backends, sizeof(*count));
	uint32_t slot;
	size_t i;

	if (!count)
		return -ENOMEM;
	for (slot = 0; slot < size; slot++)
		count[ring[slot]]++; /* ids of our own, below max_backends */
	for (i = 0; i < s->n_backends; i++)
		s->backends[i].slots = count[s->backends[i].id];
	return 0;
}

static bool same(const struct ring *in_force, const uint32_t *want)
{
	uint32_t slot;

	for (slot = 0; slot < in_force->size; slot++) {
		if (ring_get(in_force, slot) != want[slot])
			return false;
	}
	return true;
}

int vip_ring_put_record(struct vip_map *m, const struct vip_service *s)
{
	int fd = pinned_map_fd(m->dp, "vips");

	return bpf_map_update_elem(fd, &s->key, &s->rec, BPF_ANY) ? -errno : 0;
}

/*
 * What the slot is to say of before: the backend that it had when it was moved first, for as long as
 * the window lasts, so that any number of changes knows the flows of before all of them.
 */
static uint32_t before_of(const struct ring *from, uint32_t slot, uint32_t want, bool is_kept)
{
	uint32_t is = ring_get(from, slot), before = ring_before(from, slot);

	if (!is_kept || is == want || (before && before != VIP_BEFORE_OVER))
		return before;
	return is ? is : VIP_BEFORE_NONE;
}

/* What to say of a ring of another size: the ring of before as a whole. False: there is no memory. */
static bool keep_whole(struct vip_map *m, const struct vip_service *s, const struct ring *from)
{
	struct vip_before *was;
	int err = 0;

	if (!from->size || ring_before(from, 0) == VIP_BEFORE_RING) /* of this window, already */
		return from->size;
	was = calloc(from->size, sizeof(*was));
	for (uint32_t slot = 0; was && slot < from->size; slot++) {
		const uint32_t id = vip_before_id(*ring_word(from, slot));

		was[slot].backend = id;
		was[slot].generation = id < m->max_backends ? m->table[id].generation : 0;
	}
	err = was ? vip_before_put(m->dp, s->rec.id, was, from->size) : -ENOMEM;
	free(was);
	if (err)
		log_warn("vip.ring_before_lost", LOG_STR("vip", s->name),
			 LOG_STR("error", strerror(-err)));
	return !err;
}

/* Write the idle ring, then the record that names it: in this order on every CPU. */
static int flip(struct vip_map *m, struct vip_service *s, const struct ring *from,
		const uint32_t *want, uint64_t now_ms)
{
	bool is_kept = from->size && vip_flow_open_window(m, s);
	struct vip was = s->rec;
	bool is_whole = false;
	struct ring idle;
	uint32_t slot;
	int err = ring_open(m, s->rec.id, !s->rec.ring, s->ring_size, &idle);

	if (err)
		return err;
	if (is_kept && from->size != idle.size)
		is_whole = keep_whole(m, s, from);
	for (slot = 0; slot < idle.size; slot++) {
		/* Of another size: the slot that most of this one's flows had. */
		uint32_t at = (uint32_t)((uint64_t)slot * from->size / idle.size), before = 0;

		if (is_whole)
			before = VIP_BEFORE_RING;
		else if (from->size)
			before = before_of(from, at, want[slot], is_kept);
		ring_set(&idle, slot, want[slot], before);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	s->rec.ring = !s->rec.ring;
	s->rec.ring_size = idle.size;
	err = vip_ring_put_record(m, s);
	if (err)
		s->rec = was;
	else
		s->flipped_ms = now_ms;
	return err;
}

static void update_dead(struct vip_map *m, const struct vip_service *s)
{
	uint64_t now_s = clock_wall_ns() / NS_PER_S;
	size_t i;

	for (i = 0; i < s->n_backends; i++) {
		const struct vip_backend *b = &s->backends[i];

		vip_backend_set_dead(m, b->id,
				     !b->share || (b->conf.drain_by && b->conf.drain_by <= now_s));
	}
}

int vip_ring_update(struct vip_map *m, struct vip_service *s, uint64_t now_ms)
{
	CLEANUP_FREE uint32_t *want = NULL;
	struct ring in_force;
	int err = ring_open(m, s->rec.id, s->rec.ring, s->rec.ring_size, &in_force);

	if (err || !s->dirty)
		return err;
	/* Who is dead gets nothing from now on, whenever the ring can be changed. */
	update_dead(m, s);
	want = calloc(s->ring_size, sizeof(*want));
	if (!want)
		return -ENOMEM;
	err = fill(s, want, s->ring_size);
	if (err)
		return err;
	if (s->ring_size != in_force.size || !same(&in_force, want)) {
		if (s->flipped_ms && now_ms - s->flipped_ms < VIP_GRACE_MS)
			return -EAGAIN;
		err = flip(m, s, &in_force, want, now_ms);
	}
	if (!err)
		err = count_slots(m, s, want, s->ring_size);
	if (!err)
		s->dirty = false;
	return err;
}

int vip_ring_adopt(struct vip_map *m, struct vip_service *s)
{
	CLEANUP_FREE uint32_t *slots = NULL;
	bool is_open = false, is_over = false;
	struct ring in_force;
	uint32_t slot;
	int err = ring_open(m, s->rec.id, s->rec.ring, s->rec.ring_size, &in_force);

	if (err)
		return err;
	slots = calloc(in_force.size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (slot = 0; slot < in_force.size; slot++) {
		uint32_t id = ring_get(&in_force, slot), before = ring_before(&in_force, slot);

		slots[slot] = id < m->max_backends ? id : 0; /* from a pin: not ours alone */
		is_over = is_over || before == VIP_BEFORE_OVER;
		is_open = is_open || (before && before != VIP_BEFORE_OVER);
	}
	if (!is_open) /* an agent that stopped half-way may have left one */
		vip_before_forget(m->dp, s->rec.id);
	vip_flow_adopt(m, s, is_open, is_over);
	return count_slots(m, s, slots, in_force.size);
}

void vip_ring_end_window(struct vip_map *m, const struct vip_service *s)
{
	struct ring r;
	uint32_t slot;

	if (ring_open(m, s->rec.id, s->rec.ring, s->rec.ring_size, &r))
		return;
	for (slot = 0; slot < r.size; slot++) {
		if (ring_before(&r, slot))
			ring_set(&r, slot, ring_get(&r, slot), VIP_BEFORE_OVER);
	}
	vip_before_forget(m->dp, s->rec.id);
}

bool vip_ring_forget_over(struct vip_map *m, const struct vip_service *s, const bool *noted)
{
	bool is_left = false;
	struct ring r;
	uint32_t slot;

	if (ring_open(m, s->rec.id, s->rec.ring, s->rec.ring_size, &r))
		return false;
	for (slot = 0; slot < r.size; slot++) {
		if (ring_before(&r, slot) != VIP_BEFORE_OVER)
			continue;
		is_left = is_left || noted[slot];
		if (!noted[slot])
			ring_set(&r, slot, ring_get(&r, slot), 0);
	}
	return is_left;
}

void vip_ring_forget_backends(struct vip_map *m, uint32_t vip_id, const bool *ids)
{
	struct ring r;
	uint32_t which, slot;

	for (which = 0; which < 2; which++) {
		if (ring_open(m, vip_id, which, m->dp->conf.ring_size, &r))
			continue;
		for (slot = 0; slot < r.size; slot++) {
			uint32_t before = ring_before(&r, slot);

			if (before < m->max_backends && ids[before])
				ring_set(&r, slot, ring_get(&r, slot), VIP_BEFORE_NONE);
		}
	}
}

void vip_ring_zero(struct vip_map *m, uint32_t vip_id)
{
	struct ring r;
	uint32_t which, slot;

	vip_before_forget(m->dp, vip_id);
	for (which = 0; which < 2; which++) {
		if (ring_open(m, vip_id, which, m->dp->conf.ring_size, &r))
			continue;
		for (slot = 0; slot < r.size; slot++)
			ring_set(&r, slot, 0, 0);
	}
}
