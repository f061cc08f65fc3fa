/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Storage of buffers that were given back, for the next ones: a request takes and gives back half a
 * dozen of the same few sizes, which are too large for the quick lists of malloc. A thread has one,
 * or none: only the loop of a worker is worth it. Bounded; blocks are malloc's own, so that they may
 * be freed by whoever has none.
 */
#pragma once

#include <stddef.h>

#define BUF_POOL_MAX_BYTES (2U << 20) /* of a thread */

/* This thread keeps what it gives back, from here on until buf_pool_close, which frees it. */
void buf_pool_open(void);
void buf_pool_close(void);

void *buf_pool_get(size_t n_bytes); /* as malloc */
void buf_pool_put(void *block, size_t n_bytes);
size_t buf_pool_kept_bytes(void);
