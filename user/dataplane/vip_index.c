/* SPDX-License-Identifier: BSD-2-Clause */
#include "vip_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "vip_state.h"

static int add(struct vip_index *x, struct vip_service *s, struct vip_backend *b)
{
	const struct addr *a = &b->conf.address;

	x->places[x->n] = (struct vip_place) { s, b };
	x->by_id[b->id] = x->n + 1;
	return hash_index_put(&x->by_addr, hash_index_hash(&x->by_addr, a, sizeof(*a)), x->n++);
}

static int fill(struct vip_index *x, size_t n)
{
	size_t i, j;
	int err = 0;

	for (i = 0; !err && i < n; i++) {
		struct vip_service *s = &x->services[i];

		err = hash_index_put(&x->by_key,
				     hash_index_hash(&x->by_key, &s->key, sizeof(s->key)),
				     (uint32_t)i);
		for (j = 0; !err && j < s->n_backends; j++)
			err = add(x, s, &s->backends[j]);
	}
	return err;
}

int vip_index_open(struct vip_index *x, struct vip_service *services, size_t n,
		   uint32_t max_backends)
{
	size_t backends = 0, i;
	int err;

	for (i = 0; i < n; i++)
		backends += services[i].n_backends;
	*x = (struct vip_index) { .services = services, .max_backends = max_backends };
	x->places = calloc(backends + 1, sizeof(*x->places));
	x->by_id = calloc(max_backends, sizeof(*x->by_id));
	err = x->places && x->by_id ? hash_index_open(&x->by_addr, (uint32_t)backends) : -ENOMEM;
	if (!err)
		err = hash_index_open(&x->by_key, (uint32_t)n);
	if (!err)
		err = fill(x, n);
	if (err)
		vip_index_clear(x);
	return err;
}

void vip_index_clear(struct vip_index *x)
{
	free(x->places);
	free(x->by_id);
	hash_index_clear(&x->by_addr);
	hash_index_clear(&x->by_key);
	*x = (struct vip_index) { 0 };
}

struct vip_service *vip_index_service(const struct vip_index *x, const struct vip_key *key)
{
	uint32_t hash = hash_index_hash(&x->by_key, key, sizeof(*key)), step = 0, at;

	while (hash_index_next(&x->by_key, hash, &step, &at)) {
		if (memcmp(&x->services[at].key, key, sizeof(*key)) == 0)
			return &x->services[at];
	}
	return NULL;
}

const struct vip_place *vip_index_id(const struct vip_index *x, uint32_t id)
{
	if (id >= x->max_backends || !x->by_id[id])
		return NULL;
	return &x->places[x->by_id[id] - 1];
}

const struct vip_place *vip_index_addr(const struct vip_index *x, const struct addr *a,
				       uint32_t *step)
{
	uint32_t hash = hash_index_hash(&x->by_addr, a, sizeof(*a)), at;

	while (hash_index_next(&x->by_addr, hash, step, &at)) {
		if (addr_eq(&x->places[at].backend->conf.address, a))
			return &x->places[at];
	}
	return NULL;
}
