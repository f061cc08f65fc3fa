/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNK_BYTES 65536
#define ALIGN_BYTES alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) char data[];
};

struct conf_arena {
	struct chunk *first; /* the one that is being filled */
};

struct conf_arena *conf_arena_new(void)
{
	return calloc(1, sizeof(struct conf_arena));
}

void conf_arena_free(struct conf_arena *a)
{
	if (!a)
		return;
	while (a->first) {
		struct chunk *next = a->first->next;

		free(a->first);
		a->first = next;
	}
	free(a);
}

static struct chunk *chunk_add(struct conf_arena *a, size_t size)
{
	struct chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		return NULL;
	c->size = size;
	/* A large block gets a chunk of its own behind the one that still has room. */
	if (a->first && size != CHUNK_BYTES) {
		c->next = a->first->next;
		a->first->next = c;
	} else {
		c->next = a->first;
		a->first = c;
	}
	return c;
}

void *conf_arena_alloc(struct conf_arena *a, size_t n, size_t size)
{
	struct chunk *c = a->first;
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = bytes ? (bytes + ALIGN_BYTES - 1) & ~(ALIGN_BYTES - 1) : ALIGN_BYTES;
	if (bytes > CHUNK_BYTES / 4)
		c = chunk_add(a, bytes);
	else if (!c || c->size - c->used < bytes)
		c = chunk_add(a, CHUNK_BYTES);
	if (!c)
		return NULL;
	p = c->data + c->used;
	c->used += bytes;
	return p;
}

char *conf_arena_copy(struct conf_arena *a, struct str s)
{
	char *p = conf_arena_alloc(a, s.len + 1, 1);

	if (p && s.len)
		memcpy(p, s.ptr, s.len);
	return p;
}
