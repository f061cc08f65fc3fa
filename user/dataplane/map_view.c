/* SPDX-License-Identifier: BSD-2-Clause */
#include "map_view.h"

#include <errno.h>
#include <sys/mman.h>

int map_view_open(struct map_view *v, int fd, const struct map_shape *shape)
{
	v->bytes = pinned_map_mem_bytes(shape);
	v->stride = pinned_map_stride(shape->value_bytes);
	v->mem = mmap(NULL, v->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return v->mem == MAP_FAILED ? -errno : 0;
}

void map_view_close(struct map_view *v)
{
	if (v->mem && v->mem != MAP_FAILED)
		munmap(v->mem, v->bytes);
	v->mem = NULL;
}
