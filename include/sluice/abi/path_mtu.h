/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What fits on the way to a backend of an encapsulating vip, as routers said. Map `path_mtu` (hash) by
 * the backend's address: the agent makes and removes entries, and takes note of what is in them once a
 * second; the programs lower `mtu`, never below `floor`.
 */
#pragma once

#include "addr.h"

#define PATH_MTU_UNHEARD 0xffffffffU /* nobody said anything */

struct path_mtu {
	struct addr source; /* of the outer headers: who says something quotes it */
	__u32 mtu;	    /* bytes of IP, outer headers included */
	__u32 floor;	    /* what is believed at least */
	__u64 heard_ns;	    /* CLOCK_MONOTONIC, coarse: when it was said last */
};
ABI_SIZE(struct path_mtu, 32);
