/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of records in shared memory with one writer and one reader in different processes: the way
 * log lines leave a worker. The reader trusts no length it finds there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ring; /* placed in the mapping by its maker */

/* Bytes of shared memory for data_bytes (a power of two) of records. */
size_t ring_bytes(size_t data_bytes);
struct ring *ring_init(void *mem, size_t data_bytes);
/* Attach to one that is there. -EPROTO when its header makes no sense for mem_bytes. */
int ring_attach(void *mem, size_t mem_bytes, struct ring **ret);

/* 0, or -ENOSPC: dropped and counted. */
int ring_write(struct ring *r, const void *data, size_t n);
/* Copy the oldest record to out; its length, 0 when empty, -EPROTO when corrupt (ring is reset). */
int ring_read(struct ring *r, void *out, size_t out_bytes);
uint64_t ring_dropped(const struct ring *r);
