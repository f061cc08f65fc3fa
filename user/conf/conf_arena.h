/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is released all at once: a configuration's, or that of the tree it is read from. */
#pragma once

#include <stddef.h>

#include "../base/str.h"

struct conf_arena;

struct conf_arena *conf_arena_new(void); /* NULL: no memory */
void conf_arena_free(struct conf_arena *a);

/* Zeroed, aligned for any type, at least one byte; NULL: no memory, or n * size overflows. */
void *conf_arena_alloc(struct conf_arena *a, size_t n, size_t size);
/* A terminated copy. */
char *conf_arena_copy(struct conf_arena *a, struct str s);

static inline void conf_arena_cleanup(struct conf_arena **a)
{
	conf_arena_free(*a);
}
