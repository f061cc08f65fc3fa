/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of records in shared memory with one writer and one reader in different processes: the way
 * log lines leave a worker. The reader trusts no length it finds there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The handle is private memory: the reader's bounds and position are not where a hostile writer
 * could change them. The mapping itself stays its maker's.
 */
struct ring;

/* Bytes of shared memory for data_bytes (a power of two, at least 64) of records. */
size_t ring_bytes(size_t data_bytes);
/* Lay out an empty ring in mem (page- or at least 64-byte-aligned). NULL: no memory, bad size. */
struct ring *ring_init(void *mem, size_t data_bytes);
/* Attach to one that is there. -EPROTO when its header makes no sense for mem_bytes; -ENOMEM. */
int ring_attach(void *mem, size_t mem_bytes, struct ring **ret);
void ring_free(struct ring *r); /* the handle only */

/* 0, or -ENOSPC: dropped and counted. -EINVAL: n is 0. */
int ring_write(struct ring *r, const void *data, size_t n);
/*
 * Copy the oldest record to out. Its length, 0 when empty, or
 *   -EPROTO    corrupt: everything in the ring was skipped
 *   -EMSGSIZE  longer than out_bytes: that record was skipped
 */
int ring_read(struct ring *r, void *out, size_t out_bytes);
uint64_t ring_dropped(const struct ring *r);
