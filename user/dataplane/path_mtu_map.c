/* SPDX-License-Identifier: BSD-2-Clause */
#include "path_mtu_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "sluice/abi/path_mtu.h"
#include "vip_backend.h"
#include "vip_state.h"

/* What every host takes (RFC 791 s3.1) in IPv4 headers; what every IPv6 link carries (RFC 8200 s5). */
#define FLOOR_V4 (576 + BACKEND_OUTER_V4)
#define FLOOR_V6 1280

struct known {
	struct addr to;
	struct path_mtu said;
	bool wanted;
};

struct known_list {
	struct known *at;
	size_t n;
};

static void list_clear(struct known_list *l)
{
	free(l->at);
}

static int compare(const void *a, const void *b)
{
	return memcmp(&((const struct known *)a)->to, &((const struct known *)b)->to,
		      sizeof(struct addr));
}

static int list_read(int fd, struct known_list *ret)
{
	CLEANUP_FREE struct addr *keys = NULL;
	CLEANUP_FREE struct path_mtu *values = NULL;
	size_t n, i;
	int err = pinned_map_read(fd, (void **)&keys, (void **)&values, &n);

	if (err)
		return err;
	ret->at = calloc(n + 1, sizeof(*ret->at));
	if (!ret->at)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		ret->at[i] = (struct known) { .to = keys[i], .said = values[i] };
	ret->n = n;
	qsort(ret->at, n, sizeof(*ret->at), compare);
	return 0;
}

static struct known *list_find(const struct known_list *l, const struct addr *to)
{
	struct known key = { .to = *to };

	return bsearch(&key, l->at, l->n, sizeof(key), compare);
}

static int put(int fd, const struct vip_backend *b)
{
	const struct path_mtu unheard = {
		.source = b->hop.source,
		.mtu = PATH_MTU_UNHEARD,
		.floor = addr_is_v4(&b->conf.address) ? FLOOR_V4 : FLOOR_V6,
	};

	return bpf_map_update_elem(fd, &b->conf.address, &unheard, BPF_ANY) ? -errno : 0;
}

static bool is_current(const struct known *k, const struct vip_backend *b)
{
	const struct path_mtu *s = &k->said;

	return addr_eq(&s->source, &b->hop.source) &&
	       (s->mtu == PATH_MTU_UNHEARD ||
		clock_now_ns() - s->heard_ns < PATH_MTU_LIFE_S * NS_PER_S);
}

uint32_t path_mtu_map_get(struct vip_map *m, const struct addr *to)
{
	struct path_mtu said;

	if (bpf_map_lookup_elem(pinned_map_fd(m->dp, "path_mtu"), to, &said) ||
	    said.mtu == PATH_MTU_UNHEARD)
		return 0;
	return said.mtu;
}

static int look_at(struct vip_map *m, int fd, const struct known_list *l, struct vip_service *s,
		   struct vip_backend *b)
{
	struct known *k = list_find(l, &b->conf.address);
	uint32_t mtu = 0;
	int err = 0;

	if (k && k->wanted && !addr_eq(&k->said.source, &b->hop.source))
		return 0; /* of two vips with sources of their own, the first is listened for */
	if (!k || !is_current(k, b))
		err = put(fd, b);
	else if (k->said.mtu != PATH_MTU_UNHEARD)
		mtu = k->said.mtu;
	if (k)
		k->wanted = true;
	if (vip_backend_set_path(m, s, b, mtu))
		log_info("backend.path_mtu", LOG_STR("vip", s->name),
			 LOG_STR("backend", b->conf.name), LOG_U64("mtu", mtu));
	return err;
}

static int remove_unwanted(int fd, const struct known_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (!l->at[i].wanted && bpf_map_delete_elem(fd, &l->at[i].to) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int path_mtu_map_look(struct vip_map *m)
{
	CLEANUP(list_clear) struct known_list list = { 0 };
	int fd = pinned_map_fd(m->dp, "path_mtu"), err, any = 0;
	size_t i, j;

	err = fd < 0 ? fd : list_read(fd, &list);
	for (i = 0; !err && i < m->n_services; i++) {
		struct vip_service *s = &m->services[i];

		if (s->mode == BACKEND_L2 || s->mode == BACKEND_NAT)
			continue;
		any = 1;
		for (j = 0; !err && j < s->n_backends; j++) {
			if (s->backends[j].has_hop)
				err = look_at(m, fd, &list, s, &s->backends[j]);
		}
	}
	if (!err)
		err = remove_unwanted(fd, &list);
	return err ? err : any;
}
