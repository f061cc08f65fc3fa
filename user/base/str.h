/* SPDX-License-Identifier: BSD-2-Clause */
/* A borrowed run of bytes: not terminated, may hold NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/* Control bytes become '?'. Words of eight are looked at as one: lines of logs have none. */
static inline void str_no_controls(char *text, size_t n)
{
	const uint64_t ones = 0x0101010101010101ULL;
	size_t i = 0;
	uint64_t word;

	while (i < n) {
		if (n - i >= sizeof(word)) {
			memcpy(&word, text + i, sizeof(word));
			if (!((word - 0x20 * ones) & ~word & 0x80 * ones)) {
				i += sizeof(word);
				continue;
			}
		}
		for (size_t end = n - i < sizeof(word) ? n : i + sizeof(word); i < end; i++)
			text[i] = (unsigned char)text[i] < 0x20 ? '?' : text[i];
	}
}

#define STR_U64_MAX 20 /* digits */

/* Decimal digits, without a NUL; behind them. */
static inline char *str_put_u64(char *at, uint64_t value)
{
	char digits[STR_U64_MAX];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	memcpy(at, digits + n, sizeof(digits) - n);
	return at + sizeof(digits) - n;
}
