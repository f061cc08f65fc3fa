/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding a service by its key, and a backend of any of them by its id or its address. */
#pragma once

#include "../base/hash_index.h"
#include "sluice/abi/vip.h"

struct vip_backend;
struct vip_service;

struct vip_place {
	struct vip_service *service;
	struct vip_backend *backend;
};

struct vip_index {
	struct vip_service *services;
	struct vip_place *places; /* all backends, as they are in services */
	uint32_t n;
	uint32_t *by_id; /* place and one, 0: none */
	uint32_t max_backends;
	struct hash_index by_addr, by_key;
};

/* Of n services that stay where they are until it is cleared, whose ids are below max_backends. */
int vip_index_open(struct vip_index *x, struct vip_service *services, size_t n,
		   uint32_t max_backends);
void vip_index_clear(struct vip_index *x);

/* NULL: there is none; also in an index of zeros. */
struct vip_service *vip_index_service(const struct vip_index *x, const struct vip_key *key);
const struct vip_place *vip_index_id(const struct vip_index *x, uint32_t id);
/* The next with the address: several vips may have it. *step is 0 at first. NULL: no more. */
const struct vip_place *vip_index_addr(const struct vip_index *x, const struct addr *a,
				       uint32_t *step);
