/* SPDX-License-Identifier: BSD-2-Clause */
#include "map_walk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "pinned_map.h"

/* A batch takes a quarter of a millisecond, where each entry and its bucket are a miss of all caches. */
#define BATCH_FIRST 256
#define BATCH_MAX   (1U << 20)

static int reserve(struct map_walk *w, uint32_t room)
{
	void *keys = realloc(w->keys, (size_t)room * w->key_bytes);
	void *values;

	if (!keys)
		return -ENOMEM;
	w->keys = keys;
	values = realloc(w->values, (size_t)room * w->value_bytes);
	if (!values)
		return -ENOMEM;
	w->values = values;
	w->room = room;
	return 0;
}

int map_walk_open(struct map_walk *w, int fd)
{
	struct map_shape shape;
	int err = pinned_map_shape(fd, &shape);

	*w = (struct map_walk) { .fd = fd, .is_first = true, .buckets = 1 };
	if (err)
		return err;
	w->key_bytes = shape.key_bytes;
	w->value_bytes = shape.value_bytes;
	while (w->buckets < shape.max_entries)
		w->buckets *= 2; /* as kernel/bpf/hashtab.c sizes its table */
	return reserve(w, BATCH_FIRST);
}

void map_walk_clear(struct map_walk *w)
{
	free(w->keys);
	free(w->values);
	*w = (struct map_walk) { .fd = -1, .is_over = true };
}

int map_walk_next(struct map_walk *w)
{
	int err = -ENOSPC;

	w->n = 0;
	if (w->is_over)
		return 0;
	/* -ENOSPC of the kernel: one bucket holds more than the batch, so it grows. */
	while (err == -ENOSPC) {
		uint32_t n = w->room;

		err = bpf_map_lookup_batch(w->fd, w->is_first ? NULL : &w->cursor, &w->cursor,
					   w->keys, w->values, &n, NULL)
			      ? -errno
			      : 0;
		w->n = err && err != -ENOENT ? 0 : n;
		if (err == -ENOSPC && (w->room >= BATCH_MAX || reserve(w, w->room * 2)))
			return -ENOMEM;
	}
	w->is_first = false;
	w->is_over = err == -ENOENT;
	if (w->is_over)
		w->cursor = w->buckets;
	return err && !w->is_over ? err : w->n > 0 || !w->is_over;
}
