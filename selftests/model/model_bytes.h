/* SPDX-License-Identifier: BSD-2-Clause */
/* What headers hold, for model_parse.c and model_l4.c. */
#pragma once

#include "model_step.h"

static inline uint32_t bytes_16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t bytes_32(const uint8_t *at)
{
	return bytes_16(at) << 16 | bytes_16(at + 2);
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
