/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compile the IPv6 lists into a hash of prefixes with resolved answers, and write what differs.
 *
 * A look-up asks one length after the other, the longest first, while the hash changes. So that it
 * finds the old or the new answer of its source:
 *
 * - Old prefixes that just leave their sources to what covers them go first, the shortest first, which
 *   makes room: those with no new prefix inside, below one that stays, or none.
 * - Then new prefixes come. One that covers another new one directly comes a level later, after a
 *   pause: a look-up that missed the longer must not find the shorter. The same for one that
 *   only gets another answer.
 * - Then, after a pause, the other old prefixes go, the shortest first: one that a look-up falls through is
 *   gone only when what it was to find next is gone already.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "map_batch.h"
#include "pinned_map.h"
#include "source_v6.h"
#include "source_v6_line.h"

#define LENGTHS (SOURCE_NET_BITS_V6 + 1)

/* Single prefixes whose bits may be left over. */
#define GONE_MIN 4096

enum change_kind { CHANGE_SAME, CHANGE_ADD, CHANGE_UPDATE, CHANGE_DELETE };

struct v6_change {
	struct source_net net; /* tag: the answer */
	uint8_t kind;	       /* enum change_kind */
	uint8_t level;
	bool adds_inside; /* not counting those below a prefix that stays */
	bool early;	  /* of a delete: before anything is added */
	size_t around;	  /* of a delete: the delete directly around it, SIZE_MAX for none */
};

/* What the lists say, the wider prefixes being known. */
static uint8_t resolve(uint8_t wider, const struct source_net *const own[SOURCE_LISTS])
{
	if (wider == SOURCE_ALLOW || own[SOURCE_IS_ALLOW])
		return SOURCE_ALLOW;
	if (wider == SOURCE_DENY || own[SOURCE_IS_DENY] || own[SOURCE_IS_FEED])
		return SOURCE_DENY;
	return own[SOURCE_IS_GROUP] ? own[SOURCE_IS_GROUP]->tag : wider;
}

/* The answer of what covers the range and is shorter. */
static uint8_t answer_above(const struct source_lists *lists, const struct source_net *range)
{
	const struct source_net *own[SOURCE_LISTS];
	uint8_t answer = SOURCE_NONE;
	uint32_t len;
	int l;

	for (len = 0; len < range->len; len++) {
		for (l = 0; l < SOURCE_LISTS; l++)
			own[l] = source_nets_cover(&lists->list[l], range->addr, len);
		answer = resolve(answer, own);
	}
	return answer;
}

/* The next prefix of any list, and which lists have it; NULL at the end. */
static const struct source_net *next_of(const struct source_lists *lists, size_t at[SOURCE_LISTS],
					const size_t end[SOURCE_LISTS],
					const struct source_net *own[SOURCE_LISTS])
{
	const struct source_net *first = NULL;
	int l;

	for (l = 0; l < SOURCE_LISTS; l++) {
		const struct source_net *v = lists->list[l].v;

		own[l] = v && at[l] < end[l] ? &v[at[l]] : NULL;
		if (own[l] && (!first || source_net_cmp(own[l], first) < 0))
			first = own[l];
	}
	for (l = 0; l < SOURCE_LISTS; l++) {
		if (own[l] && source_net_cmp(own[l], first) == 0)
			at[l]++;
		else
			own[l] = NULL;
	}
	return first;
}

int source_v6_flatten(const struct source_lists *lists, const struct source_net *range,
		      struct source_nets *ret)
{
	const uint8_t above = answer_above(lists, range);
	const struct source_net *own[SOURCE_LISTS], *next;
	size_t at[SOURCE_LISTS], end[SOURCE_LISTS];
	struct source_net stack[LENGTHS]; /* the prefixes around the next one, with their answers */
	int l, depth = 0, err = 0;

	for (l = 0; l < SOURCE_LISTS; l++) {
		at[l] = source_nets_lower(&lists->list[l], range);
		end[l] = source_nets_end(&lists->list[l], range);
	}
	while (!err && (next = next_of(lists, at, end, own))) {
		struct source_net net = *next;
		uint8_t wider;

		while (depth && !source_net_contains(&stack[depth - 1], &net))
			depth--;
		wider = depth ? stack[depth - 1].tag : above;
		net.tag = resolve(wider, own);
		stack[depth++] = net;
		if (net.tag != wider)
			err = source_nets_push(ret, &net);
	}
	return err;
}

static struct source_v6_key key_of(const struct source_net *net)
{
	struct source_v6_key key = { .len_bits = net->len };
	uint64_t addr = htobe64(net->addr);

	memcpy(key.w, &addr, sizeof(key.w));
	return key;
}

/* What the map holds: read the first time, and after changes of single prefixes. */
static int know(struct source_table *t)
{
	CLEANUP_FREE struct source_v6_key *keys = NULL;
	CLEANUP_FREE struct source_v6_answer *values = NULL;
	size_t n, i;
	int err;

	if (t->v6_known)
		return 0;
	source_nets_clear(&t->v6);
	err = pinned_map_read(t->maps.v6_fd, (void **)&keys, (void **)&values, &n);
	if (!err && t->v6_lines[SOURCE_V6_REST].lengths) {
		const struct source_net all = {
			.tag = (uint8_t)t->v6_lines[SOURCE_V6_REST].lengths,
		};

		err = source_nets_push(&t->v6, &all);
	}
	for (i = 0; !err && i < n; i++) {
		struct source_net net = { .len = (uint8_t)keys[i].len_bits,
					  .tag = (uint8_t)values[i].answer };

		memcpy(&net.addr, keys[i].w, sizeof(net.addr));
		net.addr = be64toh(net.addr);
		err = source_nets_push(&t->v6, &net);
	}
	if (!err)
		err = source_nets_sort(&t->v6);
	t->v6_known = !err;
	return err;
}

/* Where a plan's changes are on the way from the widest prefix to the current one. */
struct path {
	struct v6_change at[2 * LENGTHS];
	size_t index[2 * LENGTHS]; /* in plan->changes; of CHANGE_SAME: unused */
	int depth;
};

/* What covers a new prefix and is written too has to wait for it. */
static void raise_level(struct source_v6_plan *plan, struct v6_change *around, uint8_t level)
{
	if (around->level < level)
		around->level = level;
	if (plan->levels < level)
		plan->levels = level;
}

/* The innermost prefix leaves the path; all that is inside it has been seen. */
static void leave(struct source_v6_plan *plan, struct path *p)
{
	const int at = --p->depth;
	const struct v6_change *own = &p->at[at];
	struct v6_change *c = own->kind == CHANGE_SAME ? NULL : &plan->changes[p->index[at]];
	int i = at - 1;

	if (at && (own->kind == CHANGE_ADD || (own->kind == CHANGE_DELETE && own->adds_inside)))
		p->at[at - 1].adds_inside = true;
	while (i >= 0 && p->at[i].kind == CHANGE_DELETE)
		i--;
	if (own->kind == CHANGE_ADD && i >= 0 && p->at[i].kind != CHANGE_SAME)
		raise_level(plan, &plan->changes[p->index[i]], (uint8_t)(c->level + 1));
	if (own->kind == CHANGE_DELETE) {
		c->early = !own->adds_inside && (i < 0 || p->at[i].kind == CHANGE_SAME);
		c->around = i < at - 1 ? p->index[at - 1] : SIZE_MAX;
	}
}

/* Early only with all deletes around it, which come before it here. */
static void settle_early(struct source_v6_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->n_changes; i++) {
		struct v6_change *c = &plan->changes[i];

		if (c->kind != CHANGE_DELETE)
			continue;
		c->early = c->early && (c->around == SIZE_MAX || plan->changes[c->around].early);
		plan->n_early += c->early;
	}
}

static void enter(struct source_v6_plan *plan, struct path *p, const struct source_net *net,
		  enum change_kind kind)
{
	struct v6_change c = { .net = *net, .kind = (uint8_t)kind };

	while (p->depth && !source_net_contains(&p->at[p->depth - 1].net, net))
		leave(plan, p);
	p->at[p->depth] = c;
	p->index[p->depth++] = plan->n_changes;
	if (kind != CHANGE_SAME)
		plan->changes[plan->n_changes++] = c;
	plan->n_adds += kind == CHANGE_ADD;
	plan->n_deletes += kind == CHANGE_DELETE;
}

/* plan->now against `was`, both sorted. */
static int compare(struct source_v6_plan *plan, const struct source_nets *was)
{
	const struct source_nets *now = &plan->now;
	struct path p = { .depth = 0 };
	size_t i = 0, j = 0;

	plan->changes = calloc(now->n + was->n + 1, sizeof(*plan->changes));
	if (!plan->changes)
		return -ENOMEM;
	while (i < now->n || j < was->n) {
		int order = i == now->n	  ? 1
			    : j == was->n ? -1
					  : source_net_cmp(&now->v[i], &was->v[j]);

		if (order < 0)
			enter(plan, &p, &now->v[i++], CHANGE_ADD);
		else if (order > 0)
			enter(plan, &p, &was->v[j++], CHANGE_DELETE);
		else if (now->v[i].tag == was->v[j++].tag)
			enter(plan, &p, &now->v[i++], CHANGE_SAME);
		else
			enter(plan, &p, &now->v[i++], CHANGE_UPDATE);
	}
	while (p.depth)
		leave(plan, &p);
	settle_early(plan);
	return 0;
}

int source_v6_plan(struct source_table *t, const struct source_net *range,
		   const struct source_nets *was, struct source_v6_plan *ret, struct errmsg *err)
{
	size_t n;
	int e;

	*ret = (struct source_v6_plan) { .whole = range->len == 0 };
	e = source_v6_flatten(&t->lists_v6, range, &ret->now);
	if (!e)
		e = compare(ret, was);
	if (e)
		return e;
	n = (ret->whole ? was->n : t->n_v6) - ret->n_early + ret->n_adds;
	return source_table_room("source_v6", n, t->v6_max, err);
}

int source_v6_plan_all(struct source_table *t, struct source_v6_plan *ret, struct errmsg *err)
{
	static const struct source_net everything;
	int e = know(t);

	return e ? e : source_v6_plan(t, &everything, &t->v6, ret, err);
}

void source_v6_plan_clear(struct source_v6_plan *plan)
{
	source_nets_clear(&plan->now);
	free(plan->changes);
	plan->changes = NULL;
}

/* Bits for what is added, before it is. */
static void lines_before(struct source_table *t, const struct source_v6_plan *plan)
{
	size_t i;

	for (i = 0; i < plan->n_changes; i++) {
		if (plan->changes[i].kind == CHANGE_ADD)
			source_v6_line_add(t->v6_lines, &plan->changes[i].net);
	}
}

/*
 * Bits that nothing needs any more only cost look-ups. They go once all is read anyway, or when those of
 * single prefixes that were taken away have become many.
 */
static int lines_after(struct source_table *t, const struct source_v6_plan *plan)
{
	static const struct source_net everything;
	CLEANUP(source_nets_clear) struct source_nets all = { 0 };
	int err;

	t->v6_gone += plan->n_deletes;
	if (plan->whole) {
		err = source_v6_line_set(t->v6_lines, &plan->now);
	} else {
		if (t->v6_gone < GONE_MIN || t->v6_gone < t->n_v6 / 4)
			return 0;
		err = source_v6_flatten(&t->lists_v6, &everything, &all);
		if (!err)
			err = source_v6_line_set(t->v6_lines, &all);
	}
	if (!err)
		t->v6_gone = 0;
	return err;
}

/* What ::/0 says is a word, and no entry. */
static int put(const struct source_table *t, struct map_batch *b, const struct source_net *net)
{
	const struct source_v6_key key = key_of(net);
	const struct source_v6_answer value = { net->tag };

	if (net->len)
		return map_batch_put(b, &key, &value);
	__atomic_store_n(&t->v6_lines[SOURCE_V6_REST].lengths, net->tag, __ATOMIC_RELEASE);
	return 0;
}

static int drop(const struct source_table *t, struct map_batch *b, const struct source_v6_key *key)
{
	if (key->len_bits)
		return map_batch_put(b, key, NULL);
	__atomic_store_n(&t->v6_lines[SOURCE_V6_REST].lengths, SOURCE_NONE, __ATOMIC_RELEASE);
	return 0;
}

static int write_level(const struct source_table *t, const struct source_v6_plan *plan,
		       uint8_t level)
{
	CLEANUP(map_batch_clear) struct map_batch b = { 0 };
	int err = map_batch_open(&b, t->maps.v6_fd, sizeof(struct source_v6_key),
				 sizeof(struct source_v6_answer));
	size_t i;

	for (i = 0; !err && i < plan->n_changes; i++) {
		const struct v6_change *c = &plan->changes[i];

		if (c->kind != CHANGE_DELETE && c->level == level)
			err = put(t, &b, &c->net);
	}
	return err ? err : map_batch_flush(&b);
}

/* The early ones, or the others; the shortest first: a counting sort by length. */
static int delete_old(const struct source_table *t, const struct source_v6_plan *plan, bool early)
{
	CLEANUP(map_batch_clear) struct map_batch b = { 0 };
	size_t n = early ? plan->n_early : plan->n_deletes - plan->n_early;
	CLEANUP_FREE struct source_v6_key *keys = calloc(n + 1, sizeof(*keys));
	size_t at[LENGTHS + 1] = { 0 }, i;
	int err = map_batch_open(&b, t->maps.v6_fd, sizeof(*keys), 0);

	if (err || !keys)
		return -ENOMEM;
	for (i = 0; i < plan->n_changes; i++) {
		const struct v6_change *c = &plan->changes[i];

		at[c->net.len + 1] += c->kind == CHANGE_DELETE && c->early == early;
	}
	for (i = 1; i < LENGTHS; i++)
		at[i] += at[i - 1];
	for (i = 0; i < plan->n_changes; i++) {
		const struct v6_change *c = &plan->changes[i];

		if (c->kind == CHANGE_DELETE && c->early == early)
			keys[at[c->net.len]++] = key_of(&c->net);
	}
	for (i = 0; !err && i < n; i++)
		err = drop(t, &b, &keys[i]);
	return err ? err : map_batch_flush(&b);
}

/* Levels of new prefixes and answers, then the old prefixes that are left. */
static int write_changes(const struct source_table *t, const struct source_v6_plan *plan)
{
	bool late = plan->n_deletes > plan->n_early;
	uint8_t level;
	int err = plan->n_early ? delete_old(t, plan, true) : 0;

	if (plan->n_changes > plan->n_deletes) {
		for (level = 0; !err && level <= plan->levels; level++) {
			if (level)
				source_table_pause();
			err = write_level(t, plan, level);
		}
		if (!err && late)
			source_table_pause();
	}
	return err || !late ? err : delete_old(t, plan, false);
}

int source_v6_commit(struct source_table *t, struct source_v6_plan *plan)
{
	size_t was = plan->now.n + plan->n_deletes - plan->n_adds; /* in the range */
	int err;

	t->v6_known = false; /* until all of it is done */
	lines_before(t, plan);
	err = write_changes(t, plan);
	if (err)
		return err;
	t->n_v6 = (plan->whole ? 0 : t->n_v6 - was) + plan->now.n;
	err = lines_after(t, plan);
	if (err || !plan->whole)
		return err;
	source_nets_clear(&t->v6);
	t->v6 = plan->now;
	plan->now = (struct source_nets) { 0 };
	t->v6_known = true;
	return 0;
}
