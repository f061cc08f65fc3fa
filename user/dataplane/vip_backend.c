/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "dataplane_state.h"
#include "vip_backend.h"
#include "vip_state.h"

int vip_backend_load(struct vip_map *m)
{
	const struct pinned_map *map = pinned_map_find(m->dp, "backends");
	uint32_t id;

	if (!map)
		return -ENOENT;
	m->max_backends = map->shape.max_entries;
	m->table = calloc(m->max_backends, sizeof(*m->table));
	m->backend_used = calloc(m->max_backends, sizeof(*m->backend_used));
	if (!m->table || !m->backend_used)
		return -ENOMEM;
	for (id = 0; id < m->max_backends; id++) {
		if (bpf_map_lookup_elem(map->fd, &id, &m->table[id]))
			return -errno;
	}
	return 0;
}

/*
 * An array's value is copied into place without a lock: a packet in that moment may be sent with
 * parts of both hardware addresses, and is lost as it would have been at a next hop that is gone.
 */
static int put(struct vip_map *m, uint32_t id)
{
	int fd = pinned_map_fd(m->dp, "backends");

	return bpf_map_update_elem(fd, &id, &m->table[id], BPF_ANY) ? -errno : 0;
}

static bool is_retired(const struct vip_map *m, uint32_t id)
{
	size_t i;

	for (i = 0; i < m->n_retired; i++) {
		if (!m->retired[i].is_vip && m->retired[i].id == id)
			return true;
	}
	return false;
}

/* A fresh id, else the one that was given out least often; none that a packet may still use. */
static uint32_t find_id(const struct vip_map *m)
{
	uint32_t id, best = 0;

	for (id = 1; id < m->max_backends; id++) {
		if (m->backend_used[id] || (m->table[id].flags & BACKEND_READY) ||
		    is_retired(m, id))
			continue;
		if (!best || m->table[id].generation < m->table[best].generation)
			best = id;
	}
	return best;
}

static void hop_of_record(const struct backend *t, struct neigh_hop *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ifindex = t->ifindex;
	ret->mtu = t->mtu;
	memcpy(ret->src_mac, t->src_mac, 6);
	memcpy(ret->dst_mac, t->dst_mac, 6);
}

void vip_backend_adopt(struct vip_map *m, const struct vip_service *s, struct vip_backend *b)
{
	uint32_t id;

	for (id = 1; id < m->max_backends; id++) {
		const struct backend *t = &m->table[id];

		if (!t->generation || t->vip_id != s->rec.id || m->backend_used[id] ||
		    !addr_eq(&t->addr, &b->conf.address))
			continue;
		b->id = id;
		m->backend_used[id] = true;
		/* In use by packets right now: what is known stays until it proves wrong. */
		b->has_hop = t->flags & BACKEND_READY;
		if (b->has_hop)
			hop_of_record(t, &b->hop);
		return;
	}
}

int vip_backend_assign(struct vip_map *m, const struct vip_service *s, struct vip_backend *b)
{
	uint32_t id = find_id(m);
	struct backend *t = &m->table[id];
	int err;

	if (!id)
		return -ENOSPC;
	b->id = id;
	m->backend_used[id] = true;
	*t = (struct backend) { .addr = b->conf.address,
				.vip_id = s->rec.id,
				.generation = t->generation + 1 };
	err = put(m, id);
	if (err)
		return err;
	return pinned_map_zero(pinned_map_fd(m->dp, "stats_backend"), &id,
			       sizeof(struct stats_count));
}

static void write_hop(struct vip_map *m, const struct vip_service *s, const struct vip_backend *b)
{
	struct backend *t = &m->table[b->id];
	struct backend want = {
		.addr = b->conf.address,
		.ifindex = b->hop.ifindex,
		.mtu = (uint16_t)(b->hop.mtu < UINT16_MAX ? b->hop.mtu : UINT16_MAX),
		.flags = BACKEND_READY,
		.generation = t->generation,
		.vip_id = s->rec.id,
	};

	memcpy(want.dst_mac, b->hop.dst_mac, 6);
	memcpy(want.src_mac, b->hop.src_mac, 6);
	if (memcmp(t, &want, sizeof(want)) == 0)
		return;
	*t = want;
	put(m, b->id);
}

bool vip_backend_set_hop(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
			 const struct neigh_hop *hop, const char *why)
{
	bool had = b->has_hop;
	char text[ADDR_TEXT_MAX];

	if (hop && hop->gateway) {
		/* A router would send the packet to the vip, and so back to us. */
		snprintf(b->why, sizeof(b->why), "%s is behind a gateway: not on the same link",
			 addr_format(&b->conf.address, text));
		hop = NULL;
	} else if (!hop) {
		snprintf(b->why, sizeof(b->why), "%s", *why ? why : "resolving");
	}
	b->has_hop = hop != NULL;
	if (hop) {
		b->hop = *hop;
		b->why[0] = 0;
		write_hop(m, s, b);
	}
	return had != b->has_hop;
}

void vip_backend_clear(struct vip_map *m, uint32_t id)
{
	if (!(m->table[id].flags & BACKEND_READY))
		return;
	m->table[id].flags &= (uint16_t)~BACKEND_READY;
	put(m, id);
}
