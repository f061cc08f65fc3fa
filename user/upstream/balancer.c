/* SPDX-License-Identifier: BSD-2-Clause */
/* cluster_pick: see cluster.h for the rule and its reasons. */
#include <errno.h>

#include "cluster.h"

/* Which endpoints are in the choice. */
struct choice {
	const struct pool *avoid;
	uint64_t now_ns;
	bool ejected_too;
};

/* xorshift64*: speed and spread, no secrecy; whom a request goes to is no secret. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

static uint32_t weight_in(const struct choice *ch, const struct cluster_endpoint *e)
{
	if (e->pool == ch->avoid || pool_full(e->pool))
		return 0;
	if (!ch->ejected_too && pool_ejected(e->pool, ch->now_ns))
		return 0;
	return e->weight;
}

static uint64_t total_weight(const struct cluster *c, const struct choice *ch)
{
	uint64_t total = 0;

	for (size_t i = 0; i < c->n_endpoints; i++)
		total += weight_in(ch, &c->endpoints[i]);
	return total;
}

static const struct cluster_endpoint *draw(const struct cluster *c, const struct choice *ch,
					   uint64_t total, uint64_t *state)
{
	uint64_t at = next_random(state) % total; /* bias of 2^-32 at most: weights are u32 */

	for (size_t i = 0; i < c->n_endpoints; i++) {
		uint32_t weight = weight_in(ch, &c->endpoints[i]);

		if (at < weight)
			return &c->endpoints[i];
		at -= weight;
	}
	return NULL; /* not reached: at < total */
}

static int no_choice(const struct cluster *c)
{
	for (size_t i = 0; i < c->n_endpoints; i++) {
		if (c->endpoints[i].weight && pool_full(c->endpoints[i].pool))
			return -ENOBUFS;
	}
	return -EHOSTUNREACH;
}

int cluster_pick(struct cluster *c, const struct pool *avoid, struct pool **ret)
{
	struct choice ch = { .avoid = avoid };
	const struct cluster_endpoint *a, *b;
	uint64_t total, *state;

	if (!c->n_endpoints)
		return -EHOSTUNREACH;
	state = &c->endpoints[0].pool->upstream->random;
	ch.now_ns = loop_now_ns(c->endpoints[0].pool->upstream->loop);
	total = total_weight(c, &ch);
	if (!total) {
		ch.avoid = NULL;
		total = total_weight(c, &ch);
	}
	if (!total) { /* all are ejected: trying one beats refusing all */
		ch.ejected_too = true;
		total = total_weight(c, &ch);
	}
	if (!total)
		return no_choice(c);
	a = draw(c, &ch, total, state);
	b = draw(c, &ch, total, state);
	if (a != b && (uint64_t)pool_outstanding(b->pool) * a->weight <
			      (uint64_t)pool_outstanding(a->pool) * b->weight)
		a = b;
	*ret = a->pool;
	return 0;
}
