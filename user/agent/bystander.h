/* SPDX-License-Identifier: BSD-2-Clause */
/* Who else was served from an address of late: the reader of abi/presence.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "judge.h"
#include "sluice/abi/presence.h"

/*
 * Look for any consumer but one (0: for any) that was served at source within nat_memory_ms, in n
 * regions (NULL: none) that workers write meanwhile. An eviction within that time in any region makes the answer
 * JUDGE_UNKNOWN where nobody is found; *ret is the one who was seen last, for JUDGE_NOT_ALONE.
 */
enum judge_presence bystander_find(const struct presence_region *const *regions, size_t n,
				   const struct addr *source, uint32_t consumer,
				   uint64_t nat_memory_ms, uint64_t now_ns,
				   struct judge_bystander *ret);
/* How many of the first n regions were ever written to: those behind need no look. */
size_t bystander_regions(const struct presence_region *const *regions, size_t n);
