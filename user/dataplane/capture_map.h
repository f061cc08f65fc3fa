/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps capture and capture_ring: dropped packets, while somebody wants them. */
#pragma once

#include "../event/loop.h"
#include "dataplane.h"
#include "sluice/abi/capture.h"

/* What is wanted. */
struct capture_ask {
	uint64_t reasons; /* bit per enum drop_reason */
	uint32_t
		per_s; /* packets of each reason, with a tenth of a second's in a burst; 1 or more */
	uint64_t for_ns; /* it ends after this, also when this process does before */
};

/*
 * Begin. on_packet is called on the loop and must not stop the capture. -EALREADY: one runs. -EINVAL:
 * a rate that cannot be represented.
 */
int capture_map_start(struct dataplane *dp, struct loop *loop, const struct capture_ask *ask,
		      void (*on_packet)(const struct capture_packet *p, void *ctx), void *ctx);
/* End it; nothing happens when none runs. */
void capture_map_stop(struct dataplane *dp);
/* Packets that were over the rate or found no room, since the last start. */
uint64_t capture_map_missed(struct dataplane *dp);
