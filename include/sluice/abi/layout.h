/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Map `layout` (array, one element): who made the pinned maps, and by which version of abi/. */
#pragma once

#include <linux/types.h>

#include "size.h"

#define LAYOUT_MAGIC 0x31656369756c73ULL /* "sluice1" */

struct layout {
	__u64 magic;
	__u32 abi; /* ABI_LAYOUT */
	__u32 netns; /* inode of the network namespace that its devices are in, as in `lsns`; 0: unknown */
	char version[32]; /* of the agent that made them */
};
ABI_SIZE(struct layout, 48);
