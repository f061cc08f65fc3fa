/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ids of backends and their records. An id stays with a backend of a vip (by address) across
 * changes and restarts, also when it is removed and comes back; it is given to another only when no
 * fresh ids are left, with a higher generation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct neigh_hop;
struct vip_backend;
struct vip_map;
struct vip_service;

/* Read map backends. */
int vip_backend_load(struct vip_map *m);
/* Give b, which is of vip s, the id that it has in the map, and what is known of its hop. */
void vip_backend_adopt(struct vip_map *m, const struct vip_service *s, struct vip_backend *b);
/* Give b an id that nobody has (vip_id_take), and write its record. */
int vip_backend_assign(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
		       uint32_t id);
/* Take over what neigh says: hop, or NULL and why. True when the ring is concerned. */
bool vip_backend_set_hop(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
			 const struct neigh_hop *hop, const char *why);
/* Have neigh watch the next hop, and take over what it says so far. Negative errno. */
int vip_backend_watch(struct vip_map *m, struct vip_service *s, struct vip_backend *b);
/* What routers on the way say fits, outer headers included; 0: nothing. True when that is news. */
bool vip_backend_set_path(struct vip_map *m, const struct vip_service *s, struct vip_backend *b,
			  uint32_t mtu);
/* The next hop as its record has it, which is some. */
void vip_backend_hop(const struct vip_map *m, uint32_t id, struct neigh_hop *ret);
/*
 * Of one of mode nat that was removed from s, and has but its record: its next hop is this one by now.
 * NULL: it has none, and until it has one again flows end with their next packet.
 */
void vip_backend_follow(struct vip_map *m, const struct vip_service *s, uint32_t id,
			const struct neigh_hop *hop);
/* No packet finds it any more: it is not to be used. */
void vip_backend_clear(struct vip_map *m, uint32_t id);
/* Flows that it has are not to get there any more, or again. */
void vip_backend_set_dead(struct vip_map *m, uint32_t id, bool is_dead);
