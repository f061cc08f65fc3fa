/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server id is there while its backend is to get packets, and is gone before the backend's record says
 * that it is not ready: whom no entry names, the ring serves.
 */
#include "quic_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "quic_key.h"
#include "vip_state.h"

void quic_map_compile(const struct conf_vip *v, struct quic *ret)
{
	*ret = (struct quic) { .nonce_bytes = { 0 } };
	for (size_t i = 0; i < v->n_quic; i++) {
		ret->server_id_bytes[v->quic[i].config_id] = v->quic[i].server_id_bytes;
		ret->nonce_bytes[v->quic[i].config_id] =
			(uint8_t)(v->quic[i].nonce_bytes | (v->quic[i].key ? QUIC_ENCRYPTED : 0));
	}
}

uint8_t quic_map_encrypted(const struct quic *q)
{
	unsigned int bits = 0;

	for (unsigned int config = 0; config < QUIC_CONFIGS; config++)
		bits |= q->nonce_bytes[config] & QUIC_ENCRYPTED ? 1U << config : 0;
	return (uint8_t)bits;
}

static struct quic_server key_of(const struct vip_service *s, const struct vip_backend *b,
				 uint8_t config)
{
	const uint8_t bytes = s->quic.server_id_bytes[config];
	struct quic_server key = { .vip_id = s->rec.id, .config = config };

	memcpy(key.id, b->conf.server_id + QUIC_SERVER_ID_MAX - bytes, bytes);
	return key;
}

/* Drained ones, too, and those of weight 0: what they have is theirs until it ends. */
static bool is_wanted(const struct vip_backend *b)
{
	return b->conf.has_server_id && b->has_hop && b->share > 0;
}

static int put(struct vip_map *m, const struct vip_service *s, struct vip_backend *b)
{
	const int fd = pinned_map_fd(m->dp, "quic_servers");
	const bool wanted = is_wanted(b);
	int err = 0;

	for (uint8_t config = 0; !err && config < QUIC_CONFIGS; config++) {
		const struct quic_server key = key_of(s, b, config);

		if (!s->quic.server_id_bytes[config])
			continue;
		if (wanted)
			err = bpf_map_update_elem(fd, &key, &b->id, BPF_ANY) ? -errno : 0;
		else if (bpf_map_delete_elem(fd, &key) && errno != ENOENT)
			err = -errno;
	}
	b->is_named = !err && wanted;
	return err;
}

int quic_map_update(struct vip_map *m, struct vip_service *s)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->n_backends; i++) {
		if (s->backends[i].is_named != is_wanted(&s->backends[i]))
			err = put(m, s, &s->backends[i]);
	}
	return err;
}

/* Whose id it is, in the map that is found. */
struct owner {
	const struct vip_service *service;
	const struct vip_backend *backend;
};

static struct owner *owners_new(const struct vip_map *m)
{
	struct owner *by_id = calloc(m->max_backends, sizeof(*by_id));

	for (size_t i = 0; by_id && i < m->n_services; i++) {
		const struct vip_service *s = &m->services[i];

		for (size_t j = 0; j < s->n_backends; j++)
			by_id[s->backends[j].id] = (struct owner) { s, &s->backends[j] };
	}
	return by_id;
}

static bool is_right(const struct owner *o, const struct quic_server *key)
{
	struct quic_server want;

	if (!o->backend || !is_wanted(o->backend) || key->config >= QUIC_CONFIGS ||
	    !o->service->quic.server_id_bytes[key->config])
		return false;
	want = key_of(o->service, o->backend, key->config);
	return memcmp(&want, key, sizeof(want)) == 0;
}

/* Also what an agent before us left. */
static int remove_others(struct vip_map *m)
{
	const int fd = pinned_map_fd(m->dp, "quic_servers");
	CLEANUP_FREE struct owner *by_id = NULL;
	CLEANUP_FREE struct quic_server *keys = NULL;
	CLEANUP_FREE uint32_t *ids = NULL;
	size_t n = 0;
	int err = pinned_map_read(fd, (void **)&keys, (void **)&ids, &n);

	if (err || !n) /* as it is without QUIC */
		return err;
	by_id = owners_new(m);
	if (!by_id)
		return -ENOMEM;
	for (size_t i = 0; !err && i < n; i++) {
		if (ids[i] < m->max_backends && is_right(&by_id[ids[i]], &keys[i]))
			continue;
		if (bpf_map_delete_elem(fd, &keys[i]) && errno != ENOENT)
			err = -errno;
	}
	return err;
}

int quic_map_apply(struct vip_map *m, const struct conf *conf)
{
	const int fd = pinned_map_fd(m->dp, "quic");
	int err = remove_others(m);

	if (!err)
		err = quic_key_apply(m, conf); /* before map quic says that there are any */

	for (size_t i = 0; !err && i < m->n_services; i++) {
		struct vip_service *s = &m->services[i];

		if (bpf_map_update_elem(fd, &s->rec.id, &s->quic, BPF_ANY))
			return -errno;
		for (size_t j = 0; !err && j < s->n_backends; j++) {
			if (s->backends[j].conf.has_server_id)
				err = put(m, s, &s->backends[j]);
		}
	}
	return err ? err : quic_key_sweep(m);
}

bool quic_map_has(const struct vip_map *m, const struct vip_service *s, size_t backend)
{
	const int fd = pinned_map_fd(m->dp, "quic_servers");
	const struct vip_backend *b = &s->backends[backend];
	uint32_t id;

	for (uint8_t config = 0; b->conf.has_server_id && config < QUIC_CONFIGS; config++) {
		const struct quic_server key = key_of(s, b, config);

		if (s->quic.server_id_bytes[config] && bpf_map_lookup_elem(fd, &key, &id) == 0 &&
		    id == b->id)
			return true;
	}
	return false;
}

int quic_map_stats(struct dataplane *dp, uint32_t vip_id, struct stats_quic *ret)
{
	const int fd = pinned_map_fd(dp, "stats_quic");

	if (fd < 0)
		return fd;
	return pinned_map_sum(fd, &vip_id, sizeof(*ret), (uint64_t *)ret);
}
