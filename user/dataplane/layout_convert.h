/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of a map of an earlier, or later, layout: member by member to where these programs have it. */
#pragma once

#include <stdint.h>

#include "pinned_map.h"

struct layout_move {
	uint32_t from, to, bytes;
};

struct layout_moves {
	uint32_t n;
	uint32_t old_bytes; /* of a value, for each CPU */
	struct layout_move move[LAYOUT_FIELDS_MAX];
};

/*
 * From values of the map that is pinned, which has these members in old_bytes, to those of want. NULL
 * with errno ENOTSUP where one of both is not known by its members, or one has another size now.
 */
struct layout_moves *layout_moves_new(const struct layout_map *was, uint32_t old_bytes,
				      const struct layout_map *want, uint32_t want_bytes);
/* One value. What it did not have is zero. */
void layout_convert(const struct pinned_map *m, const void *from, void *ret);
/* The same of per-CPU values, as the kernel has them one behind the other. */
void layout_convert_cpus(const struct pinned_map *m, const void *from, void *ret, int cpus);
/* Bytes of a value of old_fd. */
uint32_t layout_old_bytes(const struct pinned_map *m);
