/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compile the IPv4 lists into an answer per /24, and compare that with the maps. Prefixes up to /24
 * are painted over an array of bytes, the wide ones first; longer ones make their /24 a split one.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "pinned_map.h"
#include "source_v4.h"

#define SLASH24_BITS  24
#define SLASH24_SHIFT 40 /* from source_net.addr to the number of its /24 */
#define ROOM_FIRST    64

static uint32_t number_of(const struct source_net *net)
{
	return (uint32_t)(net->addr >> SLASH24_SHIFT);
}

/* answer: SOURCE_NONE paints each prefix's own group. */
static void paint_one(struct source_v4_plan *plan, const struct source_net *net, uint8_t answer)
{
	uint32_t from = number_of(net), n = 1U << (SLASH24_BITS - net->len);
	uint8_t paint = answer == SOURCE_NONE ? net->tag : answer;

	if (net->len <= plan->range.len)
		memset(plan->answer, paint, plan->count);
	else
		memset(plan->answer + (from - plan->first), paint, n);
}

static void paint(struct source_v4_plan *plan, const struct source_nets *list, uint8_t answer)
{
	uint64_t last = source_net_last(&plan->range);
	const struct source_net *over;
	uint32_t len;
	size_t i;

	for (len = 0; len < plan->range.len; len++) {
		over = source_nets_cover(list, plan->range.addr, len);
		if (over)
			paint_one(plan, over, answer);
	}
	for (i = source_nets_lower(list, &plan->range); i < list->n; i++) {
		if (list->v[i].addr > last)
			break;
		if (list->v[i].len <= SLASH24_BITS)
			paint_one(plan, &list->v[i], answer);
	}
}

/* The prefixes of a list that are longer than /24, one /24 after the other. */
struct cursor {
	const struct source_nets *list;
	size_t i;
	size_t end;
};

static void cursor_settle(struct cursor *c)
{
	while (c->i < c->end && c->list->v[c->i].len <= SLASH24_BITS)
		c->i++;
}

static uint32_t cursor_number(const struct cursor *c)
{
	return c->i < c->end ? number_of(&c->list->v[c->i]) : UINT32_MAX;
}

static void set_bits(__u64 bits[4], const struct source_net *net)
{
	uint32_t host = (uint32_t)(net->addr >> 32) & 255,
		 n = 1U << (SOURCE_NET_BITS_V4 - net->len);
	uint32_t i;

	for (i = host / 64; n >= 64 && i < (host + n) / 64; i++)
		bits[i] = ~0ULL;
	if (n < 64)
		bits[host / 64] |= ((1ULL << n) - 1) << (host % 64);
}

/* Take the prefixes inside one /24: their bits if wanted. Returns how many. */
static size_t take(struct cursor *c, uint32_t number, __u64 *bits)
{
	size_t n = 0;

	for (; cursor_number(c) == number; cursor_settle(c)) {
		if (bits)
			set_bits(bits, &c->list->v[c->i]);
		c->i++;
		n++;
	}
	return n;
}

static bool all_set(const __u64 bits[4])
{
	return (bits[0] & bits[1] & bits[2] & bits[3]) == ~0ULL;
}

static bool none_set(const __u64 bits[4])
{
	return (bits[0] | bits[1] | bits[2] | bits[3]) == 0;
}

static int add_row(struct source_v4_plan *plan, const struct split_row *row)
{
	if (plan->n_rows == plan->room) {
		size_t room = plan->room ? plan->room * 2 : ROOM_FIRST;
		void *p = realloc(plan->rows, room * sizeof(*row));

		if (!p)
			return -ENOMEM;
		plan->rows = p;
		plan->room = room;
	}
	plan->rows[plan->n_rows++] = *row;
	return 0;
}

/* One /24 that has longer prefixes: its answer, and an entry if it has several. */
static int split(struct source_v4_plan *plan, struct cursor c[SOURCE_LISTS], uint32_t number)
{
	uint8_t *answer = &plan->answer[number - plan->first];
	struct split_row row = { .number = number, .entry.rest = *answer };
	struct source_split *e = &row.entry;

	take(&c[SOURCE_IS_ALLOW], number, e->allow);
	take(&c[SOURCE_IS_DENY], number, e->deny);
	take(&c[SOURCE_IS_FEED], number, e->deny);
	e->longer = take(&c[SOURCE_IS_GROUP], number, NULL) != 0;
	if (*answer == SOURCE_ALLOW || all_set(e->allow)) {
		*answer = SOURCE_ALLOW;
		return 0;
	}
	if (*answer == SOURCE_DENY || all_set(e->deny)) {
		memset(e->deny, 0xff, sizeof(e->deny));
		e->rest = e->longer = 0;
		*answer = SOURCE_DENY;
		if (none_set(e->allow))
			return 0;
	}
	*answer = SOURCE_SPLIT;
	return add_row(plan, &row);
}

static int compile(const struct source_table *t, struct source_v4_plan *plan)
{
	static const uint8_t answers[SOURCE_LISTS] = { SOURCE_ALLOW, SOURCE_DENY, SOURCE_DENY,
						       SOURCE_NONE };
	struct cursor c[SOURCE_LISTS];
	int i, err = 0;

	for (i = SOURCE_LISTS - 1; i >= 0; i--) { /* what wins is painted last */
		const struct source_nets *list = &t->lists_v4.list[i];

		paint(plan, list, answers[i]);
		c[i] = (struct cursor) { list, source_nets_lower(list, &plan->range),
					 source_nets_end(list, &plan->range) };
		cursor_settle(&c[i]);
	}
	while (!err) {
		uint32_t number = UINT32_MAX;

		for (i = 0; i < SOURCE_LISTS; i++) {
			if (cursor_number(&c[i]) < number)
				number = cursor_number(&c[i]);
		}
		if (number == UINT32_MAX)
			break;
		err = split(plan, c, number);
	}
	return err;
}

static int add_stale(struct source_v4_plan *plan, uint32_t number)
{
	if (plan->n_stale == plan->stale_room) {
		size_t room = plan->stale_room ? plan->stale_room * 2 : ROOM_FIRST;
		void *p = realloc(plan->stale, room * sizeof(*plan->stale));

		if (!p)
			return -ENOMEM;
		plan->stale = p;
		plan->stale_room = room;
	}
	plan->stale[plan->n_stale++] = number;
	return 0;
}

static struct split_row *find_row(const struct source_v4_plan *plan, uint32_t number)
{
	size_t from = 0, to = plan->n_rows;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (plan->rows[mid].number < number)
			from = mid + 1;
		else
			to = mid;
	}
	return from < plan->n_rows && plan->rows[from].number == number ? &plan->rows[from] : NULL;
}

/* With the whole map, entries of earlier crashes included. */
static int compare_all(const struct source_table *t, struct source_v4_plan *plan)
{
	CLEANUP_FREE uint32_t *keys = NULL;
	CLEANUP_FREE struct source_split *values = NULL;
	size_t n, i;
	int err = pinned_map_read(t->maps.split_fd, (void **)&keys, (void **)&values, &n);

	for (i = 0; !err && i < n; i++) {
		struct split_row *row = find_row(plan, keys[i]);

		if (row)
			row->same = !memcmp(&row->entry, &values[i], sizeof(values[i]));
		else
			err = add_stale(plan, keys[i]);
	}
	return err;
}

static int compare_range(const struct source_table *t, struct source_v4_plan *plan)
{
	const uint8_t *is = t->v4 + plan->first;
	struct source_split old;
	uint32_t i;
	size_t r;
	int err = 0;

	for (i = 0; !err && i < plan->count; i++) {
		if (is[i] == SOURCE_SPLIT && plan->answer[i] != SOURCE_SPLIT)
			err = add_stale(plan, plan->first + i);
	}
	for (r = 0; r < plan->n_rows; r++) {
		struct split_row *row = &plan->rows[r];

		if (t->v4[row->number] == SOURCE_SPLIT &&
		    !bpf_map_lookup_elem(t->maps.split_fd, &row->number, &old))
			row->same = !memcmp(&row->entry, &old, sizeof(old));
	}
	return err;
}

/* What source_long holds: from the map the first time. */
static int know_longs(struct source_table *t)
{
	CLEANUP_FREE struct prefix *keys = NULL;
	CLEANUP_FREE struct source_group *values = NULL;
	struct source_net net;
	size_t n, i;
	bool v4;
	int err;

	if (t->longs_known)
		return 0;
	source_nets_clear(&t->longs);
	err = pinned_map_read(t->maps.long_fd, (void **)&keys, (void **)&values, &n);
	for (i = 0; !err && i < n; i++) {
		if (source_net_from(&keys[i], &v4, &net) || !v4)
			continue; /* not ours, and found by nobody */
		net.tag = (uint8_t)values[i].group;
		err = source_nets_push(&t->longs, &net);
	}
	if (!err)
		err = source_nets_sort(&t->longs);
	t->longs_known = !err;
	return err;
}

/* Groups only change as a whole. */
static int plan_longs(struct source_table *t, struct source_v4_plan *plan, struct errmsg *err)
{
	const struct source_nets *groups = &t->lists_v4.list[SOURCE_IS_GROUP];
	size_t i, adds = 0;
	int e = know_longs(t);

	for (i = 0; !e && i < groups->n; i++) {
		const struct source_net *net = &groups->v[i], *old;

		if (net->len <= SLASH24_BITS)
			continue;
		e = source_nets_push(&plan->longs, net);
		old = source_nets_find(&t->longs, net);
		adds += !old;
		plan->longs_change |= !old || old->tag != net->tag;
	}
	if (e)
		return e;
	plan->longs_change |= plan->longs.n != t->longs.n;
	return source_table_room("source_long", t->longs.n + adds, t->long_max, err);
}

int source_v4_plan(struct source_table *t, const struct source_net *range,
		   struct source_v4_plan *ret, struct errmsg *err)
{
	struct source_net r = *range;
	bool whole = range->len == 0;
	size_t kept, i;
	int e;

	if (r.len > SLASH24_BITS)
		r = (struct source_net) { .addr = source_net_mask(r.addr, SLASH24_BITS),
					  .len = SLASH24_BITS };
	*ret = (struct source_v4_plan) { .range = r,
					 .first = number_of(&r),
					 .count = 1U << (SLASH24_BITS - r.len) };
	ret->answer = calloc(ret->count, 1);
	if (!ret->answer)
		return -ENOMEM;
	e = compile(t, ret);
	if (!e)
		e = whole ? compare_all(t, ret) : compare_range(t, ret);
	if (!e && whole)
		e = plan_longs(t, ret, err);
	if (e)
		return e;
	kept = whole ? 0 : t->n_split - ret->n_stale;
	for (i = 0; i < ret->n_rows; i++)
		kept += whole || t->v4[ret->rows[i].number] != SOURCE_SPLIT;
	return source_table_room("source_split", kept, t->split_max, err);
}

void source_v4_plan_clear(struct source_v4_plan *plan)
{
	free(plan->answer);
	free(plan->rows);
	free(plan->stale);
	source_nets_clear(&plan->longs);
}
