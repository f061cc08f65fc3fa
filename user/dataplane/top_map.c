/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "sluice/abi/client.h"
#include "top_map.h"

#define WINDOW_NS (1ULL << TOP_WINDOW_SHIFT)
#define WINDOW_S  ((double)WINDOW_NS / 1e9)

/* A counter of one CPU and window. */
struct found {
	uint64_t key;
	uint32_t kind;
	uint32_t note;
	uint64_t epoch;
	double at_least;
	double over;
};

struct found_list {
	struct found *at;
	size_t n;
	size_t room;
};

/*
 * What a window's counts weigh: the one that counts now is whole, and of the one before that part is
 * taken which is within a window's length from now.
 */
static double weight_of(uint64_t epoch, uint64_t now_ns)
{
	uint64_t now_epoch = now_ns >> TOP_WINDOW_SHIFT;

	if (epoch == now_epoch)
		return 1;
	if (epoch + 1 != now_epoch)
		return 0;
	return 1 - (double)(now_ns & (WINDOW_NS - 1)) / (double)WINDOW_NS;
}

static int found_add(struct found_list *list, const struct top_item *item, uint64_t epoch,
		     double weight)
{
	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : 1024;
		struct found *at = reallocarray(list->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		list->at = at;
		list->room = room;
	}
	list->at[list->n++] =
		(struct found) { .key = item->key,
				 .kind = item->kind,
				 .note = item->note,
				 .epoch = epoch,
				 .at_least = weight * (double)(item->count - item->over),
				 .over = weight * (double)item->over };
	return 0;
}

static int read_set(int fd, uint32_t index, struct top_set *sets, int cpus, uint64_t now_ns,
		    struct found_list *ret)
{
	if (bpf_map_lookup_elem(fd, &index, sets))
		return -errno;
	for (int cpu = 0; cpu < cpus; cpu++) {
		const struct top_set *set = &sets[cpu];
		double weight = weight_of(set->epoch, now_ns);

		for (int i = 0; weight > 0 && i < TOP_WAYS; i++) {
			int err = 0;

			/* Written to while it is copied: half of a counter may be another's. */
			if (set->item[i].count > set->item[i].over)
				err = found_add(ret, &set->item[i], set->epoch, weight);
			if (err)
				return err;
		}
	}
	return 0;
}

static int read_sets(int fd, enum top_table table, uint64_t now_ns, struct found_list *ret)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	CLEANUP_FREE struct top_set *sets = NULL;

	if (cpus < 0)
		return cpus;
	sets = calloc((size_t)cpus, sizeof(*sets));
	if (!sets)
		return -ENOMEM;
	for (uint32_t i = 0; i < 2 * TOP_SETS && !err; i++)
		err = read_set(fd, table * 2 * TOP_SETS + i, sets, cpus, now_ns, ret);
	return err;
}

static int read_total(int fd, enum top_table table, uint64_t now_ns, double *ret)
{
	int cpus = libbpf_num_possible_cpus();
	CLEANUP_FREE struct top *tops = NULL;
	uint32_t zero = 0;
	double sum = 0;

	if (cpus < 0)
		return cpus;
	tops = calloc((size_t)cpus, sizeof(*tops));
	if (!tops)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &zero, tops))
		return -errno;
	for (int cpu = 0; cpu < cpus; cpu++) {
		for (int i = 0; i < 2; i++) {
			const struct top_window *w = &tops[cpu].window[table][i];

			sum += weight_of(w->epoch, now_ns) * (double)w->credit;
		}
	}
	*ret = sum / WINDOW_S;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->epoch > y->epoch) - (x->epoch < y->epoch);
}

static int by_rate(const void *a, const void *b)
{
	const struct top_entry *x = a, *y = b;

	return (x->per_s < y->per_s) - (x->per_s > y->per_s);
}

static struct prefix prefix_of(const struct found *f)
{
	struct prefix p = { .len_bits = f->kind == TOP_IPV6 ? CLIENT_UNIT_BITS_V6 : 128 };
	int at = f->kind == TOP_IPV6 ? 0 : 2;

	p.addr.w[at] = (uint32_t)(f->key >> 32);
	p.addr.w[at + 1] = (uint32_t)f->key;
	return p;
}

/* One entry for all counters of a source; what its newest window noted last, if that is a drop. */
static size_t merge(struct found_list *found, struct top_entry *ret)
{
	size_t n = 0;

	qsort(found->at, found->n, sizeof(*found->at), by_key);
	for (size_t i = 0; i < found->n; i++) {
		const struct found *f = &found->at[i];
		struct top_entry *e;

		if (i == 0 || f->key != f[-1].key || f->kind != f[-1].kind)
			ret[n++] = (struct top_entry) { .source = prefix_of(f) };
		e = &ret[n - 1];
		e->per_s += f->at_least / WINDOW_S;
		e->over_per_s += f->over / WINDOW_S;
		if (top_note_reason(f->note)) { /* sorted: the newest window comes last */
			e->reason = top_note_reason(f->note);
			e->limit_class = top_note_class(f->note);
		}
	}
	qsort(ret, n, sizeof(*ret), by_rate);
	return n;
}

int top_list_read(int top_fd, int sets_fd, enum top_table table, uint64_t now_ns,
		  struct top_list *ret)
{
	struct found_list found = { 0 };
	int err;

	*ret = (struct top_list) { 0 };
	err = read_total(top_fd, table, now_ns, &ret->per_s);
	if (!err)
		err = read_sets(sets_fd, table, now_ns, &found);
	if (!err && found.n) {
		ret->entry = calloc(found.n, sizeof(*ret->entry));
		err = ret->entry ? 0 : -ENOMEM;
	}
	if (!err && found.n)
		ret->n = merge(&found, ret->entry);
	free(found.at);
	return err;
}

int top_map_read(struct dataplane *dp, enum top_table table, uint64_t now_ns, struct top_list *ret)
{
	int top_fd = pinned_map_fd(dp, "top"), sets_fd = pinned_map_fd(dp, "top_sets");

	*ret = (struct top_list) { 0 };
	if (top_fd < 0 || sets_fd < 0)
		return top_fd < 0 ? top_fd : sets_fd;
	return top_list_read(top_fd, sets_fd, table, now_ns, ret);
}

void top_list_clear(struct top_list *list)
{
	free(list->entry);
	*list = (struct top_list) { 0 };
}
