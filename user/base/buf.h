/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte buffer with a limit: [start, end) is data, storage grows up to max_bytes and is given back
 * when the buffer is empty (buf_trim), so that an idle connection holds none.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct buf {
	char *data;
	size_t start;
	size_t end;
	size_t cap;
	size_t max_bytes;
	bool secret; /* storage is wiped before it is given back */
};

void buf_init(struct buf *b, size_t max_bytes);
/* For keys: leaves no copy in freed memory, neither when it grows nor at its end. */
void buf_init_secret(struct buf *b, size_t max_bytes);
void buf_clear(struct buf *b); /* frees the storage; the limit stays */

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline char *buf_head(const struct buf *b)
{
	return b->data ? b->data + b->start : NULL; /* NULL + 0 is undefined in C */
}

static inline struct str buf_str(const struct buf *b)
{
	return (struct str) { buf_head(b), b->end - b->start };
}

/* Bytes that may still be added. */
static inline size_t buf_room(const struct buf *b)
{
	return b->max_bytes - buf_len(b);
}

/*
 * Make want contiguous bytes writable behind the data (moving or growing it) and return where; the
 * caller writes and then calls buf_commit. NULL: over max_bytes or no memory; nothing changed.
 */
char *buf_reserve(struct buf *b, size_t want);
void buf_commit(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n); /* n <= buf_len */
void buf_trim(struct buf *b);		   /* free the storage if there is no data in it */

/* Append; 0 or -ENOSPC with nothing added. */
int buf_add(struct buf *b, const void *data, size_t n);
int buf_add_str(struct buf *b, struct str s);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
