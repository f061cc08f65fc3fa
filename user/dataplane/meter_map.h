/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps meters, meter_slots and presence: shared memory of the workers that outlives them. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/meter.h"
#include "sluice/abi/presence.h"

/* Descriptors to be mapped by workers; they stay the dataplane's. */
int meter_map_fd(struct dataplane *dp, size_t *ret_bytes);
int meter_map_presence_fd(struct dataplane *dp, size_t *ret_bytes);

/* The slot of this name, given out if it has none: >0; -ENOSPC, counted, when all are taken. */
int meter_map_slot(struct dataplane *dp, const char *name);
/* Free the slots whose names keep() refuses: only once no worker can spend them. How many. */
int meter_map_sweep(struct dataplane *dp, bool (*keep)(const char *name, void *ctx), void *ctx);
