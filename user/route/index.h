/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table from (space, text) to a number, built once and then only read. The keys come from
 * the configuration, so a peer can choose where it looks but not what is there: a plain hash does.
 */
#pragma once

#include <stdint.h>

#include "../base/str.h"

#define INDEX_NONE UINT32_MAX
#define INDEX_HASH 0xcbf29ce484222325ULL /* FNV-1a, 64 bits */

struct index_slot {
	uint64_t hash;
	struct str key; /* borrowed */
	uint32_t space;
	uint32_t value; /* INDEX_NONE: the slot is free */
};

struct index {
	struct index_slot *slots;
	size_t mask;
	size_t n;
};

/* The hash goes byte by byte, so that it can be had for each prefix or suffix on the way. */
static inline uint64_t index_hash_add(uint64_t hash, char c)
{
	return (hash ^ (uint8_t)c) * 0x100000001b3ULL;
}

/* Room for max_entries, none of which can be removed. -ENOMEM. */
int index_init(struct index *t, size_t max_entries);
void index_clear(struct index *t);

/* The value of an entry; INDEX_NONE. */
uint32_t index_get(const struct index *t, uint32_t space, uint64_t hash, struct str key);
/* Returns the value that is there already, or value, which is added. key is not copied. */
uint32_t index_put(struct index *t, uint32_t space, uint64_t hash, struct str key, uint32_t value);
