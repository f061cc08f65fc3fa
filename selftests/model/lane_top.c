/* SPDX-License-Identifier: BSD-2-Clause */
/* Heavy hitters: of what the random numbers of the programs decide, the map's are taken. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lane_part.h"

#define SETS (TOP_TABLES * 2 * TOP_SETS)

void lane_top_forget(struct lane *l)
{
	uint32_t keys[SETS], n = SETS, i, zero = 0;
	void *none = calloc(SETS * l->cpus, sizeof(struct top_set));

	if (!none)
		abort();
	for (i = 0; i < SETS; i++)
		keys[i] = i;
	lane_put(l, "top", &zero, none);
	if (bpf_map_update_batch(plane_map(&l->plane, "top_sets"), keys, none, &n, NULL))
		abort();
	free(none);
	memset(l->model.state.top, 0, sizeof(l->model.state.top));
}

/* Space-Saving: the counter of its own, or the smallest. */
static void count(struct top_set *set, const struct model_top_sample *s)
{
	struct top_item *item, *least = &set->item[0];
	uint32_t i;

	for (i = 0; i < TOP_WAYS; i++) {
		item = &set->item[i];
		if (item->count && item->key == s->key && item->kind == s->kind)
			break;
		if (item->count < least->count)
			least = item;
	}
	if (i == TOP_WAYS) {
		item = least;
		item->over = item->count;
		item->key = s->key;
		item->kind = s->kind;
	}
	item->count += s->weight;
	item->note = s->note;
}

static bool is_same(const struct top_set *want, const struct top_set *found)
{
	uint32_t i;

	for (i = 0; i < TOP_WAYS; i++) {
		const struct top_item *a = &want->item[i], *b = &found->item[i];

		if (a->count != b->count ||
		    (a->count && (a->key != b->key || a->over != b->over || a->kind != b->kind ||
				  a->note != b->note)))
			return false;
	}
	return true;
}

static bool check_window(struct lane *l, uint32_t table, const struct model_top_window *want,
			 const struct top_window *found, const struct top_set *sets)
{
	struct top_set replayed[TOP_SETS] = { { 0 } };
	uint32_t i;

	if (found->epoch != want->epoch || found->credit != want->credit) {
		snprintf(l->said, sizeof(l->said),
			 "top %u: the model has %llu in window %llu, the map %llu in %llu", table,
			 (unsigned long long)want->credit, (unsigned long long)want->epoch,
			 (unsigned long long)found->credit, (unsigned long long)found->epoch);
		return false;
	}
	for (i = 0; i < want->n; i++) {
		uint64_t high = want->sample[i].key >> 32, low = want->sample[i].key & 0xffffffff;
		uint64_t hash = found->hash[0] + found->hash[1] * high + found->hash[2] * low;

		l->samples_seen++;
		count(&replayed[hash >> (64 - TOP_SETS_SHIFT)], &want->sample[i]);
	}
	for (i = 0; i < TOP_SETS; i++) {
		const struct top_set none = { 0 };
		const struct top_set *set = sets[i].epoch == want->epoch ? &sets[i] : &none;

		if (is_same(&replayed[i], set))
			continue;
		snprintf(l->said, sizeof(l->said), "top %u: a source has another count", table);
		return false;
	}
	return true;
}

static bool check_all(struct lane *l, const struct top *found, const struct top_set *sets)
{
	uint32_t table, i;

	for (table = 0; table < TOP_TABLES; table++) {
		const struct model_top_table *t = &l->model.state.top[table];

		for (i = 0; i < 2 && !t->sampled; i++) {
			if (t->window[i].begun &&
			    !check_window(l, table, &t->window[i], &found->window[table][i],
					  &sets[(table * 2 + i) * TOP_SETS]))
				return false;
		}
	}
	return true;
}

bool lane_top_check(struct lane *l)
{
	const uint32_t cpu = (uint32_t)sched_getcpu();
	struct top_set *all = calloc(SETS * l->cpus, sizeof(*all));
	struct top_set *sets = calloc(SETS, sizeof(*sets));
	struct top *tops = calloc(l->cpus, sizeof(*tops));
	uint32_t keys[SETS], n = SETS, next, i, zero = 0;
	bool same;

	if (!all || !sets || !tops ||
	    bpf_map_lookup_elem(plane_map(&l->plane, "top"), &zero, tops) ||
	    (bpf_map_lookup_batch(plane_map(&l->plane, "top_sets"), NULL, &next, keys, all, &n,
				  NULL) &&
	     errno != ENOENT) ||
	    n != SETS)
		abort();
	for (i = 0; i < SETS; i++)
		sets[keys[i]] = all[i * l->cpus + cpu];
	same = check_all(l, &tops[cpu], sets);
	free(all);
	free(sets);
	free(tops);
	/* Begin anew, where all is exact again. */
	if (l->model.state.top[TOP_DROPS].sampled || l->model.state.top[TOP_BYTES].sampled)
		lane_top_forget(l);
	return same;
}
