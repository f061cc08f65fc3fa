/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk through all entries of a hash, a batch at a time, so that the loop has others to serve in
 * between: an entry takes up to a microsecond, and there may be millions. Entries that come or go
 * meanwhile may or may not be met.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct map_walk {
	int fd; /* the caller's, and open until the walk is cleared */
	uint32_t key_bytes, value_bytes;
	uint32_t buckets;
	uint32_t cursor; /* the bucket that is next */
	uint32_t room;	 /* entries of a batch */
	uint32_t n;	 /* that there are in this one */
	bool is_first, is_over;
	char *keys, *values;
};

/* Of a hash that has no value per CPU. Negative errno; clear it in any case. */
int map_walk_open(struct map_walk *w, int fd);
void map_walk_clear(struct map_walk *w);
/*
 * The next batch into keys and values: 1, or 0 when there was none after the last one (n is 0 then).
 * Negative errno: -EINVAL or -524 (ENOTSUPP) where the kernel has no batches of this map.
 */
int map_walk_next(struct map_walk *w);
static inline const void *map_walk_key(const struct map_walk *w, uint32_t i)
{
	return w->keys + (uint64_t)i * w->key_bytes;
}
static inline void *map_walk_value(const struct map_walk *w, uint32_t i)
{
	return w->values + (uint64_t)i * w->value_bytes;
}
