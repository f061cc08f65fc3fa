/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `layout` (array, one element): who made the pinned maps. Map `layout_maps` (hash): what is in
 * each of them, so that another version can tell what it may go on with, copy or has to make anew.
 */
#pragma once

#include <linux/types.h>

#include "size.h"

#define LAYOUT_MAGIC 0x31656369756c73ULL /* "sluice1" */

/* The names of maps (LAYOUT_NAME_BYTES - 1), what a map's keys and values have, and how many maps. */
#define LAYOUT_NAME_BYTES 24
#define LAYOUT_FIELDS_MAX 64
#define LAYOUT_MAPS_MAX	  128

struct layout {
	__u64 magic;
	__u32 abi; /* ABI_LAYOUT */
	__u32 netns; /* inode of the network namespace that its devices are in, as in `lsns`; 0: unknown */
	char version[32]; /* of the agent that made them */
};
ABI_SIZE(struct layout, 48);

struct layout_name {
	char text[LAYOUT_NAME_BYTES]; /* of the pin, zeros after it */
};
ABI_SIZE(struct layout_name, 24);

/* A member of a value, of nested ones the innermost. */
struct layout_field {
	__u32 name; /* hash of its name, with those of what it is in */
	__u32 offset;
	__u32 bytes;
};
ABI_SIZE(struct layout_field, 12);

struct layout_map {
	__u32 version;	/* of what members mean: user/dataplane/layout_table.c */
	__u32 n_fields; /* 0: they are not known, only whether all is the same */
	__u64 key;	/* hash of all members with their places; 0: a value without a type */
	__u64 value;
	struct layout_field field[LAYOUT_FIELDS_MAX];
};
ABI_SIZE(struct layout_map, 792);
