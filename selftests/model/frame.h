/* SPDX-License-Identifier: BSD-2-Clause */
/* Random frames: headers that are right, then perhaps broken. */
#pragma once

#include "draw.h"

#define FRAME_MAX   2400
#define FRAME_SLACK 2400 /* behind it: what reads past its end finds zeros, not another frame */

struct frame {
	uint8_t bytes[FRAME_MAX + FRAME_SLACK];
	uint32_t len;
	/* Of one that was just made: where its headers and the quoted packet's are; 0: there is none. */
	uint32_t ip_at[2], ports_at[2];
	bool ipv6;
};

void frame_make(struct draw *d, struct frame *ret);
/* From the other end: addresses and ports swapped. Of one that was just made. */
void frame_turn(struct frame *f);
/* Flip, cut, repeat, move or replace a part of it. */
void frame_mutate(struct draw *d, struct frame *f);
