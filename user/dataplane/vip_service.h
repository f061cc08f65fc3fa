/* SPDX-License-Identifier: BSD-2-Clause */
/* The services of a configuration, built aside from those that run. */
#pragma once

#include <stddef.h>

#include "conf/conf.h"
#include "sluice/abi/vip.h"

struct vip_index;
struct vip_map;
struct vip_service;

/* What is in map vips, from this process or one before. */
struct vip_pinned {
	struct vip_key *keys;
	struct vip *recs;
	size_t n;
};

int vip_pinned_read(struct vip_map *m, struct vip_pinned *ret);
void vip_pinned_clear(struct vip_pinned *p);

/*
 * One service per vip of conf, and an index of them, with what is kept of m->services and of the
 * maps. Nothing that a packet can find changes. conf is copied. m->backend_used becomes that of the
 * new services, of which those are dirty whose rings may have to change.
 * -ENOSPC: no ids left; m is as it was.
 */
int vip_service_build(struct vip_map *m, const struct conf *conf, const struct vip_pinned *pinned,
		      struct vip_service **ret, struct vip_index *ret_index);
void vip_service_free(struct vip_service *services, size_t n);
