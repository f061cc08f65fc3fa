/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "sluice/algo/maglev.h"
#include "vip_ring.h"
#include "vip_state.h"

/* Slots in memory: u32 values in strides of 8 bytes. */
struct ring {
	char *mem;
	size_t stride;
	uint32_t size;
};

static uint32_t ring_get(const struct ring *r, uint32_t slot)
{
	return *(const uint32_t *)(r->mem + slot * r->stride);
}

static void ring_set(struct ring *r, uint32_t slot, uint32_t id)
{
	*(volatile uint32_t *)(r->mem + slot * r->stride) = id;
}

static int ring_open(struct vip_map *m, uint32_t vip_id, uint32_t which, struct ring *ret)
{
	const struct pinned_map *map = pinned_map_find(m->dp, "vip_ring");
	char *mem = pinned_map_mem(m->dp, "vip_ring");
	uint64_t slots = m->dp->conf.ring_size, first = ((uint64_t)vip_id * 2 + which) * slots;

	if (!map || !mem || first + slots > map->shape.max_entries)
		return -ENOMEM;
	ret->stride = pinned_map_stride(map->shape.value_bytes);
	ret->mem = mem + first * ret->stride;
	ret->size = (uint32_t)slots;
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

/* Write the idle ring, then the record that names it: in this order on every CPU. */
static int flip(struct vip_map *m, struct vip_service *s, const uint32_t *want, uint64_t now_ms)
{
	struct ring idle;
	uint32_t slot;
	int err = ring_open(m, s->rec.id, !s->rec.ring, &idle);

	if (err)
		return err;
	for (slot = 0; slot < idle.size; slot++)
		ring_set(&idle, slot, want[slot]);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	s->rec.ring = !s->rec.ring;
	s->rec.ring_size = idle.size;
	err = vip_ring_put_record(m, s);
	if (err)
		s->rec.ring = !s->rec.ring;
	else
		s->flipped_ms = now_ms;
	return err;
}

int vip_ring_update(struct vip_map *m, struct vip_service *s, uint64_t now_ms)
{
	CLEANUP_FREE uint32_t *want = NULL;
	struct ring in_force;
	int err = ring_open(m, s->rec.id, s->rec.ring, &in_force);

	if (err || !s->dirty)
		return err;
	want = calloc(in_force.size, sizeof(*want));
	if (!want)
		return -ENOMEM;
	err = fill(s, want, in_force.size);
	if (err)
		return err;
	if (s->rec.ring_size != in_force.size || !same(&in_force, want)) {
		if (s->flipped_ms && now_ms - s->flipped_ms < VIP_GRACE_MS)
			return -EAGAIN;
		err = flip(m, s, want, now_ms);
	}
	if (!err)
		err = count_slots(m, s, want, in_force.size);
	if (!err)
		s->dirty = false;
	return err;
}

int vip_ring_adopt(struct vip_map *m, struct vip_service *s)
{
	CLEANUP_FREE uint32_t *slots = NULL;
	struct ring in_force;
	uint32_t slot;
	int err = ring_open(m, s->rec.id, s->rec.ring, &in_force);

	if (err)
		return err;
	slots = calloc(in_force.size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (slot = 0; slot < in_force.size && slot < s->rec.ring_size; slot++) {
		uint32_t id = ring_get(&in_force, slot);

		slots[slot] = id < m->max_backends ? id : 0; /* from a pin: not ours alone */
	}
	return count_slots(m, s, slots, in_force.size);
}

void vip_ring_zero(struct vip_map *m, uint32_t vip_id)
{
	struct ring r;
	uint32_t which, slot;

	for (which = 0; which < 2; which++) {
		if (ring_open(m, vip_id, which, &r))
			continue;
		for (slot = 0; slot < r.size; slot++)
			ring_set(&r, slot, 0);
	}
}
