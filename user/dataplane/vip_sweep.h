/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notes of flows, all read: idle ones are removed, the others counted by vip and backend, and slots of
 * windows that are over are given up where nobody's note is left. A million of them take a second: so
 * they are read in parts, and for a fifth of the time; counts are those of the last sweep that ended.
 */
#pragma once

struct vip_map;

/* Begin, and do the first part at once, mostly all of it. While one goes on: nothing. Negative errno. */
int vip_sweep_start(struct vip_map *m);
void vip_sweep_stop(struct vip_map *m);
