/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The meters of a source in a limit class: its own, if it was proven real, or its cells in the two
 * rows of the class, which it shares with whom the hash puts there.
 */
#pragma once

#include "../client.h"
#include "limit_set.h"

/* A try is lost only to a CPU that was admitted; after the first, in a row. */
#define LIMIT_TRIES 64
/* The row that does not decide: what is lost to two others was charged by them. */
#define LIMIT_CHARGE_TRIES 3

/* A class that the packet meets, the source's meters in it, and what is asked of them. */
struct limit_scope {
	const struct limit_rates *rates;
	struct limit_meters *a;
	struct limit_meters *b;	    /* of the other row; of exact meters, the same */
	struct limit_meters *total; /* NULL: the class has none */
	struct client_key key;	    /* of the source in the class */
	bool is_exact;
	__u64 now_fp;
	__u32 units[LIMIT_UNITS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_CLASSES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_class);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_class SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_meters);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_CLASSES);
	__type(key, __u32);
	__type(value, struct limit_meters);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_total SEC(".maps");

static __always_inline void limit_unit_of(const struct pkt_facts *p, __u32 flags, struct addr *ret)
{
	if (flags & LIMIT_PER_PREFIX)
		client_wide(p, ret);
	else
		client_unit(p, ret);
}

/* The source's cell in a row under one of the two keys. */
static __always_inline struct limit_meters *limit_cell(const struct limit_class *class,
						       const struct limit_row_key *key, __u32 row,
						       const struct addr *unit)
{
	__u32 bits = class->row_bits & 31, high = unit->w[0], low = unit->w[1], at;

	if (address_is_mapped(unit)) {
		high = unit->w[2];
		low = unit->w[3];
	}
	at = limit_row_hash(key, row, high, low) >> (32 - bits);
	at += class->row_first + (row << bits);
	return bpf_map_lookup_elem(&limit_rows, &at);
}

/* Find the source's meters; false: it has none, which only a class without cells gives. */
static __always_inline bool limit_meter_find(const struct pkt_facts *p, __u32 id,
					     const struct limit_class *class, struct limit_scope *s)
{
	const struct limit_row_key *row_key;
	struct limit_state *state;
	struct client *c;
	__u32 zero = 0;

	limit_unit_of(p, s->rates->flags, &s->key.source);
	s->key.limit_class = id;
	c = bpf_map_lookup_elem(&clients, &s->key);
	s->is_exact = c != NULL;
	if (c) {
		s->a = &c->meters;
		s->b = &c->meters;
		return true;
	}
	state = bpf_map_lookup_elem(&limit_state, &zero);
	if (!state || !class->row_bits)
		return false;
	row_key = &state->key[*(volatile __u32 *)&state->active_key & 1];
	s->a = limit_cell(class, row_key, 0, &s->key.source);
	s->b = limit_cell(class, row_key, 1, &s->key.source);
	return s->a && s->b;
}

/* The word that decides: of two cells, the less used one. */
static __always_inline __u64 limit_meter_word(const struct limit_scope *s, __u32 unit)
{
	__u64 a = s->a->tat[unit], b = s->b->tat[unit];

	return gcra_before(a, b) ? a : b;
}

/* Rare, and a loop: a global function, so that the verifier walks it once. */
__noinline int limit_retry(__u64 *word, const struct gcra_rate *rate, __u64 now_fp, __u32 n)
{
	if (!word || !rate) /* never; a global function's arguments may be, for the verifier */
		return GCRA_CONTENDED;
	return gcra_take(word, rate, now_fp, n, LIMIT_TRIES, 0);
}

/* Nothing is clamped here: the question before did, if it may (LIMIT_CARRYING). */
static __always_inline enum gcra_result limit_spend(__u64 *word, const struct gcra_rate *rate,
						    __u64 now_fp, __u32 n)
{
	enum gcra_result result = gcra_take(word, rate, now_fp, n, 1, 0);

	return result == GCRA_CONTENDED ? limit_retry(word, rate, now_fp, n) : result;
}

/*
 * While a key is rotated in, what an admitted source has used is carried to its cells under that key.
 * Who sends nothing meanwhile (for the longest tolerance of all) has a full bucket anyway.
 */
static __always_inline void limit_carry(const struct limit_class *class,
					const struct limit_scope *s)
{
	const struct limit_row_key *key;
	struct limit_state *state;
	__u32 zero = 0, row, i;

	state = bpf_map_lookup_elem(&limit_state, &zero);
	if (!state || !*(volatile __u32 *)&state->charge_both)
		return;
	key = &state->key[!(*(volatile __u32 *)&state->active_key & 1)];
	for (row = 0; row < 2; row++) {
		struct limit_meters *m = limit_cell(class, key, row, &s->key.source);

		for (i = 0; m && i < LIMIT_UNITS; i++)
			gcra_raise(&m->tat[i], limit_meter_word(s, i), LIMIT_CHARGE_TRIES);
	}
}
