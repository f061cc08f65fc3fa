/* SPDX-License-Identifier: BSD-2-Clause */
#include "resize_ring.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout_convert.h"
#include "map_view.h"
#include "sluice/abi/vip.h"
#include "vip_before.h"

uint32_t resize_ring_stride(const struct map_shape *ring, const struct map_shape *vips)
{
	return vips->max_entries ? ring->max_entries / (2 * vips->max_entries) : 0;
}

/* Both maps, as they are in memory, and the records of backends that slots name. */
struct copy {
	struct dataplane *dp;
	struct map_view from, to;
	uint32_t was, is; /* strides */
	int backends_fd;
};

static void copy_clear(struct copy *c)
{
	map_view_close(&c->from);
	map_view_close(&c->to);
}

/* The ring in force of a vip. */
static uint64_t *ring_of(const struct map_view *v, const struct vip *rec, uint32_t stride)
{
	return (uint64_t *)(void *)v->mem + ((size_t)rec->id * 2 + rec->ring) * stride;
}

/* Flows of nat are all known, and connections of QUIC say themselves where they are. */
static bool has_windows(const struct vip *rec)
{
	return !(rec->flags & (VIP_NAT | VIP_QUIC));
}

/* Whose flows were by the ring of before, for vip_flow_before (bpf/stage/vip_flow.h). */
static int put_before(const struct copy *c, const struct vip *rec, const uint64_t *ring)
{
	CLEANUP_FREE struct vip_before *was = calloc(rec->ring_size, sizeof(*was));
	struct backend b = { 0 };
	uint32_t last = 0;

	if (!was)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < rec->ring_size; slot++) {
		const uint32_t id = vip_before_id(ring[slot]);

		/* Mostly the same few of them, but not in a row. */
		if (id != last && bpf_map_lookup_elem(c->backends_fd, &id, &b))
			b.generation = 0;
		last = id;
		was[slot] = (struct vip_before) { id, b.generation };
	}
	return vip_before_put(c->dp, rec->id, was, rec->ring_size);
}

/*
 * The window that all of its slots are in from now on: vip_flow_adopt begins it, where none is open.
 * False: flows have what the slot says that most of theirs had.
 */
static bool keep_whole(const struct copy *c, const struct vip *rec, const uint64_t *ring)
{
	struct vip_window *windows = pinned_map_mem(c->dp, "vip_window");
	bool is_open = false;

	if (!has_windows(rec) || !windows)
		return false;
	if (VIP_SLOT_BEFORE(ring[0]) == VIP_BEFORE_RING) /* one was open for the same reason */
		return true;
	if (put_before(c, rec, ring))
		return false;
	for (uint32_t slot = 0; slot < rec->ring_size && !is_open; slot++)
		is_open = VIP_SLOT_BEFORE(ring[slot]) &&
			  VIP_SLOT_BEFORE(ring[slot]) != VIP_BEFORE_OVER;
	if (!is_open)
		windows[rec->id].opened_ns = 0;
	return true;
}

/*
 * Stretch the old ring over the new one: a slot is the hash scaled to the ring (abi/flow_hash.h), so
 * nearly every new flow finds the backend that it would have had, until vip_map_apply fills the ring.
 */
static int stretch(const struct copy *c, const struct vip_key *key, struct vip rec)
{
	uint64_t *to = ring_of(&c->to, &rec, c->is);
	const uint64_t *from = ring_of(&c->from, &rec, c->was);
	const bool is_whole = keep_whole(c, &rec, from);

	for (uint32_t slot = 0; slot < c->is; slot++) {
		const uint64_t word = from[(size_t)slot * rec.ring_size / c->is];

		to[slot] = is_whole ? VIP_SLOT(VIP_SLOT_BACKEND(word), VIP_BEFORE_RING) : word;
	}
	rec.ring_size = c->is;
	return bpf_map_update_elem(pinned_map_fd(c->dp, "vips"), key, &rec, BPF_ANY) ? -errno : 0;
}

/* The records are copied already, and as these programs have them. */
static int stretch_all(const struct copy *c, uint32_t max_vips)
{
	CLEANUP_FREE struct vip_key *keys = NULL;
	CLEANUP_FREE struct vip *recs = NULL;
	size_t n = 0;
	int err = pinned_map_read(pinned_map_fd(c->dp, "vips"), (void **)&keys, (void **)&recs, &n);

	for (size_t i = 0; !err && i < n; i++) {
		if (recs[i].ring_size > c->was)
			recs[i].ring_size = c->was;
		if (recs[i].ring <= 1 && recs[i].id < max_vips && recs[i].ring_size)
			err = stretch(c, &keys[i], recs[i]);
	}
	return err;
}

/* Slots of another layout, as these programs have them. */
static int convert(struct map_view *v, const struct pinned_map *ring, uint32_t slots)
{
	struct map_view is = { .bytes = pinned_map_stride(ring->shape.value_bytes) * slots,
			       .stride = pinned_map_stride(ring->shape.value_bytes) };

	is.mem = mmap(NULL, is.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (is.mem == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < slots; i++)
		layout_convert(ring, v->mem + i * v->stride, is.mem + i * is.stride);
	map_view_close(v);
	*v = is;
	return 0;
}

int resize_ring_copy(struct dataplane *dp, const struct pinned_map *ring)
{
	CLEANUP(copy_clear) struct copy c = { .dp = dp };
	const struct pinned_map *vips = pinned_map_find(dp, "vips");
	const struct pinned_map *backends = pinned_map_find(dp, "backends");
	struct map_shape old, old_vips;
	int err = vips && backends ? pinned_map_shape(ring->old_fd, &old) : -ENOENT;

	if (!err)
		err = pinned_map_shape(vips->old_fd >= 0 ? vips->old_fd : vips->fd, &old_vips);
	if (!err)
		err = map_view_open(&c.from, ring->old_fd, &old);
	if (!err && ring->moves)
		err = convert(&c.from, ring, old.max_entries);
	if (!err)
		err = map_view_open(&c.to, ring->fd, &ring->shape);
	if (err)
		return err;
	c.was = resize_ring_stride(&old, &old_vips);
	c.is = resize_ring_stride(&ring->shape, &vips->shape);
	c.backends_fd = backends->fd;
	if (c.was != c.is)
		return stretch_all(&c, vips->shape.max_entries);
	memcpy(c.to.mem, c.from.mem, c.from.bytes < c.to.bytes ? c.from.bytes : c.to.bytes);
	return 0;
}
