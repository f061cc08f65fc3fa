/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which ids of backends are whose: those that map backends has, by vip and address, and those that can
 * be given to others.
 */
#pragma once

#include <stdint.h>

struct addr;
struct vip_map;

/* Of m->table, as it was read. */
int vip_id_open(struct vip_map *m);
void vip_id_close(struct vip_map *m);

/* The id that the vip's backend has or had, unless it is used by another one; 0: none. */
uint32_t vip_id_find(const struct vip_map *m, uint32_t vip_id, const struct addr *a);
/* The record of m->table is about to become another backend's, and has. */
void vip_id_forget(struct vip_map *m, uint32_t id);
void vip_id_note(struct vip_map *m, uint32_t id);

/* Ids that nobody has, and no packet may still use; in order, fresh ones before those of before. */
struct vip_id_free {
	uint32_t *heap;
	uint32_t n;
};

int vip_id_collect(const struct vip_map *m, struct vip_id_free *ret);
/* The one that was given out least often; 0: none is left. */
uint32_t vip_id_take(const struct vip_map *m, struct vip_id_free *f);
void vip_id_clear(struct vip_id_free *f);
