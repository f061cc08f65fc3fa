/* SPDX-License-Identifier: BSD-2-Clause */
/* Map events: sampled drops as they happen, delivered on the loop. */
#pragma once

#include "../event/loop.h"
#include "dataplane.h"
#include "sluice/abi/event.h"

int event_map_start(struct dataplane *dp, struct loop *loop,
		    void (*on_event)(const struct event *e, void *ctx), void *ctx);
void event_map_stop(struct dataplane *dp);
int event_map_suppressed(struct dataplane *dp, uint64_t *ret);
