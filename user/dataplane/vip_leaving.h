/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backends of mode nat that were removed and still have their flows: for as long as the vip's `drain`,
 * or until the drain that ran is over. Their record stays, and their next hop is watched as before; no
 * ring names it, so nothing begins there. A new agent, which knows not since when, begins anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct addr;
struct neigh_hop;
struct vip_index;
struct vip_map;

/*
 * The services are those of a new configuration: who is in none leaves, who came back leaves no more.
 *   was  of the services of before, for names
 * 0 or -ENOMEM; who is not noted then goes at once.
 */
int vip_leaving_apply(struct vip_map *m, const struct vip_index *was);
bool vip_leaving_has(const struct vip_map *m, uint32_t id);
/* Does one leave that has the address? Its next hop is to be watched then. */
bool vip_leaving_has_addr(const struct vip_map *m, const struct addr *a);
/* Take over what neigh says of the address: hop, or NULL and why. */
void vip_leaving_set_hop(struct vip_map *m, const struct addr *a, const struct neigh_hop *hop,
			 const char *why);
/* Those that have no next hop take it where somebody else of the address has: neigh tells only of changes. */
void vip_leaving_look(struct vip_map *m);
/* Its name; "": it is not known, or nobody leaves by this id. */
const char *vip_leaving_name(const struct vip_map *m, uint32_t id);
/* One whose time is over by now, told once; 0: none. It is on the list until its record is cleared. */
uint32_t vip_leaving_due(struct vip_map *m, uint64_t now_ms);
/* Its record is cleared. */
void vip_leaving_end(struct vip_map *m, uint32_t id);
/* An id for another where none is free: that of who has least time left; 0: there is none. */
uint32_t vip_leaving_give(struct vip_map *m, uint64_t now_ms);
