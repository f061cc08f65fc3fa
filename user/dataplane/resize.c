/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout_convert.h"
#include "map_size.h"
#include "map_view.h"
#include "map_move.h"
#include "nat_resize.h"
#include "quic_key.h"
#include "resize.h"
#include "resize_ring.h"
#include "sluice/abi/meter.h"
#include "sluice/abi/vip.h"
#include "sluice/abi/vip_flow.h"

/* New maps may take this part of the memory that is available: the rest is the traffic's. */
#define MEMORY_NUMERATOR   3
#define MEMORY_DENOMINATOR 4

static bool is_keyed(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LPM_TRIE;
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static uint64_t memory_available(void)
{
	CLEANUP(close_file) FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kb;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) == 1)
			return kb * 1024;
	}
	return UINT64_MAX;
}

/* The kernel would rather kill another process than refuse a map: so ask first. */
static int memory_check(const struct dataplane *dp, struct errmsg *err)
{
	uint64_t available = memory_available(), sum = 0;
	const struct pinned_map *largest = NULL;
	size_t i;

	for (i = 0; i < dp->n_maps; i++) {
		const struct pinned_map *m = &dp->maps[i];

		if (m->fd >= 0)
			continue;
		sum += map_size_bytes(&m->shape);
		/* Of those that somebody can make smaller. */
		if (map_size_setting(m->name) &&
		    (!largest || map_size_bytes(&m->shape) > map_size_bytes(&largest->shape)))
			largest = m;
	}
	if (!largest || sum <= available / MEMORY_DENOMINATOR * MEMORY_NUMERATOR)
		return 0;
	return errmsg_set(err, -ENOMEM,
			  "the maps would take %" PRIu64 " MiB of the %" PRIu64
			  " MiB available; the largest is %s with %u entries (%" PRIu64
			  " MiB): lower %s",
			  sum >> 20, available >> 20, largest->name, largest->shape.max_entries,
			  map_size_bytes(&largest->shape) >> 20, map_size_setting(largest->name));
}

/* By one that has what it had. */
static struct pinned_map *replaced(struct dataplane *dp, const char *name)
{
	struct pinned_map *m = pinned_map_find(dp, name);

	return m && m->old_fd >= 0 && m->fate != MAP_FORGOTTEN ? m : NULL;
}

/* The one that is adopted has to be copied, too. */
static void replace(struct pinned_map *m)
{
	if (!m || m->fate != MAP_ADOPTED)
		return;
	m->old_fd = m->fd;
	m->fd = -1;
	m->fate = MAP_RESIZED;
}

/* Another ring size gives every vip's hash another range: rings and records change together. */
static int plan_rings(struct dataplane *dp, struct errmsg *err)
{
	struct pinned_map *ring = replaced(dp, "vip_ring"), *vips = pinned_map_find(dp, "vips");
	struct map_shape old_ring, old_vips;

	if (!vips || (vips->fd < 0 && vips->old_fd < 0))
		return 0;
	if (!ring)
		return 0;
	if (pinned_map_shape(ring->old_fd, &old_ring) ||
	    pinned_map_shape(vips->fd >= 0 ? vips->fd : vips->old_fd, &old_vips))
		return errmsg_set(err, -EIO, "cannot read the sizes of vips and vip_ring");
	if (resize_ring_stride(&old_ring, &old_vips) ==
	    resize_ring_stride(&ring->shape, &vips->shape))
		return 0;
	replace(vips);
	return 0;
}

/* Both are made of the flows: a slot of one table is not that of another. */
static void plan_nat(struct dataplane *dp)
{
	if (replaced(dp, "nat_flow"))
		replace(pinned_map_find(dp, "nat_tuple"));
	if (replaced(dp, "nat_tuple"))
		replace(pinned_map_find(dp, "nat_flow"));
}

static int no_room(struct errmsg *err, const char *setting, uint32_t size, const char *map,
		   size_t used)
{
	return errmsg_set(err, -ENOSPC,
			  "%s: %u is less than map %s needs (%zu); raise it, or remove entries "
			  "first. The running sizes stay",
			  setting, size, map, used);
}

static int fit_keyed(struct dataplane *dp, const char *name, const char *setting, size_t reserved,
		     struct errmsg *err)
{
	const struct pinned_map *m = replaced(dp, name);
	uint32_t n;
	int e;

	if (!m)
		return 0;
	e = pinned_map_count(m->old_fd, 0, &n);
	if (e)
		return errmsg_set(err, e, "cannot read map %s: %s", name, strerror(-e));
	if (n + reserved > m->shape.max_entries)
		return no_room(err, setting, m->shape.max_entries, name, n + reserved);
	return 0;
}

/* Ids in use have to stay below the new size: they are in records and rings. */
static int fit_vips(struct dataplane *dp, struct errmsg *err)
{
	const struct pinned_map *m = replaced(dp, "vips");
	CLEANUP_FREE void *keys = NULL;
	CLEANUP_FREE char *values = NULL;
	struct vip vip;
	size_t n, i;
	int e;

	if (!m)
		return 0;
	e = pinned_map_read(m->old_fd, &keys, (void **)&values, &n);
	if (e)
		return errmsg_set(err, e, "cannot read map vips: %s", strerror(-e));
	for (i = 0; i < n; i++) {
		layout_convert(m, values + i * layout_old_bytes(m), &vip);
		if (vip.id >= m->shape.max_entries)
			return no_room(err, "dataplane.max_vips", m->shape.max_entries, "vips",
				       vip.id + 1);
	}
	return 0;
}

static int fit_backends(struct dataplane *dp, struct errmsg *err)
{
	const struct pinned_map *m = replaced(dp, "backends");
	CLEANUP_FREE void *value = NULL;
	struct map_shape old;
	struct backend b;
	uint32_t id;

	if (!m || pinned_map_shape(m->old_fd, &old))
		return 0;
	value = malloc(layout_old_bytes(m));
	if (!value)
		return errmsg_set(err, -ENOMEM, "no memory");
	for (id = m->shape.max_entries; id < old.max_entries; id++) {
		if (bpf_map_lookup_elem(m->old_fd, &id, value))
			continue;
		layout_convert(m, value, &b);
		if (b.flags & (BACKEND_READY | BACKEND_LOST))
			return no_room(err, "dataplane.max_backends", m->shape.max_entries,
				       "backends", id + 1);
	}
	return 0;
}

/* Moves into maps that are replaced in their turn. */
static int finish_moves(struct dataplane *dp, struct errmsg *err)
{
	for (size_t i = 0; i < dp->n_maps; i++) {
		const struct pinned_map *m = &dp->maps[i];
		int e = map_move_is(m) ? map_move_finish(dp, m) : 0;

		if (e)
			return errmsg_set(err, e, "cannot move what is in map %s: %s", m->name,
					  strerror(-e));
	}
	return 0;
}

int resize_plan(struct dataplane *dp, struct errmsg *err)
{
	int e = plan_rings(dp, err);

	plan_nat(dp);
	if (!e)
		e = finish_moves(dp, err);
	if (!e)
		e = fit_keyed(dp, "source_split", "dataplane.max_acl", 0, err);
	if (!e)
		e = fit_keyed(dp, "source_long", "dataplane.max_acl", 0, err);
	if (!e)
		e = fit_keyed(dp, "source_v6", "dataplane.max_acl", 0, err);
	if (!e)
		e = fit_keyed(dp, "verdict_source", "dataplane.max_verdicts", 0, err);
	if (!e)
		e = fit_keyed(dp, "verdict_flow", "dataplane.max_verdicts", 0, err);
	if (!e)
		e = fit_keyed(dp, "vip_flow", "dataplane.max_flows", 0, err);
	if (!e)
		e = fit_vips(dp, err);
	if (!e)
		e = fit_backends(dp, err);
	return e ? e : memory_check(dp, err);
}

static int copy_keyed(const struct pinned_map *m, bool (*keep)(void *value, const void *ctx),
		      const void *ctx)
{
	CLEANUP_FREE char *keys = NULL;
	CLEANUP_FREE char *values = NULL;
	CLEANUP_FREE void *value = malloc(m->shape.value_bytes);
	size_t n, i;
	int err =
		value ? pinned_map_read(m->old_fd, (void **)&keys, (void **)&values, &n) : -ENOMEM;

	for (i = 0; !err && i < n; i++) {
		layout_convert(m, values + i * layout_old_bytes(m), value);
		if (keep && !keep(value, ctx))
			continue;
		if (bpf_map_update_elem(m->fd, keys + i * m->shape.key_bytes, value, BPF_ANY))
			err = -errno;
	}
	return err;
}

static int copy_array(const struct pinned_map *m, const struct map_shape *old)
{
	uint32_t n =
		old->max_entries < m->shape.max_entries ? old->max_entries : m->shape.max_entries;
	int cpus = pinned_map_is_percpu(&m->shape) ? libbpf_num_possible_cpus() : 1;
	CLEANUP_FREE void *from = NULL;
	CLEANUP_FREE void *to = NULL;
	uint32_t i;

	if (cpus < 0)
		return cpus;
	from = calloc((size_t)cpus, pinned_map_stride(layout_old_bytes(m)));
	to = calloc((size_t)cpus, pinned_map_stride(m->shape.value_bytes));
	if (!from || !to)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(m->old_fd, &i, from))
			return -errno;
		layout_convert_cpus(m, from, to, cpus);
		if (bpf_map_update_elem(m->fd, &i, to, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int copy_view(const struct pinned_map *m, const struct map_shape *old)
{
	CLEANUP(map_view_close) struct map_view from = { 0 }, to = { 0 };
	const size_t n =
		old->max_entries < m->shape.max_entries ? old->max_entries : m->shape.max_entries;
	int err = map_view_open(&from, m->old_fd, old);

	if (!err)
		err = map_view_open(&to, m->fd, &m->shape);
	if (err)
		return err;
	if (!m->moves)
		memcpy(to.mem, from.mem, n * to.stride);
	for (size_t i = 0; m->moves && i < n; i++)
		layout_convert(m, from.mem + i * from.stride, to.mem + i * to.stride);
	return 0;
}

static bool keep_meter_slot(void *value, const void *ctx)
{
	return ((const struct meter_slot *)value)->slot < *(const uint32_t *)ctx;
}

static int copy_one(struct dataplane *dp, const struct pinned_map *m)
{
	struct map_shape old;
	int err = pinned_map_shape(m->old_fd, &old);

	if (err)
		return err;
	/* A consumer whose slot has no place any more gets another one, with a full bucket. */
	if (strcmp(m->name, "meter_slots") == 0)
		return copy_keyed(m, keep_meter_slot, &m->shape.max_entries);
	if (strcmp(m->name, "vip_ring") == 0)
		return resize_ring_copy(dp, m);
	if (strcmp(m->name, "nat_tuple") == 0 && !nat_resize_keeps_slots(dp))
		return 0; /* made of the flows */
	if (map_move_is(m))
		return map_move_begin(dp, m);
	if (strcmp(m->name, "nat_flow") == 0)
		return nat_resize_copy(dp, m, &old);
	/* Nobody can read a cipher: a program of the kernel copies them. */
	if (strcmp(m->name, "quic_keys") == 0)
		return quic_key_copy(dp, m);
	/* Elsewhere, a client's credit would be another's: they ask again. */
	if (strcmp(m->name, "response_credit") == 0)
		return 0;
	/* Connections remember where they are counted: another table is another generation. */
	if (strcmp(m->name, "limit_concurrent") == 0)
		return 0;
	if (is_keyed(m->shape.type) || m->shape.type == BPF_MAP_TYPE_LRU_HASH)
		return copy_keyed(m, NULL, NULL);
	if (m->shape.flags & old.flags & BPF_F_MMAPABLE)
		return copy_view(m, &old);
	if (m->shape.type == BPF_MAP_TYPE_ARRAY || m->shape.type == BPF_MAP_TYPE_PERCPU_ARRAY)
		return copy_array(m, &old);
	return 0; /* the ring buffer: events that nobody read yet are lost */
}

void resize_catch_up(struct dataplane *dp)
{
	const struct pinned_map *m = replaced(dp, "nat_flow");

	if (m)
		nat_resize_catch_up(dp, m);
}

int resize_copy(struct dataplane *dp, struct errmsg *err)
{
	const struct pinned_map *ring = replaced(dp, "vip_ring");
	size_t i;
	int e = 0;

	map_move_show(dp);
	for (i = 0; !e && i < dp->n_maps; i++) {
		const struct pinned_map *m = &dp->maps[i];

		if (m->old_fd < 0 || m->fate == MAP_FORGOTTEN || m == ring)
			continue;
		e = copy_one(dp, m);
		if (e)
			return errmsg_set(err, e, "cannot copy map %s to the new one: %s", m->name,
					  strerror(-e));
	}
	/* Last: another stride rewrites the records of vips. */
	if (ring)
		e = copy_one(dp, ring);
	if (e)
		return errmsg_set(err, e, "cannot copy map vip_ring to the new one: %s",
				  strerror(-e));
	return 0;
}
