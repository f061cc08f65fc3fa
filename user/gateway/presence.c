/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <sys/random.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/metric.h"
#include "presence.h"

void presence_init(struct presence *p, struct presence_region *region)
{
	*p = (struct presence) { .region = region, .nat_memory_s = 600 };
	if (getrandom(&p->hash_key, sizeof(p->hash_key), GRND_NONBLOCK) < 0 || !p->hash_key)
		p->hash_key = clock_now_ns() | 1;
}

void presence_set_memory(struct presence *p, uint64_t nat_memory_ms)
{
	uint64_t s = (nat_memory_ms + 999) / 1000;

	p->nat_memory_s = s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ (x >> 32);
}

/*
 * By source and consumer, so that the many consumers of one address spread over the sets; readers
 * scan the region.
 */
static struct presence_entry *find_set(const struct presence *p, const struct addr *source,
				       uint32_t consumer)
{
	uint64_t w[2], h;

	memcpy(w, source, sizeof(w));
	h = mix(mix(mix(w[0] ^ p->hash_key) ^ w[1]) ^ consumer ^ p->hash_key);
	return p->region->entry[h % PRESENCE_SETS];
}

static bool is_live(const struct presence *p, const struct presence_entry *e, uint32_t now_s)
{
	return e->consumer && now_s - e->seen_s <= p->nat_memory_s;
}

/* The reader sees either an entry that looks expired or a whole one. */
static void write_entry(struct presence_entry *e, const struct addr *source, uint32_t consumer,
			uint32_t now_s)
{
	__atomic_store_n(&e->seen_s, 0, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e->source = *source;
	e->consumer = consumer;
	__atomic_store_n(&e->seen_s, now_s, __ATOMIC_RELEASE);
}

static void note_eviction(struct presence *p, uint32_t now_s)
{
	__atomic_store_n(&p->region->evicted_s, now_s, __ATOMIC_RELAXED);
	metric_add(METRIC_PRESENCE_EVICTED, 1);
}

void presence_stamp(struct presence *p, const struct addr *source, uint32_t consumer,
		    uint32_t now_s)
{
	struct addr unit = addr_unit(source);
	struct presence_entry *set, *oldest;

	if (!p->region || !consumer)
		return;
	set = find_set(p, &unit, consumer);
	oldest = &set[0];
	for (int i = 0; i < PRESENCE_WAYS; i++) {
		if (set[i].consumer == consumer && addr_eq(&set[i].source, &unit)) {
			__atomic_store_n(&set[i].seen_s, now_s, __ATOMIC_RELEASE);
			return;
		}
		if (oldest->consumer && (!set[i].consumer || set[i].seen_s < oldest->seen_s))
			oldest = &set[i]; /* or free, and then it stays */
	}
	if (is_live(p, oldest, now_s))
		note_eviction(p, now_s);
	write_entry(oldest, &unit, consumer, now_s);
}

void presence_hold(struct presence_holds *h, uint32_t consumer)
{
	for (uint8_t i = 0; i < h->n; i++) {
		if (h->consumer[i] == consumer)
			return;
	}
	if (h->n == PRESENCE_HOLDS)
		h->more = true;
	else
		h->consumer[h->n++] = consumer;
}

void presence_stamp_holds(struct presence *p, const struct presence_holds *h,
			  const struct addr *source, uint32_t now_s)
{
	if (!p->region)
		return;
	for (uint8_t i = 0; i < h->n; i++)
		presence_stamp(p, source, h->consumer[i], now_s);
	if (h->more)
		note_eviction(p, now_s);
}
