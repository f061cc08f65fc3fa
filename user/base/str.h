/* SPDX-License-Identifier: BSD-2-Clause */
/* A borrowed run of bytes: not terminated, may hold NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct str {
	const char *ptr;
	size_t len;
};

#define STR_LIT(s) ((struct str) { (s), sizeof(s) - 1 })

static inline struct str str_of(const char *s)
{
	return (struct str) { s, s ? strlen(s) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_ieq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}
