/* SPDX-License-Identifier: BSD-2-Clause */
/* Many updates or deletes of one map in few system calls, in the order in which they were put. */
#pragma once

#include <stdint.h>

struct map_batch {
	int fd;
	uint32_t key_bytes;
	uint32_t value_bytes; /* 0: deletes */
	uint32_t n;
	char *keys;
	char *values;
};

/* value_bytes: 0 to delete. -ENOMEM; clear it in any case. */
int map_batch_open(struct map_batch *b, int fd, uint32_t key_bytes, uint32_t value_bytes);
/* Put one; written at once when there are enough of them. Deleting what is not there is no error. */
int map_batch_put(struct map_batch *b, const void *key, const void *value);
int map_batch_flush(struct map_batch *b);
void map_batch_clear(struct map_batch *b);
