/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What keeps flows with their backends while a ring changes, and only then. A slot that a change
 * moved names two backends, the one of before the change as well: packets of flows that are in map
 * `vip_flow` go where it says, other SYNs to the new one, noted there, and all else to the one
 * before. Where nothing changed nobody looks at these maps.
 */
#pragma once

#include "addr.h"

/* An element of map `vip_ring`; read and written as one word. */
struct vip_slot {
	__u32 backend; /* backend id; 0: none */
	__u32 before;  /* backend id, or one of the following; 0: nothing changed here */
};
ABI_SIZE(struct vip_slot, 8);

/* Its parts, of the word as it was read. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define VIP_SLOT_BACKEND(word)	  ((__u32)(word))
#define VIP_SLOT_BEFORE(word)	  ((__u32)((word) >> 32))
#define VIP_SLOT(backend, before) ((__u64)(before) << 32 | (backend))
#else
#define VIP_SLOT_BACKEND(word)	  ((__u32)((word) >> 32))
#define VIP_SLOT_BEFORE(word)	  ((__u32)(word))
#define VIP_SLOT(backend, before) ((__u64)(backend) << 32 | (before))
#endif

#define VIP_BEFORE_NONE 0xffffffffU /* in a window; before it the slot had no backend */
#define VIP_BEFORE_OVER 0xfffffffeU /* the window is over, but there are flows of it left */
#define VIP_BEFORE_RING 0xfffffffdU /* the ring of before had another size: ask map vip_before */

/*
 * Map `vip_before` (array of arrays) by vip id: while a window is open in which a ring's size changed,
 * the ring of before it, of vip_window's `before_size` slots, made by the agent and written once. Those
 * slots are not the ring's, so all of the ring's are VIP_BEFORE_RING then.
 */
#define VIP_BEFORE_VIPS 65536 /* dataplane.max_vips at its most */

struct vip_before {
	__u32 backend;	  /* VIP_BEFORE_NONE: there was none */
	__u32 generation; /* of the backend's record: another one's id is not followed */
};
ABI_SIZE(struct vip_before, 8);

/*
 * Map `vip_flow` (hash, made whole), by struct flow_key; fragments have ports 0. Full means that no
 * more are noted: what is in it is never evicted by who comes later.
 */
struct vip_flow {
	__u32 backend;
	__u32 generation; /* of the backend's record: another one's id is not followed */
	__u64 made_ns;	  /* CLOCK_MONOTONIC, to some milliseconds */
	__u64 seen_ns;	  /* to a second; made_ns: not since */
};
ABI_SIZE(struct vip_flow, 24);

/* Notes a second that a vip may make: of SYNs, and of all else. */
enum vip_flow_kind { VIP_FLOW_SYN, VIP_FLOW_OTHER, VIP_FLOW_KINDS };

struct vip_flow_meter {
	__u64 second_ns; /* when the second began */
	__u64 notes;	 /* made in it */
};

/* Map `vip_window` (array, memory-mapped), by vip id. Times are the agent's; programs only count. */
struct vip_window {
	__u64 opened_ns; /* CLOCK_MONOTONIC; 0: there was none yet */
	__u64 until_ns;
	struct vip_flow_meter meter[VIP_FLOW_KINDS];
	__u32 before_size; /* slots of the vip's ring in map vip_before */
	__u32 pad[3];
};
ABI_SIZE(struct vip_window, 64);

/* Map `stats_flow` (per CPU), by vip id. */
struct stats_flow {
	__u64 noted;
	__u64 over_rate; /* not noted: too many within a second */
	__u64 refused;	 /* not noted: the map is full, or was busy */
};
ABI_SIZE(struct stats_flow, 24);
