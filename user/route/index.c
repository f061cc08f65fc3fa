/* SPDX-License-Identifier: BSD-2-Clause */
#include "index.h"

#include <errno.h>
#include <stdlib.h>

int index_init(struct index *t, size_t max_entries)
{
	size_t cap = 8;

	while (cap < max_entries * 2)
		cap *= 2;
	struct index_slot *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < cap; i++)
		slots[i].value = INDEX_NONE;
	*t = (struct index) { .slots = slots, .mask = cap - 1 };
	return 0;
}

void index_clear(struct index *t)
{
	free(t->slots);
	*t = (struct index) { 0 };
}

/* The slot of that key, or the free one where it belongs: at most half of them are taken. */
static struct index_slot *find(const struct index *t, uint32_t space, uint64_t hash, struct str key)
{
	size_t i = (size_t)((hash ^ hash >> 32) + space * 0x9e3779b1U) & t->mask;

	for (;; i = (i + 1) & t->mask) {
		struct index_slot *s = &t->slots[i];

		if (s->value == INDEX_NONE)
			return s;
		if (s->hash == hash && s->space == space && str_eq(s->key, key))
			return s;
	}
}

uint32_t index_get(const struct index *t, uint32_t space, uint64_t hash, struct str key)
{
	return find(t, space, hash, key)->value;
}

uint32_t index_put(struct index *t, uint32_t space, uint64_t hash, struct str key, uint32_t value)
{
	struct index_slot *s = find(t, space, hash, key);

	if (s->value == INDEX_NONE) {
		*s = (struct index_slot) { hash, key, space, value };
		t->n++;
	}
	return s->value;
}
