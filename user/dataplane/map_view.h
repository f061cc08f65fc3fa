/* SPDX-License-Identifier: BSD-2-Clause */
/* The elements of an array map that has BPF_F_MMAPABLE, by its descriptor alone. */
#pragma once

#include <stddef.h>

#include "pinned_map.h"

struct map_view {
	char *mem;
	size_t bytes;
	size_t stride; /* from one element to the next */
};

/* Negative errno. Close it in any case, one that is all zero too. */
int map_view_open(struct map_view *v, int fd, const struct map_shape *shape);
void map_view_close(struct map_view *v);
