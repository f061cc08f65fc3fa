/* SPDX-License-Identifier: BSD-2-Clause */
#include "hash_index.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "sluice/algo/siphash.h"

#define ROOM_MIN 16

/* Of which at least a quarter is free, so that a search ends soon. */
static uint32_t room_for(uint32_t n)
{
	uint32_t room = ROOM_MIN;

	while (room - room / 4 <= n && room < 1U << 31)
		room *= 2;
	return room;
}

int hash_index_open(struct hash_index *x, uint32_t n)
{
	struct hash_index fresh = { .room = room_for(n) };

	if (getrandom(fresh.key, sizeof(fresh.key), 0) != sizeof(fresh.key))
		return -EIO;
	fresh.slots = calloc(fresh.room, sizeof(*fresh.slots));
	if (!fresh.slots)
		return -ENOMEM;
	*x = fresh;
	return 0;
}

void hash_index_clear(struct hash_index *x)
{
	free(x->slots);
	*x = (struct hash_index) { 0 };
}

uint32_t hash_index_hash(const struct hash_index *x, const void *key, size_t bytes)
{
	const __u64 seed[2] = { x->key[0], x->key[1] };

	return (uint32_t)siphash13(key, bytes, seed);
}

static void place_in(struct hash_index *x, struct hash_index_slot s)
{
	uint32_t at = s.hash & (x->room - 1);

	while (x->slots[at].place)
		at = (at + 1) & (x->room - 1);
	x->slots[at] = s;
	x->n++;
}

static int grow(struct hash_index *x)
{
	struct hash_index larger = { .room = room_for(x->n + 1), .key = { x->key[0], x->key[1] } };
	uint32_t i;

	if (larger.room == x->room)
		return 0;
	larger.slots = calloc(larger.room, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (i = 0; i < x->room; i++) {
		if (x->slots[i].place)
			place_in(&larger, x->slots[i]);
	}
	free(x->slots);
	*x = larger;
	return 0;
}

int hash_index_put(struct hash_index *x, uint32_t hash, uint32_t place)
{
	int err = x->n + 1 >= x->room - x->room / 4 ? grow(x) : 0;

	if (!err)
		place_in(x, (struct hash_index_slot) { hash, place + 1 });
	return err;
}

/* Close the gap: whoever was put behind it because it was taken moves up (Knuth 6.4, algorithm R). */
static void close_gap(struct hash_index *x, uint32_t gap)
{
	uint32_t mask = x->room - 1, at = gap;

	for (;;) {
		at = (at + 1) & mask;
		if (!x->slots[at].place)
			break;
		if (((at - x->slots[at].hash) & mask) >= ((at - gap) & mask)) {
			x->slots[gap] = x->slots[at];
			gap = at;
		}
	}
	x->slots[gap] = (struct hash_index_slot) { 0 };
}

bool hash_index_del(struct hash_index *x, uint32_t hash, uint32_t place)
{
	uint32_t mask = x->room - 1, at = hash & mask;

	for (; x->room && x->slots[at].place; at = (at + 1) & mask) {
		if (x->slots[at].hash != hash || x->slots[at].place != place + 1)
			continue;
		close_gap(x, at);
		x->n--;
		return true;
	}
	return false;
}

bool hash_index_next(const struct hash_index *x, uint32_t hash, uint32_t *step, uint32_t *ret)
{
	uint32_t mask = x->room - 1;

	for (; *step < x->room; ++*step) {
		const struct hash_index_slot *s = &x->slots[(hash + *step) & mask];

		if (!s->place)
			return false;
		if (s->hash != hash)
			continue;
		++*step;
		*ret = s->place - 1;
		return true;
	}
	return false;
}
