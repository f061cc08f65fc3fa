/* SPDX-License-Identifier: BSD-2-Clause */
#include "neigh_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

int neigh_table_open(struct neigh_table *t, uint32_t max)
{
	int err;

	*t = (struct neigh_table) { .max = max };
	err = hash_index_open(&t->by_addr, 0);
	if (!err)
		err = hash_index_open(&t->by_next, 0);
	if (err)
		neigh_table_clear(t);
	return err;
}

void neigh_table_clear(struct neigh_table *t)
{
	free(t->at);
	hash_index_clear(&t->by_addr);
	hash_index_clear(&t->by_next);
	*t = (struct neigh_table) { 0 };
}

static uint32_t place(const struct neigh_table *t, const struct hop_watch *w)
{
	return (uint32_t)(w - t->at);
}

static uint32_t hash(const struct hash_index *x, const struct addr *a)
{
	return hash_index_hash(x, a, sizeof(*a));
}

struct hop_watch *neigh_table_find(const struct neigh_table *t, const struct addr *a)
{
	uint32_t h = hash(&t->by_addr, a), step = 0, at;

	while (hash_index_next(&t->by_addr, h, &step, &at)) {
		if (addr_eq(&t->at[at].addr, a))
			return &t->at[at];
	}
	return NULL;
}

/* A place that nobody has, still free. */
static int find_free(struct neigh_table *t, uint32_t *ret)
{
	uint32_t room = t->room ? t->room * 2 : 16;
	struct hop_watch *p;

	if (t->first_free) {
		*ret = t->first_free - 1;
		return 0;
	}
	if (t->n == t->max)
		return -ENOSPC;
	if (t->n == t->room) {
		p = realloc(t->at, room * sizeof(*p));
		if (!p)
			return -ENOMEM;
		memset(p + t->room, 0, (room - t->room) * sizeof(*p));
		t->at = p;
		t->room = room;
	}
	*ret = t->n;
	return 0;
}

int neigh_table_add(struct neigh_table *t, const struct addr *a, struct hop_watch **ret)
{
	uint32_t by_addr = hash(&t->by_addr, a), by_next = hash(&t->by_next, a), at = 0;
	struct hop_watch *w;
	int err = find_free(t, &at);

	if (!err)
		err = hash_index_put(&t->by_addr, by_addr, at);
	if (err)
		return err;
	/* Of the address itself, until it is known: from now on each has its room in the index. */
	err = hash_index_put(&t->by_next, by_next, at);
	if (err) {
		hash_index_del(&t->by_addr, by_addr, at);
		return err;
	}
	w = &t->at[at];
	if (at == t->n)
		t->n++;
	else
		t->first_free = w->after;
	*w = (struct hop_watch) { .addr = *a, .next = *a, .used = true };
	t->used++;
	*ret = w;
	return 0;
}

static void set_free(struct neigh_table *t, struct hop_watch *w)
{
	w->after = t->first_free;
	t->first_free = place(t, w) + 1;
}

void neigh_table_remove(struct neigh_table *t, struct hop_watch *w)
{
	hash_index_del(&t->by_addr, hash(&t->by_addr, &w->addr), place(t, w));
	hash_index_del(&t->by_next, hash(&t->by_next, &w->next), place(t, w));
	w->used = false;
	t->used--;
	if (!w->queued) /* else when it comes out of the queue */
		set_free(t, w);
}

void neigh_table_set_next(struct neigh_table *t, struct hop_watch *w, uint32_t ifindex,
			  const struct addr *next)
{
	w->next_ifindex = ifindex;
	if (addr_eq(&w->next, next))
		return;
	hash_index_del(&t->by_next, hash(&t->by_next, &w->next), place(t, w));
	w->next = *next;
	hash_index_put(&t->by_next, hash(&t->by_next, next), place(t, w));
}

void neigh_table_queue(struct neigh_table *t, struct hop_watch *w)
{
	uint32_t at = place(t, w) + 1;

	if (w->queued)
		return;
	w->queued = true;
	w->after = 0;
	if (t->last)
		t->at[t->last - 1].after = at;
	else
		t->first = at;
	t->last = at;
}

bool neigh_table_queue_next(struct neigh_table *t, uint32_t ifindex, const struct addr *next)
{
	uint32_t h = hash(&t->by_next, next), step = 0, at;
	bool any = false;

	while (hash_index_next(&t->by_next, h, &step, &at)) {
		struct hop_watch *w = &t->at[at];

		if (w->next_ifindex != ifindex || !addr_eq(&w->next, next))
			continue;
		neigh_table_queue(t, w);
		any = true;
	}
	return any;
}

struct hop_watch *neigh_table_pop(struct neigh_table *t)
{
	while (t->first) {
		struct hop_watch *w = &t->at[t->first - 1];

		t->first = w->after;
		if (!t->first)
			t->last = 0;
		w->queued = false;
		if (w->used)
			return w;
		set_free(t, w);
	}
	return NULL;
}
