/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Positions count bytes since the beginning and never wrap in practice (2^64); the place of a
 * position is its low bits. A record is a 32-bit length and its bytes, padded to 8, and may run over
 * the end of the data into its start.
 */
#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define RING_MAGIC	0x676e6972U /* "ring", and the layout's version in ring_shared.version */
#define RING_VERSION	1U
#define RING_ALIGN	8U
#define RING_LEN_BYTES	sizeof(uint32_t)
#define RING_DATA_MIN	64U
#define RING_CACHE_LINE 64

struct ring_shared {
	uint32_t magic;
	uint32_t version;
	uint64_t data_bytes;
	alignas(RING_CACHE_LINE) _Atomic uint64_t head; /* written by the writer only */
	_Atomic uint64_t dropped;
	alignas(RING_CACHE_LINE) _Atomic uint64_t tail; /* written by the reader only */
	alignas(RING_CACHE_LINE) char data[];
};

struct ring {
	struct ring_shared *shared;
	size_t data_bytes;
	uint64_t head; /* the writer's own copy */
	uint64_t tail; /* the reader's own copy */
};

static bool size_ok(uint64_t data_bytes)
{
	return data_bytes >= RING_DATA_MIN && data_bytes <= INT_MAX &&
	       (data_bytes & (data_bytes - 1)) == 0;
}

static uint64_t record_bytes(size_t n)
{
	return (RING_LEN_BYTES + n + RING_ALIGN - 1) & ~(uint64_t)(RING_ALIGN - 1);
}

size_t ring_bytes(size_t data_bytes)
{
	return sizeof(struct ring_shared) + data_bytes;
}

static struct ring *ring_handle(struct ring_shared *shared, size_t data_bytes)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->shared = shared;
	r->data_bytes = data_bytes;
	r->head = atomic_load_explicit(&shared->head, memory_order_acquire);
	r->tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
	return r;
}

struct ring *ring_init(void *mem, size_t data_bytes)
{
	struct ring_shared *shared = mem;

	if (!size_ok(data_bytes) || (uintptr_t)mem % RING_CACHE_LINE)
		return NULL;
	memset(shared, 0, sizeof(*shared));
	shared->magic = RING_MAGIC;
	shared->version = RING_VERSION;
	shared->data_bytes = data_bytes;
	return ring_handle(shared, data_bytes);
}

int ring_attach(void *mem, size_t mem_bytes, struct ring **ret)
{
	struct ring_shared *shared = mem;
	uint64_t data_bytes;
	struct ring *r;

	if (mem_bytes < sizeof(*shared) || (uintptr_t)mem % RING_CACHE_LINE)
		return -EPROTO;
	data_bytes = *(volatile uint64_t *)&shared->data_bytes; /* once: it may change under us */
	if (shared->magic != RING_MAGIC || shared->version != RING_VERSION ||
	    !size_ok(data_bytes) || data_bytes > mem_bytes - sizeof(*shared))
		return -EPROTO;
	r = ring_handle(shared, (size_t)data_bytes);
	if (!r)
		return -ENOMEM;
	*ret = r;
	return 0;
}

void ring_free(struct ring *r)
{
	free(r);
}

static void copy_in(struct ring *r, uint64_t pos, const void *from, size_t n)
{
	size_t at = (size_t)(pos & (r->data_bytes - 1));
	size_t first = n < r->data_bytes - at ? n : r->data_bytes - at;

	memcpy(r->shared->data + at, from, first);
	memcpy(r->shared->data, (const char *)from + first, n - first);
}

static void copy_out(const struct ring *r, uint64_t pos, void *to, size_t n)
{
	size_t at = (size_t)(pos & (r->data_bytes - 1));
	size_t first = n < r->data_bytes - at ? n : r->data_bytes - at;

	memcpy(to, r->shared->data + at, first);
	memcpy((char *)to + first, r->shared->data, n - first);
}

int ring_write(struct ring *r, const void *data, size_t n)
{
	uint64_t tail = atomic_load_explicit(&r->shared->tail, memory_order_acquire);
	uint64_t used = r->head - tail;
	uint32_t len = (uint32_t)n;

	if (!n)
		return -EINVAL;
	if (used > r->data_bytes || n > r->data_bytes || record_bytes(n) > r->data_bytes - used) {
		uint64_t dropped = atomic_load_explicit(&r->shared->dropped, memory_order_relaxed);

		atomic_store_explicit(&r->shared->dropped, dropped + 1, memory_order_relaxed);
		return -ENOSPC;
	}
	copy_in(r, r->head, &len, sizeof(len));
	copy_in(r, r->head + sizeof(len), data, n);
	r->head += record_bytes(n);
	atomic_store_explicit(&r->shared->head, r->head, memory_order_release);
	return 0;
}

static void move_tail(struct ring *r, uint64_t to)
{
	r->tail = to;
	atomic_store_explicit(&r->shared->tail, to, memory_order_release);
}

int ring_read(struct ring *r, void *out, size_t out_bytes)
{
	uint64_t head = atomic_load_explicit(&r->shared->head, memory_order_acquire);
	uint64_t used = head - r->tail;
	uint64_t tail = r->tail;
	uint32_t len;

	if (!used)
		return 0;
	if (used > r->data_bytes || used < RING_ALIGN) {
		move_tail(r, head);
		return -EPROTO;
	}
	copy_out(r, tail, &len,
		 sizeof(len)); /* into private memory: checked and used is one value */
	if (!len || len > r->data_bytes || record_bytes(len) > used) {
		move_tail(r, head);
		return -EPROTO;
	}
	if (len > out_bytes) {
		move_tail(r, tail + record_bytes(len));
		return -EMSGSIZE;
	}
	copy_out(r, tail + sizeof(len), out, len);
	move_tail(r, tail + record_bytes(len));
	return (int)len;
}

uint64_t ring_dropped(const struct ring *r)
{
	return atomic_load_explicit(&r->shared->dropped, memory_order_relaxed);
}
