/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "buf_pool.h"

#define BUF_MIN_BYTES 256U

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf) { .max_bytes = max_bytes };
}

void buf_init_secret(struct buf *b, size_t max_bytes)
{
	*b = (struct buf) { .max_bytes = max_bytes, .secret = true };
}

static void give_back(struct buf *b)
{
	if (b->secret && b->data)
		explicit_bzero(b->data, b->cap);
	buf_pool_put(b->data, b->cap);
}

void buf_clear(struct buf *b)
{
	give_back(b);
	*b = (struct buf) { .max_bytes = b->max_bytes, .secret = b->secret };
}

/* Powers of two, so that a buffer filled byte by byte is copied a constant number of times. */
static size_t grown_cap(const struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_MIN_BYTES;

	while (cap < need && cap <= b->max_bytes / 2)
		cap *= 2;
	return cap < need || cap > b->max_bytes ? b->max_bytes : cap;
}

char *buf_reserve(struct buf *b, size_t want)
{
	size_t len = buf_len(b), cap;
	char *data;

	if (want > buf_room(b))
		return NULL;
	if (b->data && b->cap - b->end >= want)
		return b->data + b->end;
	if (b->data && b->cap - len >= want) {
		memmove(b->data, b->data + b->start, len);
		b->start = 0;
		b->end = len;
		return b->data + len;
	}
	cap = grown_cap(b, len + want);
	data = buf_pool_get(cap ? cap : 1);
	if (!data)
		return NULL;
	if (b->data)
		memcpy(data, b->data + b->start, len);
	give_back(b);
	b->data = data;
	b->cap = cap;
	b->start = 0;
	b->end = len;
	return data + len;
}

void buf_commit(struct buf *b, size_t n)
{
	b->end += n;
}

void buf_consume(struct buf *b, size_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void buf_trim(struct buf *b)
{
	if (b->data && b->start == b->end)
		buf_clear(b);
}

int buf_add(struct buf *b, const void *data, size_t n)
{
	char *at;

	if (!n)
		return 0;
	at = buf_reserve(b, n);
	if (!at)
		return -ENOSPC;
	memcpy(at, data, n);
	buf_commit(b, n);
	return 0;
}

int buf_add_str(struct buf *b, struct str s)
{
	return buf_add(b, s.ptr, s.len);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *at;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	/*
	 * vsnprintf ends with a NUL that is not part of the data: when exactly n bytes are left
	 * under the limit there is no room for it, and the text goes through a copy.
	 */
	at = buf_reserve(b, (size_t)n + 1);
	if (at) {
		va_start(ap, fmt);
		vsnprintf(at, (size_t)n + 1, fmt, ap);
		va_end(ap);
		buf_commit(b, (size_t)n);
		return 0;
	}
	if ((size_t)n > buf_room(b))
		return -ENOSPC;

	char *copy = malloc((size_t)n + 1);
	int err;

	if (!copy)
		return -ENOSPC;
	va_start(ap, fmt);
	vsnprintf(copy, (size_t)n + 1, fmt, ap);
	va_end(ap);
	err = buf_add(b, copy, (size_t)n);
	free(copy);
	return err;
}
