/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdlib.h>

#include "buf_pool.h"

#define MIN_BITS 8  /* 256 bytes */
#define MAX_BITS 16 /* 64 KiB */
#define CLASSES	 (MAX_BITS - MIN_BITS + 1)
/* What one turn of a loop needs at a time, not what a burst once did. */
#define KEPT_BYTES (256U << 10) /* of a size; of small ones at most KEPT_MAX */
#define KEPT_MAX   32U

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#endif
#ifndef WATCHED
#define WATCHED 0 /* 1: reuse would hide from the sanitizer what is used after its end */
#endif

struct block {
	struct block *next;
};

static __thread struct {
	bool open;
	struct block *free[CLASSES];
	unsigned int n[CLASSES];
} pool;

/* -1: not one of the sizes. */
static int class_of(size_t n_bytes)
{
	int bits = n_bytes ? 63 - __builtin_clzll(n_bytes) : 0;

	if (bits < MIN_BITS || bits > MAX_BITS || n_bytes != (size_t)1 << bits)
		return -1;
	return bits - MIN_BITS;
}

void buf_pool_open(void)
{
	pool.open = !WATCHED;
}

void buf_pool_close(void)
{
	struct block *b;

	pool.open = false;
	for (int c = 0; c < CLASSES; c++) {
		while ((b = pool.free[c])) {
			pool.free[c] = b->next;
			free(b);
		}
		pool.n[c] = 0;
	}
}

void *buf_pool_get(size_t n_bytes)
{
	int c = pool.open ? class_of(n_bytes) : -1;
	struct block *b = c < 0 ? NULL : pool.free[c];

	if (!b)
		return malloc(n_bytes);
	pool.free[c] = b->next;
	pool.n[c]--;
	return b;
}

void buf_pool_put(void *block, size_t n_bytes)
{
	int c = pool.open && block ? class_of(n_bytes) : -1;
	struct block *b = block;

	if (c < 0 || pool.n[c] >= KEPT_MAX || pool.n[c] * n_bytes >= KEPT_BYTES) {
		free(block);
		return;
	}
	b->next = pool.free[c];
	pool.free[c] = b;
	pool.n[c]++;
}

size_t buf_pool_kept_bytes(void)
{
	size_t bytes = 0;

	for (int c = 0; c < CLASSES; c++)
		bytes += (size_t)pool.n[c] << (MIN_BITS + c);
	return bytes;
}
