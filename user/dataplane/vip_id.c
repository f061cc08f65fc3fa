/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "vip_state.h"

static uint32_t hash_of(const struct vip_map *m, uint32_t vip_id, const struct addr *a)
{
	struct {
		struct addr addr;
		uint32_t vip_id;
	} key = { *a, vip_id };

	return hash_index_hash(&m->ids, &key, sizeof(key));
}

/* A record that was given to somebody once. */
static bool is_noted(const struct vip_map *m, uint32_t id)
{
	return m->table[id].generation != 0;
}

int vip_id_open(struct vip_map *m)
{
	uint32_t id;
	int err = hash_index_open(&m->ids, m->max_backends);

	if (err)
		return err;
	for (id = 1; id < m->max_backends; id++)
		vip_id_note(m, id);
	return 0;
}

void vip_id_close(struct vip_map *m)
{
	hash_index_clear(&m->ids);
}

uint32_t vip_id_find(const struct vip_map *m, uint32_t vip_id, const struct addr *a)
{
	uint32_t hash = hash_of(m, vip_id, a), step = 0, id, best = 0;

	/* Of two, which only a map of another hand has, always the same. */
	while (hash_index_next(&m->ids, hash, &step, &id)) {
		const struct backend *t = &m->table[id];

		if (t->vip_id == vip_id && addr_eq(&t->addr, a) && !m->backend_used[id] &&
		    (!best || id < best))
			best = id;
	}
	return best;
}

void vip_id_forget(struct vip_map *m, uint32_t id)
{
	if (is_noted(m, id))
		hash_index_del(&m->ids, hash_of(m, m->table[id].vip_id, &m->table[id].addr), id);
}

void vip_id_note(struct vip_map *m, uint32_t id)
{
	/* There is room for each from the beginning, so this cannot fail. */
	if (is_noted(m, id))
		hash_index_put(&m->ids, hash_of(m, m->table[id].vip_id, &m->table[id].addr), id);
}

static bool is_before(const struct vip_map *m, uint32_t a, uint32_t b)
{
	const struct backend *x = &m->table[a], *y = &m->table[b];

	return x->generation != y->generation ? x->generation < y->generation : a < b;
}

/* Whoever is at `at` goes down to where both below it come after it. */
static void sift(const struct vip_map *m, struct vip_id_free *f, uint32_t at)
{
	uint32_t moving = f->heap[at], below;

	for (; (below = at * 2 + 1) < f->n; at = below) {
		if (below + 1 < f->n && is_before(m, f->heap[below + 1], f->heap[below]))
			below++;
		if (!is_before(m, f->heap[below], moving))
			break;
		f->heap[at] = f->heap[below];
	}
	f->heap[at] = moving;
}

/* Those that are used, or that packets in flight may use. */
static bool *find_taken(const struct vip_map *m)
{
	bool *taken = calloc(m->max_backends, sizeof(*taken));
	uint32_t id;
	size_t i;

	if (!taken)
		return NULL;
	for (id = 0; id < m->max_backends; id++)
		taken[id] = m->backend_used[id] ||
			    (m->table[id].flags & (BACKEND_READY | BACKEND_LOST));
	for (i = 0; i < m->n_leaving; i++) /* also while its next hop is lost */
		taken[m->leaving[i].id] = true;
	for (i = 0; i < m->n_retired; i++) {
		if (!m->retired[i].is_vip)
			taken[m->retired[i].id] = true;
	}
	return taken;
}

int vip_id_collect(const struct vip_map *m, struct vip_id_free *ret)
{
	bool *taken = find_taken(m);
	struct vip_id_free f = { .heap = calloc(m->max_backends, sizeof(*f.heap)) };
	uint32_t id;

	if (!taken || !f.heap) {
		free(taken);
		free(f.heap);
		return -ENOMEM;
	}
	for (id = 1; id < m->max_backends; id++) {
		if (!taken[id])
			f.heap[f.n++] = id;
	}
	for (id = f.n / 2; id-- > 0;)
		sift(m, &f, id);
	free(taken);
	*ret = f;
	return 0;
}

uint32_t vip_id_take(const struct vip_map *m, struct vip_id_free *f)
{
	uint32_t id;

	if (!f->n)
		return 0;
	id = f->heap[0];
	f->heap[0] = f->heap[--f->n];
	if (f->n)
		sift(m, f, 0);
	return id;
}

void vip_id_clear(struct vip_id_free *f)
{
	free(f->heap);
	*f = (struct vip_id_free) { 0 };
}
