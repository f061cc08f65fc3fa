/* SPDX-License-Identifier: BSD-2-Clause */
/* What headers hold, and how it is put there: octet by octet, as the RFCs draw it. */
#pragma once

#include <string.h>

#include "model_step.h"

static inline uint32_t bytes_16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t bytes_32(const uint8_t *at)
{
	return bytes_16(at) << 16 | bytes_16(at + 2);
}

static inline void bytes_put_16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void bytes_put_32(uint8_t *at, uint32_t value)
{
	bytes_put_16(at, value >> 16);
	bytes_put_16(at + 2, value);
}

static inline void bytes_swap(uint8_t *a, uint8_t *b, uint32_t bytes)
{
	uint8_t copy[16];

	memcpy(copy, a, bytes);
	memcpy(a, b, bytes);
	memcpy(b, copy, bytes);
}

/* RFC 1071: the ones' complement sum, the slow way; of an even number of bytes, on top of sum. */
static inline uint32_t bytes_sum(uint32_t sum, const uint8_t *at, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes; i += 2) {
		sum += bytes_16(at + i);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

static inline uint32_t bytes_checksum(const uint8_t *at, uint32_t bytes)
{
	return bytes_sum(0, at, bytes) ^ 0xffff;
}

/* RFC 1624 s3, equation 3: HC' = ~(~HC + ~m + m'). */
static inline uint32_t bytes_changed(uint32_t check, uint32_t from, uint32_t to)
{
	uint32_t sum = (check ^ 0xffff) + (from ^ 0xffff) + to;

	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum ^ 0xffff;
}

static inline struct addr bytes_addr_v4(const uint8_t *at)
{
	return (struct addr) {
		.b = { [10] = 0xff, [11] = 0xff, [12] = at[0], at[1], at[2], at[3] }
	};
}

/* Does a frame of several buffers have these bytes in the first? */
static inline bool bytes_readable(const struct model_packet *p, uint32_t at, uint32_t n)
{
	return at + n <= p->frame->readable;
}
