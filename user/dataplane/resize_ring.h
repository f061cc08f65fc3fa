/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings of another size: `dataplane.ring_size` and `max_vips` of one that runs were changed. */
#pragma once

#include "pinned_map.h"

/* Slots of one ring in a vip_ring map beside a vips map. */
uint32_t resize_ring_stride(const struct map_shape *ring, const struct map_shape *vips);
/*
 * Fill the new vip_ring map of the old one; last of all maps, since it rewrites records of vips where
 * slots are others. Packets find backends of before by what they have in the old ring, until the vips
 * are applied, and on from then while the window is open that this is one of.
 */
int resize_ring_copy(struct dataplane *dp, const struct pinned_map *ring);
