/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timers of a loop, without its clock. WHEEL_LEVELS wheels of 64 slots, where a slot of level k
 * is 64^k ms long. A timer sits on the level of the highest bit in which its due tick differs from
 * the current one, so that every level only holds slots that are still ahead in the current turn of
 * the level above it. When the time reaches a slot of a higher level, its timers are put again and
 * land lower. A bitmap a level says where timers may be: the next tick at which anything happens is
 * found without walking, so that an hour asleep costs no more than a millisecond.
 */
#pragma once

#include <stdint.h>

#include "loop.h"

#define WHEEL_BITS   6
#define WHEEL_SLOTS  (1U << WHEEL_BITS)
#define WHEEL_LEVELS 7 /* 2^42 ms: 139 years after boot */
#define WHEEL_NONE   UINT64_MAX

struct wheel {
	uint64_t tick_ms;	      /* everything due up to here has run */
	uint64_t maybe[WHEEL_LEVELS]; /* bit set: the slot may hold timers */
	struct timer *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_clear(struct wheel *w); /* every timer is stopped */

/* t->due_ms is set by the caller; what is due already runs in the next tick. */
void wheel_put(struct wheel *w, struct timer *t);
void wheel_take(struct timer *t); /* not running: fine */

/* No timer is due before this tick (one may be due later than it); WHEEL_NONE without timers. */
uint64_t wheel_next(struct wheel *w);
/* Run every timer that is due up to and with now_ms, in the order of their ticks. */
void wheel_advance(struct wheel *w, uint64_t now_ms);
