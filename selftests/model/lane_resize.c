/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another dataplane.max_nat_flows while flows stand: what the agent does with the maps, by its own code.
 * The programs keep theirs, which are as large as any; what they were is in one that is made for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dataplane/dataplane_state.h"
#include "dataplane/nat_map.h"
#include "dataplane/nat_resize.h"
#include "lane_part.h"

static const char *const maps[] = { "nat_flow", "nat_tuple", "nat_state", "limit_concurrent",
				    "limit_state" };

static void give(const struct lane *l, struct dataplane *dp, const char *name)
{
	struct pinned_map *m = &dp->maps[dp->n_maps++];

	snprintf(m->name, sizeof(m->name), "%s", name);
	m->fd = plane_map(&l->plane, name);
	m->old_fd = -1;
	if (pinned_map_shape(m->fd, &m->shape))
		abort();
}

/* The flows that there are; their map is empty then. */
static int take_flows(struct lane *l, const struct map_shape *old)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	const size_t bytes = old->max_entries * sizeof(struct nat_flow);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nat_flow", old->key_bytes, old->value_bytes,
				old->max_entries, &opts);
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || mem == MAP_FAILED)
		abort();
	memcpy(mem, l->nat_flow, bytes);
	munmap(mem, bytes);
	memset(l->nat_flow, 0, MODEL_NAT_FLOWS * sizeof(struct nat_flow));
	/* In a larger one they mean the same, and have been moved by then (map_move.h). */
	if (l->model.policy.nat.max_flows < old->max_entries)
		lane_empty(l, "nat_tuple");
	return fd;
}

static void copy(struct lane *l, struct dataplane *dp, uint32_t before)
{
	struct pinned_map *m = pinned_map_find(dp, "nat_flow");
	struct map_shape old = m->shape;
	const struct conf none = { .n_vips = 0 };
	int old_fd;

	m->shape.max_entries = l->model.policy.nat.max_flows;
	old.max_entries = before;
	old_fd = take_flows(l, &old);
	m->old_fd = old_fd;
	m->fate = pinned_map_find(dp, "nat_tuple")->fate = MAP_RESIZED;
	if (nat_resize_copy(dp, m, &old) || nat_map_apply(dp, &none))
		abort();
	close(old_fd);
}

void lane_nat_resize(struct lane *l, uint32_t before)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));
	const uint32_t young = l->nat_state->young;
	uint32_t moved;
	size_t i;

	if (!dp)
		abort();
	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		give(l, dp, maps[i]);
	copy(l, dp, before);
	for (i = 0; i < dp->n_maps; i++) {
		if (dp->maps[i].mem)
			munmap(dp->maps[i].mem, dp->maps[i].mem_bytes);
	}
	free(dp);
	if (l->planted == LANE_PLANTED_YOUNG)
		l->nat_state->young = young;
	l->nat_lost += model_nat_resize(&l->model, before, &moved);
	l->nat_moved += moved;
}
