/* SPDX-License-Identifier: BSD-2-Clause */
/* The body of http_upstream's answers, which http_load compares byte by byte. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BODY_MAX_BYTES (64U << 20)

/* Bytes that no shift of themselves resembles: a piece lost or doubled is seen. */
static inline void body_fill(unsigned char *to, size_t n)
{
	uint64_t x = 0x9e3779b97f4a7c15ULL;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		to[i] = (unsigned char)(x >> 32);
	}
}
