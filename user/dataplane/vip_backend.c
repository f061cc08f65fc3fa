/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "dataplane_state.h"
#include "path_mtu_map.h"
#include "vip_backend.h"
#include "vip_id.h"
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
	return vip_id_open(m);
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

/* Does it put packets into other headers? */
static bool is_outer(enum backend_mode mode)
{
	return mode == BACKEND_IPIP || mode == BACKEND_GUE;
}

/* Bytes of the headers that a packet to the address gets. */
static uint32_t outer_bytes(enum backend_mode mode, const struct addr *a)
{
	if (!is_outer(mode))
		return 0;
	return (addr_is_v4(a) ? BACKEND_OUTER_V4 : BACKEND_OUTER_V6) +
	       (mode == BACKEND_GUE ? BACKEND_OUTER_UDP : 0);
}

void vip_backend_hop(const struct vip_map *m, uint32_t id, struct neigh_hop *ret)
{
	const struct backend *t = &m->table[id];

	memset(ret, 0, sizeof(*ret));
	ret->ifindex = t->ifindex;
	ret->mtu = t->mtu + outer_bytes((enum backend_mode)t->mode, &t->addr);
	ret->source = t->source;
	memcpy(ret->src_mac, t->src_mac, 6);
	memcpy(ret->dst_mac, t->dst_mac, 6);
}

void vip_backend_adopt(struct vip_map *m, const struct vip_service *s, struct vip_backend *b)
{
	uint32_t id = vip_id_find(m, s->rec.id, &b->conf.address);
	const struct backend *t = &m->table[id];

	if (!id)
		return;
	b->id = id;
	m->backend_used[id] = true;
	if (is_outer(s->mode))
		b->path_mtu = path_mtu_map_get(m, &b->conf.address);
	/* In use by packets right now: what is known stays until it proves wrong. */
	b->has_hop = t->flags & BACKEND_READY;
	if (b->has_hop)
		vip_backend_hop(m, id, &b->hop);
}

int vip_backend_assign(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
		       uint32_t id)
{
	struct backend *t = &m->table[id];
	int err;

	b->id = id;
	m->backend_used[id] = true;
	vip_id_forget(m, id);
	*t = (struct backend) { .addr = b->conf.address,
				.vip_id = s->rec.id,
				.generation = t->generation + 1 };
	vip_id_note(m, id);
	err = put(m, id);
	if (err)
		return err;
	return pinned_map_zero(pinned_map_fd(m->dp, "stats_backend"), &id,
			       sizeof(struct stats_count));
}

/* With outer headers, every packet that all hosts must take has to fit (RFC 791 s3.1, RFC 8200 s5). */
static uint32_t least_mtu(const struct vip_service *s)
{
	return addr_is_v4(&s->key.addr) ? 576 : 1280;
}

/* What fits to the backend, outer headers taken off. */
static uint32_t inner_mtu(const struct vip_service *s, const struct vip_backend *b)
{
	uint32_t outer = outer_bytes(s->mode, &b->conf.address), mtu = b->hop.mtu;

	if (b->path_mtu && b->path_mtu < mtu)
		mtu = b->path_mtu;
	/* Of the path only what it must carry: fit_hop has seen to the hop. */
	if (is_outer(s->mode) && mtu < outer + least_mtu(s))
		mtu = outer + least_mtu(s);
	return mtu - outer;
}

/* What a SYN's segment size is lowered to; 0: it is not. */
static uint16_t mss_of(const struct vip_service *s, uint32_t mtu)
{
	const uint32_t headers = addr_is_v4(&s->key.addr) ? 40 : 60;

	if (s->mss_clamp != CONF_MSS_AUTO)
		return s->mss_clamp;
	if (mtu <= headers)
		return 0;
	return (uint16_t)(mtu - headers < UINT16_MAX ? mtu - headers : UINT16_MAX);
}

/* The port that packets get: of GUE that of outer headers. 0: their own. */
static uint16_t port_of(const struct vip_service *s, const struct vip_backend *b)
{
	if (s->mode == BACKEND_GUE)
		return s->gue_port;
	return s->mode == BACKEND_NAT ? b->conf.port : 0;
}

/* The hop of before is used until that which was given is known. */
static uint8_t flags_by_hand(const struct vip_backend *b)
{
	const struct conf_backend *c = &b->conf;
	bool by_mac = c->has_mac && memcmp(c->mac, b->hop.dst_mac, 6) == 0;

	return (uint8_t)((c->device ? BACKEND_BY_DEVICE : 0) | (by_mac ? BACKEND_BY_MAC : 0));
}

static void write_hop(struct vip_map *m, const struct vip_service *s, const struct vip_backend *b)
{
	struct backend *t = &m->table[b->id];
	uint32_t mtu = inner_mtu(s, b);
	struct backend want = {
		.addr = b->conf.address,
		.ifindex = b->hop.ifindex,
		.mtu = (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX),
		.flags = (uint8_t)(BACKEND_READY | (t->flags & BACKEND_DEAD) | flags_by_hand(b)),
		.mode = (uint8_t)s->mode,
		.generation = t->generation,
		.vip_id = s->rec.id,
		.port = htons(port_of(s, b)),
		.mss = mss_of(s, mtu),
	};

	if (is_outer(s->mode))
		want.source = b->hop.source;
	memcpy(want.dst_mac, b->hop.dst_mac, 6);
	memcpy(want.src_mac, b->hop.src_mac, 6);
	if (memcmp(t, &want, sizeof(want)) == 0)
		return;
	*t = want;
	put(m, b->id);
}

/* What the hop is for this service: with its source. False, with b->why, if it is none. */
static bool fit_hop(const struct vip_service *s, struct vip_backend *b, struct neigh_hop *hop)
{
	uint32_t outer = outer_bytes(s->mode, &b->conf.address);
	char text[ADDR_TEXT_MAX];

	addr_format(&b->conf.address, text);
	if (s->mode == BACKEND_L2) {
		/* A router would send the packet to the vip, and so back to us. */
		if (hop->gateway)
			snprintf(b->why, sizeof(b->why),
				 "%.45s is behind a gateway; take mode ipip or gue", text);
		return !hop->gateway;
	}
	if (s->mode == BACKEND_NAT)
		return true;
	if (hop->mtu < outer + least_mtu(s)) {
		snprintf(b->why, sizeof(b->why),
			 "MTU %u less %u of outer headers is under %u; raise it", hop->mtu, outer,
			 least_mtu(s));
		return false;
	}
	if (s->has_source && addr_is_v4(&s->source) == addr_is_v4(&b->conf.address))
		hop->source = s->source;
	if (addr_eq(&hop->source, &(struct addr) { 0 })) {
		snprintf(b->why, sizeof(b->why), "no address to send to %.45s from; give source",
			 text);
		return false;
	}
	return true;
}

bool vip_backend_set_hop(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
			 const struct neigh_hop *hop, const char *why)
{
	bool had = b->has_hop;
	struct neigh_hop fit;

	b->has_hop = false;
	if (hop) {
		fit = *hop;
		b->has_hop = fit_hop(s, b, &fit);
	} else {
		snprintf(b->why, sizeof(b->why), "%s", *why ? why : "resolving");
	}
	if (b->has_hop) {
		b->hop = fit;
		b->why[0] = 0;
		write_hop(m, s, b);
	}
	return had != b->has_hop;
}

bool vip_backend_set_path(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
			  uint32_t mtu)
{
	if (b->path_mtu == mtu)
		return false;
	b->path_mtu = mtu;
	write_hop(m, s, b);
	return true;
}

void vip_backend_follow(struct vip_map *m, const struct vip_service *s, uint32_t id,
			const struct neigh_hop *hop)
{
	struct backend *t = &m->table[id], want = *t;

	want.flags &= (uint8_t) ~(BACKEND_READY | BACKEND_LOST);
	want.flags |= hop ? BACKEND_READY : BACKEND_LOST;
	if (hop) {
		want.ifindex = hop->ifindex;
		want.mtu = (uint16_t)(hop->mtu < UINT16_MAX ? hop->mtu : UINT16_MAX);
		want.mss = mss_of(s, want.mtu);
		memcpy(want.dst_mac, hop->dst_mac, 6);
		memcpy(want.src_mac, hop->src_mac, 6);
	}
	if (memcmp(t, &want, sizeof(want)) == 0)
		return;
	*t = want;
	put(m, id);
}

void vip_backend_clear(struct vip_map *m, uint32_t id)
{
	if (!(m->table[id].flags & (BACKEND_READY | BACKEND_LOST)))
		return;
	m->table[id].flags &= (uint8_t) ~(BACKEND_READY | BACKEND_LOST);
	put(m, id);
}

void vip_backend_set_dead(struct vip_map *m, uint32_t id, bool is_dead)
{
	struct backend *t = &m->table[id];
	uint8_t flags = (uint8_t)((t->flags & ~BACKEND_DEAD) | (is_dead ? BACKEND_DEAD : 0));

	if (flags == t->flags)
		return;
	t->flags = flags;
	put(m, id);
}

int vip_backend_watch(struct vip_map *m, struct vip_service *s, struct vip_backend *b)
{
	const struct conf_backend *c = &b->conf;
	const struct neigh_hop *hop;
	const char *why;
	int err = neigh_watch(m->neigh, &c->address, c->device, c->has_mac ? c->mac : NULL,
			      b->has_hop ? &b->hop : NULL);

	if (err)
		return err;
	hop = neigh_get(m->neigh, &c->address, &why);
	if (vip_backend_set_hop(m, s, b, hop, why))
		s->dirty = true;
	return 0;
}
