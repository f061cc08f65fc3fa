/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings: filled aside, flipped with one store. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vip_map;
struct vip_service;

/*
 * Bring the ring of a dirty service in line with its backends that are ready.
 * 0, or -EAGAIN: the idle ring may still be read, try again after VIP_GRACE_MS; or negative errno.
 */
int vip_ring_update(struct vip_map *m, struct vip_service *s, uint64_t now_ms);
/* Count the slots that its backends have in a ring which was found pinned, and find its window. */
int vip_ring_adopt(struct vip_map *m, struct vip_service *s);
/* Slots of the window say that it is over: what is noted decides, and else the ring. */
void vip_ring_end_window(struct vip_map *m, const struct vip_service *s);
/* Of those, the ones that nothing is noted about say nothing. False: none is left. */
bool vip_ring_forget_over(struct vip_map *m, const struct vip_service *s, const bool *noted);
/* Those ids are other backends' now: no slot of the vip says that they were there before. */
void vip_ring_forget_backends(struct vip_map *m, uint32_t vip_id, const bool *ids);
/* Both rings of a vip that no packet can find any more. */
void vip_ring_zero(struct vip_map *m, uint32_t vip_id);
/* Write the service's record. */
int vip_ring_put_record(struct vip_map *m, const struct vip_service *s);
