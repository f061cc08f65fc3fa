/* SPDX-License-Identifier: BSD-2-Clause */
/* One map of the dataplane: found by its name, read whole, summed over CPUs, mapped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/abi/layout.h"

struct dataplane;
struct layout_moves;

/* What makes two maps interchangeable for a program. */
struct map_shape {
	uint32_t type;
	uint32_t key_bytes;
	uint32_t value_bytes;
	uint32_t max_entries;
	uint32_t flags;
};

/* What becomes of the map that is pinned (layout.h). */
enum map_fate {
	MAP_ADOPTED,  /* it is used as it is */
	MAP_NEW,      /* there is none */
	MAP_RESIZED,  /* its contents are copied to one of another size */
	MAP_CARRIED,  /* they are copied, member by member, to one of another layout */
	MAP_FORGOTTEN /* they mean nothing to these programs, or what they refer to is forgotten */
};

struct pinned_map {
	char name[LAYOUT_NAME_BYTES]; /* of the pin; the kernel keeps 15 characters of it */
	struct map_shape shape;
	int fd;	    /* the map in force; -1 until it is loaded */
	int old_fd; /* the pinned one that fd replaces; -1 */
	enum map_fate fate;
	struct layout_map print;    /* what is in it, by its types */
	struct layout_moves *moves; /* from a value of old_fd to one of fd; NULL: it is the same */
	void *mem;		    /* array maps that are memory-mapped, on first use */
	size_t mem_bytes;
};

/* NULL: the programs have no map of this name. */
struct pinned_map *pinned_map_find(struct dataplane *dp, const char *name);
/* The descriptor, or -ENOENT. */
int pinned_map_fd(struct dataplane *dp, const char *name);
int pinned_map_shape(int fd, struct map_shape *ret);
/* Has it a value for each CPU? */
bool pinned_map_is_percpu(const struct map_shape *shape);

/* Elements of an array are this far apart, in memory and in per-CPU values. */
static inline size_t pinned_map_stride(uint32_t value_bytes)
{
	return ((size_t)value_bytes + 7) / 8 * 8;
}

/* Map an array map that has BPF_F_MMAPABLE, once. NULL: not there or not mappable. */
void *pinned_map_mem(struct dataplane *dp, const char *name);
size_t pinned_map_mem_bytes(const struct map_shape *shape);
void pinned_map_close(struct pinned_map *m);

/*
 * Copy all of a hash or trie that has no per-CPU values: keys and values are arrays, the caller's
 * to free. Entries that come or go meanwhile may or may not be in it.
 */
int pinned_map_read(int fd, void **ret_keys, void **ret_values, size_t *ret_n);
/*
 * Entries of a hash or trie. Over sample_max entries of a hash, the rest is estimated from the part
 * of the buckets that was read: keys spread evenly. 0 of sample_max: count all.
 */
int pinned_map_count(int fd, uint32_t sample_max, uint32_t *ret);

/* Add up the per-CPU values under key, each a row of words; ret has value_bytes / 8 of them. */
int pinned_map_sum(int fd, const void *key, uint32_t value_bytes, uint64_t *ret);
/* Set a per-CPU value to zero on every CPU. */
int pinned_map_zero(int fd, const void *key, uint32_t value_bytes);
/* What the kernel charges for the map, from fdinfo; 0 if it does not say. */
uint64_t pinned_map_memory(int fd);
