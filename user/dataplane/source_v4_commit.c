/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Write a plan of source_v4.c so that no source has a third answer in between. Before all else the answers
 * of /16s in which something changes give way to those of their /24s, which still are the old ones; when
 * all is written they are made anew.
 *
 * 1. /24s that get one answer: a byte each, atomic.
 * 2. Pause; split entries that no byte refers to go. After a change of one prefix they wait for the
 *    next change instead of the pause.
 * 3. source_long, if groups change. Split entries that read it and change keep what they allow and
 *    deny until the end, and get what they will: from those sources the change is hidden.
 *    - Pause; new prefixes, the longest first, then prefixes with another group.
 *    - What is left over in those entries, with the answer of the rest.
 *    - Pause; prefixes that go, the shortest first, a pause between lengths.
 * 4. Split entries, each replaced at once; then the bytes that refer to them.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "map_batch.h"
#include "source_v4.h"

#define LONG_BITS_MIN 25
#define SKIP_BYTES    256 /* of the table, when nothing in them differs */
#define WIDE_NETS     256 /* /24s in a /16 */

/* Look-ups in a /16 where something changes have to go on to its /24s. */
static void open_wide(struct source_table *t, const struct source_v4_plan *plan)
{
	uint32_t i, n;

	for (i = 0; i < plan->count; i += n) {
		uint8_t *wide = &t->v4[SOURCE_WIDE + (plan->first + i) / WIDE_NETS];

		n = plan->count - i < WIDE_NETS ? plan->count - i : WIDE_NETS;
		if (*wide != SOURCE_SPLIT &&
		    memcmp(&t->v4[plan->first + i], &plan->answer[i], n) != 0)
			__atomic_store_n(wide, SOURCE_SPLIT, __ATOMIC_RELEASE);
	}
}

/* Those whose /24s all have one answer by now have it themselves. */
static void close_wide(struct source_table *t, const struct source_v4_plan *plan)
{
	uint32_t i, last = (plan->first + plan->count - 1) / WIDE_NETS;

	for (i = plan->first / WIDE_NETS; i <= last; i++) {
		const uint8_t *is = &t->v4[i * WIDE_NETS];
		uint8_t *wide = &t->v4[SOURCE_WIDE + i];

		if (*wide == SOURCE_SPLIT && *is != SOURCE_SPLIT &&
		    memcmp(is, is + 1, WIDE_NETS - 1) == 0)
			__atomic_store_n(wide, *is, __ATOMIC_RELEASE);
	}
}

/* Bytes of /24s that are to be split, or of the others. */
static bool write_answers(struct source_table *t, const struct source_v4_plan *plan, bool split)
{
	uint8_t *is = t->v4 + plan->first;
	bool wrote = false;
	uint32_t i;

	for (i = 0; i < plan->count; i++) {
		uint8_t want = plan->answer[i];

		if (i % SKIP_BYTES == 0 && plan->count - i >= SKIP_BYTES &&
		    !memcmp(is + i, plan->answer + i, SKIP_BYTES)) {
			i += SKIP_BYTES - 1;
			continue;
		}
		if (is[i] == want || (want == SOURCE_SPLIT) != split)
			continue;
		__atomic_store_n(&is[i], want, __ATOMIC_RELEASE);
		wrote = true;
	}
	return wrote;
}

int source_v4_sweep(struct source_table *t)
{
	CLEANUP(map_batch_clear) struct map_batch b = { 0 };
	size_t i;
	int err;

	if (!t->n_stale)
		return 0;
	source_table_pause_since(t->stale_ns);
	err = map_batch_open(&b, t->maps.split_fd, sizeof(uint32_t), 0);
	for (i = 0; !err && i < t->n_stale; i++)
		err = map_batch_put(&b, &t->stale[i], NULL);
	if (!err)
		err = map_batch_flush(&b);
	if (err)
		return err;
	free(t->stale);
	t->stale = NULL;
	t->n_stale = 0;
	return 0;
}

/* An entry of the map that reads source_long, before that changes: see 3. */
static int bridge_one(const struct source_table *t, struct split_row *row)
{
	struct source_split old;
	int i;

	if (bpf_map_lookup_elem(t->maps.split_fd, &row->number, &old))
		return errno == ENOENT ? 0 : -errno;
	if (!old.longer)
		return 0;
	for (i = 0; i < 4; i++) {
		old.allow[i] |= row->entry.allow[i];
		old.deny[i] |= row->entry.deny[i];
	}
	row->bridged = true;
	return bpf_map_update_elem(t->maps.split_fd, &row->number, &old, BPF_ANY) ? -errno : 0;
}

static int bridge(const struct source_table *t, struct source_v4_plan *plan, bool *wrote)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < plan->n_rows; i++) {
		struct split_row *row = &plan->rows[i];

		if (!row->same && t->v4[row->number] == SOURCE_SPLIT)
			err = bridge_one(t, row);
		*wrote |= row->bridged;
	}
	return err;
}

/* New prefixes are there, old ones still: now the answer for what no prefix covers. */
static int bridge_rest(const struct source_table *t, const struct source_v4_plan *plan)
{
	int fd = t->maps.split_fd;
	size_t i;

	for (i = 0; i < plan->n_rows; i++) {
		const struct split_row *row = &plan->rows[i];
		struct source_split e;

		if (!row->bridged)
			continue;
		if (bpf_map_lookup_elem(fd, &row->number, &e))
			return -errno;
		e.rest = row->entry.rest;
		e.longer = row->entry.longer;
		if (bpf_map_update_elem(fd, &row->number, &e, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int put_long(struct map_batch *b, const struct source_net *net)
{
	struct prefix key = source_net_to(net, true);
	struct source_group value = { net->tag };

	return map_batch_put(b, &key, &value);
}

static int write_longs(const struct source_table *t, const struct source_nets *want)
{
	CLEANUP(map_batch_clear) struct map_batch b = { 0 };
	int err = map_batch_open(&b, t->maps.long_fd, sizeof(struct prefix),
				 sizeof(struct source_group));
	const struct source_net *old;
	uint32_t len;
	size_t i;

	for (len = SOURCE_NET_BITS_V4; !err && len >= LONG_BITS_MIN; len--) {
		for (i = 0; !err && i < want->n; i++) {
			if (want->v[i].len == len && !source_nets_find(&t->longs, &want->v[i]))
				err = put_long(&b, &want->v[i]);
		}
	}
	for (i = 0; !err && i < want->n; i++) {
		old = source_nets_find(&t->longs, &want->v[i]);
		if (old && old->tag != want->v[i].tag)
			err = put_long(&b, &want->v[i]);
	}
	return err ? err : map_batch_flush(&b);
}

static int delete_longs(const struct source_table *t, const struct source_nets *want)
{
	CLEANUP(map_batch_clear) struct map_batch b = { 0 };
	int err = map_batch_open(&b, t->maps.long_fd, sizeof(struct prefix), 0);
	uint32_t len;
	size_t i;

	for (len = LONG_BITS_MIN; !err && len <= SOURCE_NET_BITS_V4; len++) {
		bool any = false;

		for (i = 0; !err && i < t->longs.n; i++) {
			struct prefix key = source_net_to(&t->longs.v[i], true);

			if (t->longs.v[i].len != len || source_nets_find(want, &t->longs.v[i]))
				continue;
			if (!any)
				source_table_pause();
			any = true;
			err = map_batch_put(&b, &key, NULL);
		}
		if (!err)
			err = map_batch_flush(&b);
	}
	return err;
}

static int write_rows(const struct source_table *t, const struct source_v4_plan *plan)
{
	CLEANUP(map_batch_clear) struct map_batch b = { 0 };
	int err =
		map_batch_open(&b, t->maps.split_fd, sizeof(uint32_t), sizeof(struct source_split));
	size_t i;

	for (i = 0; !err && i < plan->n_rows; i++) {
		if (!plan->rows[i].same)
			err = map_batch_put(&b, &plan->rows[i].number, &plan->rows[i].entry);
	}
	return err ? err : map_batch_flush(&b);
}

/* A whole plan names those that were left before too: it read the map. */
static void note_stale(struct source_table *t, struct source_v4_plan *plan)
{
	free(t->stale);
	t->stale = take_ptr(&plan->stale);
	t->n_stale = plan->n_stale;
	t->stale_ns = clock_now_ns();
}

/* Entries in use after the plan; both before and after count each /24 once. */
static void count_split(struct source_table *t, const struct source_v4_plan *plan)
{
	size_t i;

	if (plan->range.len == 0) {
		t->n_split = plan->n_rows;
		return;
	}
	t->n_split -= plan->n_stale;
	for (i = 0; i < plan->n_rows; i++)
		t->n_split += t->v4[plan->rows[i].number] != SOURCE_SPLIT;
}

static int commit_longs(struct source_table *t, struct source_v4_plan *plan, bool wrote)
{
	int err = bridge(t, plan, &wrote);

	if (err)
		return err;
	if (wrote)
		source_table_pause();
	t->longs_known = false; /* until all of it is done */
	err = write_longs(t, &plan->longs);
	if (!err)
		err = bridge_rest(t, plan);
	if (!err)
		err = delete_longs(t, &plan->longs);
	if (err)
		return err;
	source_nets_clear(&t->longs);
	t->longs = plan->longs;
	plan->longs = (struct source_nets) { 0 };
	t->longs_known = true;
	return 0;
}

int source_v4_commit(struct source_table *t, struct source_v4_plan *plan)
{
	bool whole = plan->range.len == 0, wrote;
	int err = 0;

	count_split(t, plan);
	open_wide(t, plan);
	wrote = write_answers(t, plan, false);
	note_stale(t, plan);
	if (whole)
		err = source_v4_sweep(t);
	if (!err && plan->longs_change)
		err = commit_longs(t, plan, wrote);
	if (!err)
		err = write_rows(t, plan);
	if (err)
		return err;
	write_answers(t, plan, true);
	close_wide(t, plan);
	return 0;
}
