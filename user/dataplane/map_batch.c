/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "map_batch.h"

#define BATCH_ENTRIES	4096
#define TRIES_MAX	100
#define RETRY_NS	(1 * NS_PER_MS)
#define KERNEL_ENOTSUPP 524 /* include/linux/errno.h: batch operations that a map type lacks */

int map_batch_open(struct map_batch *b, int fd, uint32_t key_bytes, uint32_t value_bytes)
{
	*b = (struct map_batch) { .fd = fd, .key_bytes = key_bytes, .value_bytes = value_bytes };
	b->keys = malloc((size_t)BATCH_ENTRIES * key_bytes);
	b->values = malloc((size_t)BATCH_ENTRIES * (value_bytes ? value_bytes : 1));
	return b->keys && b->values ? 0 : -ENOMEM;
}

void map_batch_clear(struct map_batch *b)
{
	free(b->keys);
	free(b->values);
	b->keys = b->values = NULL;
}

int map_batch_put(struct map_batch *b, const void *key, const void *value)
{
	memcpy(b->keys + (size_t)b->n * b->key_bytes, key, b->key_bytes);
	if (b->value_bytes)
		memcpy(b->values + (size_t)b->n * b->value_bytes, value, b->value_bytes);
	return ++b->n < BATCH_ENTRIES ? 0 : map_batch_flush(b);
}

/* Write entries from..n-1; *ret_done are written, also on an error. */
static int write_many(const struct map_batch *b, uint32_t from, uint32_t *ret_done)
{
	const char *keys = b->keys + (size_t)from * b->key_bytes;
	const char *values = b->values + (size_t)from * b->value_bytes;
	uint32_t n = b->n - from;
	int err;

	*ret_done = n;
	err = b->value_bytes ? bpf_map_update_batch(b->fd, keys, values, ret_done, NULL)
			     : bpf_map_delete_batch(b->fd, keys, ret_done, NULL);
	err = err ? -errno : 0;
	if (err && *ret_done >= n) /* refused before it began: the count is still ours */
		*ret_done = 0;
	return err;
}

static int write_one(const struct map_batch *b, uint32_t i, uint32_t *ret_done)
{
	const char *key = b->keys + (size_t)i * b->key_bytes;
	const char *value = b->values + (size_t)i * b->value_bytes;
	int err = b->value_bytes ? bpf_map_update_elem(b->fd, key, value, BPF_ANY)
				 : bpf_map_delete_elem(b->fd, key);

	*ret_done = err ? 0 : 1;
	return err ? -errno : 0;
}

/* The kernel refills its store of free elements from an interrupt: a moment later there are some. */
static bool passes(int err)
{
	return err == -ENOMEM || err == -EBUSY || err == -EAGAIN || err == -EINTR;
}

int map_batch_flush(struct map_batch *b)
{
	static const struct timespec moment = { .tv_nsec = RETRY_NS };
	uint32_t i = 0, done, tries = 0;
	bool single = false;

	while (i < b->n) {
		int err = single ? write_one(b, i, &done) : write_many(b, i, &done);

		i += done;
		if (err == -KERNEL_ENOTSUPP || (err == -EINVAL && !single)) {
			single = true;
		} else if (err == -ENOENT && !b->value_bytes) {
			i++;
		} else if (err) {
			if (!passes(err) || ++tries > TRIES_MAX)
				return err;
			nanosleep(&moment, NULL);
		}
	}
	b->n = 0;
	return 0;
}
