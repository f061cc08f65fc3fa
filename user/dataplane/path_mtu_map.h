/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Path MTUs of encapsulating vips' backends: what routers said to the programs (abi/path_mtu.h) lowers
 * the backend's MTU for PATH_MTU_LIFE_S (RFC 1191 s6.3), after which a larger one is tried again.
 */
#pragma once

#include <stdint.h>

struct addr;
struct vip_map;

#define PATH_MTU_LIFE_S	 600
#define PATH_MTU_LOOK_MS 1000

/*
 * Make the map's entries those of the backends that have a hop and outer headers, and take over what
 * was heard. 0, 1 when there are any (look again in PATH_MTU_LOOK_MS), or a negative errno.
 */
int path_mtu_map_look(struct vip_map *m);
/* What the map says now, of an agent before this one or of before a change; 0: nothing. */
uint32_t path_mtu_map_get(struct vip_map *m, const struct addr *to);
