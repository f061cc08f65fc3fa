/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>

#include "wheel.h"

#define WHEEL_MAX_TICK ((1ULL << (WHEEL_BITS * WHEEL_LEVELS)) - 1)

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	*w = (struct wheel) { .tick_ms = now_ms };
}

static void slot_push(struct timer **head, struct timer *t)
{
	t->next = *head;
	t->prev = head;
	if (t->next)
		t->next->prev = &t->next;
	*head = t;
}

/* due_ms > tick_ms, or equal to it while that tick is being run. */
static void put(struct wheel *w, struct timer *t)
{
	uint64_t differ = t->due_ms ^ w->tick_ms;
	unsigned int level = 0, slot;

	if (differ)
		level = (unsigned int)(63 - __builtin_clzll(differ)) / WHEEL_BITS;
	slot = (unsigned int)(t->due_ms >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
	slot_push(&w->slot[level][slot], t);
	w->maybe[level] |= 1ULL << slot;
}

/*
 * The next tick after the current one with a slot to run or to put down a level, WHEEL_NONE without
 * timers. Slots of a level lie ahead within the current slot of the level above, so the lowest level
 * with any has the earliest. Bits whose timers were all stopped are cleared here.
 */
uint64_t wheel_next(struct wheel *w)
{
	for (unsigned int level = 0; level < WHEEL_LEVELS; level++) {
		unsigned int shift = level * WHEEL_BITS;

		while (w->maybe[level]) {
			unsigned int slot = (unsigned int)__builtin_ctzll(w->maybe[level]);
			uint64_t above = w->tick_ms >> (shift + WHEEL_BITS);

			if (w->slot[level][slot])
				return ((above << WHEEL_BITS) | slot) << shift;
			w->maybe[level] &= w->maybe[level] - 1;
		}
	}
	return WHEEL_NONE;
}

/* Everything in the slots that begin at tick_ms: from high levels downwards, then the due ones. */
static void run_tick(struct wheel *w)
{
	struct timer *due = NULL, *t;

	for (unsigned int level = WHEEL_LEVELS; level-- > 0;) {
		unsigned int shift = level * WHEEL_BITS;
		unsigned int slot = (unsigned int)(w->tick_ms >> shift) & (WHEEL_SLOTS - 1);

		if (w->tick_ms & ((1ULL << shift) - 1))
			continue;
		w->maybe[level] &= ~(1ULL << slot);
		while ((t = w->slot[level][slot])) {
			wheel_take(t);
			if (level)
				put(w, t);
			else
				slot_push(&due, t);
		}
	}
	while ((t = due)) { /* a callback may stop others that are due now */
		wheel_take(t);
		t->on_due(t);
	}
}

void wheel_advance(struct wheel *w, uint64_t now_ms)
{
	uint64_t next;

	while ((next = wheel_next(w)) <= now_ms) {
		w->tick_ms = next;
		run_tick(w);
	}
	if (now_ms > w->tick_ms)
		w->tick_ms = now_ms;
}

void wheel_put(struct wheel *w, struct timer *t)
{
	if (t->due_ms > WHEEL_MAX_TICK)
		t->due_ms = WHEEL_MAX_TICK;
	if (t->due_ms <= w->tick_ms)
		t->due_ms = w->tick_ms + 1;
	put(w, t);
}

void wheel_take(struct timer *t)
{
	if (!t->prev)
		return;
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->next = NULL;
	t->prev = NULL;
}

void wheel_clear(struct wheel *w)
{
	for (unsigned int level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned int i = 0; i < WHEEL_SLOTS; i++) {
			while (w->slot[level][i])
				wheel_take(w->slot[level][i]);
		}
	}
}
