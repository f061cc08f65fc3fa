/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `meters` (array of 64-bit words, memory-mapped by every worker): the limits of consumers.
 * Workers spend them with algo/gcra.h and no system call. Map `meter_slots` (hash) says whose word
 * is whose; the supervisor gives slots out and reuses one only after every worker acknowledged a
 * revision without it. Both outlive the agent.
 */
#pragma once

#include <linux/types.h>

#include "size.h"

#define METERS_MAX_DEFAULT 65536
#define METER_SLOT_NONE	   0 /* word 0 belongs to nobody */

struct meter_slot_key {
	char name[64]; /* "consumer/limit", hashed by SHA-256 where it is longer */
};
ABI_SIZE(struct meter_slot_key, 64);

struct meter_slot {
	__u32 slot;
	__u32 pad;
};
ABI_SIZE(struct meter_slot, 8);
