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
/*
 * Free the slots whose names keep() refuses: only once no worker can spend them. How many.
 * A name over 63 characters is known by its hash alone until meter_map_slot was asked for it: so
 * ask for the slots of all consumers before the first sweep.
 */
int meter_map_sweep(struct dataplane *dp, bool (*keep)(const char *name, void *ctx), void *ctx);
/* How many slots are given out. */
uint32_t meter_map_used(const struct dataplane *dp);
/* How many names found no slot since dataplane_open. */
uint64_t meter_map_refused(const struct dataplane *dp);
/* Give up what dataplane_open's owner holds for slots: called by dataplane_close. */
void meter_map_close(struct dataplane *dp);
