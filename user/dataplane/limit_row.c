/* SPDX-License-Identifier: BSD-2-Clause */
#include "limit_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A class's cells, as first and behind the last. */
struct region {
	uint64_t first;
	uint64_t end;
};

struct place {
	struct limit_class *classes;
	struct limit_meters *cells;
	uint32_t n_cells;
	struct region
		used[2 * LIMIT_CLASSES]; /* by those that had them before, and have them now */
	size_t n_used;
};

static uint64_t size_of(uint32_t row_bits)
{
	return row_bits ? 2ULL << row_bits : 0;
}

bool limit_row_has_rates(const struct limit_class *c)
{
	const struct limit_rates *r = &c->rates[c->active & 1];

	for (int unit = 0; unit < LIMIT_UNITS; unit++)
		if (r->unit[unit].tolerance_fp || r->total[unit].tolerance_fp)
			return true;
	return r->concurrent != 0;
}

static struct region region_of(const struct limit_class *c)
{
	return (struct region) { c->row_first, c->row_first + size_of(c->row_bits) };
}

static bool holds(const struct place *p, const struct limit_class *c)
{
	return limit_row_has_rates(c) && c->row_bits && c->row_bits < 32 &&
	       region_of(c).end <= p->n_cells;
}

static bool is_free(const struct place *p, uint64_t first, uint64_t end)
{
	for (size_t i = 0; i < p->n_used; i++)
		if (first < p->used[i].end && p->used[i].first < end)
			return false;
	return true;
}

/* First fit, at a multiple of the size: so what is freed fits what is as large. */
static bool find(const struct place *p, uint32_t row_bits, uint64_t *ret)
{
	uint64_t size = size_of(row_bits);

	for (uint64_t at = 0; at + size <= p->n_cells; at += size)
		if (is_free(p, at, at + size)) {
			*ret = at;
			return true;
		}
	return false;
}

/*
 * A packet may read one of the two words of before and one of now. The smaller number of bits goes
 * with both places, so it never gets to another class's cells.
 */
static void give(struct place *p, struct limit_class *c, uint64_t first, uint32_t row_bits)
{
	memset(&p->cells[first], 0, size_of(row_bits) * sizeof(*p->cells));
	if (row_bits < c->row_bits)
		__atomic_store_n(&c->row_bits, row_bits, __ATOMIC_RELEASE);
	__atomic_store_n(&c->row_first, (uint32_t)first, __ATOMIC_RELEASE);
	__atomic_store_n(&c->row_bits, row_bits, __ATOMIC_RELEASE);
	p->used[p->n_used++] = (struct region) { first, first + size_of(row_bits) };
}

static int by_size(const void *x, const void *y)
{
	const struct limit_row_want *a = x, *b = y;
	int order = (a->row_bits < b->row_bits) - (a->row_bits > b->row_bits);

	return order ? order
		     : (a->limit_class > b->limit_class) - (a->limit_class < b->limit_class);
}

/* From the largest to the smallest, powers of two leave no hole. */
static int place_anew(struct place *p, const struct limit_row_want *want, size_t n)
{
	struct limit_row_want *sorted = calloc(n + 1, sizeof(*sorted));
	uint64_t at = 0;

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, want, n * sizeof(*want));
	qsort(sorted, n, sizeof(*sorted), by_size);
	p->n_used = 0;
	for (size_t i = 0; i < n; i++) {
		give(p, &p->classes[sorted[i].limit_class], at, sorted[i].row_bits);
		at += size_of(sorted[i].row_bits);
	}
	free(sorted);
	return 0;
}

int limit_row_check(const struct limit_row_want *want, size_t n, uint32_t n_cells,
		    struct errmsg *err)
{
	uint64_t need = 0;

	for (size_t i = 0; i < n; i++)
		need += size_of(want[i].row_bits);
	if (need <= n_cells)
		return 0;
	return errmsg_set(err, -ENOSPC, "limits need %llu cells, dataplane.limit_rows has %u",
			  (unsigned long long)need, n_cells);
}

int limit_row_place(struct limit_class *classes, struct limit_meters *cells, uint32_t n_cells,
		    const struct limit_row_want *want, size_t n, bool *ret_moved,
		    struct errmsg *err)
{
	struct place p = { .classes = classes, .cells = cells, .n_cells = n_cells };
	uint64_t first;
	int code = limit_row_check(want, n, n_cells, err);

	*ret_moved = false;
	if (code)
		return code;
	for (size_t id = 1; id < LIMIT_CLASSES; id++)
		if (holds(&p, &classes[id]))
			p.used[p.n_used++] = region_of(&classes[id]);
	for (size_t i = 0; i < n; i++) {
		struct limit_class *c = &classes[want[i].limit_class];

		if (want[i].row_bits == c->row_bits && (holds(&p, c) || !c->row_bits))
			continue;
		if (!want[i].row_bits) {
			__atomic_store_n(&c->row_bits, 0, __ATOMIC_RELEASE);
			continue;
		}
		if (!find(&p, want[i].row_bits, &first)) {
			*ret_moved = true;
			return place_anew(&p, want, n);
		}
		give(&p, c, first, want[i].row_bits);
	}
	return 0;
}
