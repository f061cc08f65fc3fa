/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two readers have in common: cases come on stdin as {u32 length, little endian; 'q' for
 * requests or 's' for responses; bytes}, and each makes one line on stdout, its events separated by
 * spaces:
 *   H:<hex>   a head: start line, then "keep" or "close", then fields, a line each
 *   B:<hex>   the body of that head, complete
 *   and last what ended it: "end", "more", "more-body", "close", "upgrade" or "error:<why>"
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

struct conform_case {
	char kind;
	uint32_t len;
	char *data; /* as long as the case: the next one takes its place */
};

/* false at the end of the input; a broken one ends the program. */
static inline bool case_read(struct conform_case *c)
{
	if (fread(&c->len, sizeof(c->len), 1, stdin) != 1)
		return false;
	free(c->data);
	c->data = malloc(c->len + 1);
	if (!c->data || fread(&c->kind, 1, 1, stdin) != 1 ||
	    fread(c->data, 1, c->len, stdin) != c->len)
		exit(2);
	return true;
}

static inline void case_event(char type, const struct buf *text)
{
	static const char digits[] = "0123456789abcdef";
	struct str s = buf_str(text);

	putchar(type);
	putchar(':');
	for (size_t i = 0; i < s.len; i++) {
		putchar(digits[(uint8_t)s.ptr[i] >> 4]);
		putchar(digits[s.ptr[i] & 15]);
	}
	putchar(' ');
}

static inline void case_must(int err)
{
	if (err)
		exit(2);
}
