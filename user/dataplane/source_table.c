/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "pinned_map.h"
#include "source_v4.h"
#include "source_v6.h"

/* A packet that began its look-ups before has its answer long since, also on a busy virtual CPU. */
#define PAUSE_NS (10 * NS_PER_MS)

#define V4_BYTES       ((size_t)SOURCE_LINES * sizeof(struct source_line))
#define V6_LINES_BYTES ((size_t)SOURCE_V6_LINES * sizeof(struct source_v6_line))

#define CHANGE_SINGLY_MAX 8 /* prefixes; each may wait for a pause */

static const struct source_net everything;

void source_table_pause(void)
{
	source_table_pause_since(clock_now_ns());
}

void source_table_pause_since(uint64_t since_ns)
{
	uint64_t past = clock_now_ns() - since_ns;
	struct timespec rest;

	if (past >= PAUSE_NS)
		return;
	rest = (struct timespec) { .tv_nsec = (long)(PAUSE_NS - past) };
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

int source_table_room(const char *map, size_t n, uint32_t max, struct errmsg *err)
{
	if (n <= max)
		return 0;
	return errmsg_set(err, -ENOSPC,
			  "map %s has room for %u entries, and this change takes %zu: raise "
			  "dataplane.max_acl. The lists in force stay",
			  map, max, n);
}

static void *map_memory(int fd, size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static int sizes(struct source_table *t)
{
	struct map_shape split, longs, v6;
	int err = pinned_map_shape(t->maps.split_fd, &split);

	if (!err)
		err = pinned_map_shape(t->maps.long_fd, &longs);
	if (!err)
		err = pinned_map_shape(t->maps.v6_fd, &v6);
	if (err)
		return err;
	t->split_max = split.max_entries;
	t->long_max = longs.max_entries;
	t->v6_max = v6.max_entries;
	return 0;
}

static bool is_empty(int fd)
{
	char key[sizeof(struct prefix)]; /* the largest of the keys */

	return bpf_map_get_next_key(fd, NULL, key) && errno == ENOENT;
}

static bool is_fresh(const struct source_table *t)
{
	return is_empty(t->maps.split_fd) && is_empty(t->maps.long_fd) && is_empty(t->maps.v6_fd) &&
	       !t->v6_lines[SOURCE_V6_REST].lengths && !t->v4[0] &&
	       !memcmp(t->v4, t->v4 + 1, V4_BYTES - 1);
}

static void close_table(struct source_table **t)
{
	source_table_close(*t);
}

int source_table_open(const struct source_maps *maps, struct source_table **ret)
{
	CLEANUP(close_table) struct source_table *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->maps = *maps;
	err = sizes(t);
	if (err)
		return err;
	t->v4 = map_memory(maps->v4_fd, V4_BYTES);
	if (!t->v4)
		return -errno;
	t->v6_lines = map_memory(maps->v6_lines_fd, V6_LINES_BYTES);
	if (!t->v6_lines)
		return -errno;
	t->live = is_fresh(t);
	t->known = 1U << SOURCE_IS_FEED; /* none is one, too */
	t->changed = true;
	*ret = take_ptr(&t);
	return 0;
}

static void clear_lists(struct source_lists *lists)
{
	int i;

	for (i = 0; i < SOURCE_LISTS; i++)
		source_nets_clear(&lists->list[i]);
}

void source_table_close(struct source_table *t)
{
	if (!t)
		return;
	if (t->v4)
		munmap(t->v4, V4_BYTES);
	if (t->v6_lines)
		munmap(t->v6_lines, V6_LINES_BYTES);
	clear_lists(&t->lists_v4);
	clear_lists(&t->lists_v6);
	source_nets_clear(&t->longs);
	source_nets_clear(&t->v6);
	free(t->stale);
	free(t);
}

static bool same_nets(const struct source_nets *a, const struct source_nets *b)
{
	size_t i;

	for (i = 0; a->n == b->n && i < a->n; i++) {
		if (source_net_cmp(&a->v[i], &b->v[i]) != 0 || a->v[i].tag != b->v[i].tag)
			return false;
	}
	return a->n == b->n;
}

static int take_list(struct source_pair *in, struct source_table *t, enum source_which which)
{
	int err = source_pair_sort(in);

	if (err)
		return err;
	t->changed = t->changed || !same_nets(&in->v4, &t->lists_v4.list[which]) ||
		     !same_nets(&in->v6, &t->lists_v6.list[which]);
	source_nets_clear(&t->lists_v4.list[which]);
	source_nets_clear(&t->lists_v6.list[which]);
	t->lists_v4.list[which] = in->v4;
	t->lists_v6.list[which] = in->v6;
	*in = (struct source_pair) { 0 };
	t->known |= 1U << which;
	return 0;
}

static enum source_which which_of(enum source_list list)
{
	static const enum source_which which[] = { [SOURCE_LIST_ALLOW] = SOURCE_IS_ALLOW,
						   [SOURCE_LIST_DENY] = SOURCE_IS_DENY,
						   [SOURCE_LIST_FEED] = SOURCE_IS_FEED };

	return which[list];
}

int source_table_set(struct source_table *t, enum source_list list, const struct prefix *want,
		     size_t n)
{
	CLEANUP(source_pair_clear) struct source_pair in = { 0 };
	size_t i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = source_pair_push(&in, &want[i], 0);
	return err ? err : take_list(&in, t, which_of(list));
}

int source_table_set_groups(struct source_table *t, const struct source_group_prefix *want,
			    size_t n)
{
	CLEANUP(source_pair_clear) struct source_pair in = { 0 };
	size_t i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = want[i].group > SOURCE_GROUP_MAX
			      ? -EINVAL
			      : source_pair_push(&in, &want[i].prefix, want[i].group);
	return err ? err : take_list(&in, t, SOURCE_IS_GROUP);
}

int source_table_apply(struct source_table *t, struct errmsg *err)
{
	CLEANUP(source_v4_plan_clear) struct source_v4_plan v4 = { 0 };
	CLEANUP(source_v6_plan_clear) struct source_v6_plan v6 = { 0 };
	int e;

	if (!t->changed || (!t->live && t->known != (1U << SOURCE_LISTS) - 1))
		return 0;
	if (err)
		err->text[0] = 0;
	e = source_v4_plan(t, &everything, &v4, err);
	if (!e)
		e = source_v6_plan_all(t, &v6, err);
	if (!e)
		e = source_v4_commit(t, &v4);
	if (!e)
		e = source_v6_commit(t, &v6);
	if (e && err && !err->text[0])
		errmsg_set(err, e, "cannot write the tables of sources: %s", strerror(-e));
	t->live = t->live || !e;
	t->changed = e != 0;
	return e;
}

/* One prefix of the table: where it is, and to be put back if its change cannot be made. */
struct single {
	struct source_net net;
	bool v4;
	bool add;
	struct source_nets *list;
};

static int single_find(struct source_table *t, enum source_list list, const struct prefix *p,
		       struct single *ret)
{
	int err = source_net_from(p, &ret->v4, &ret->net);

	ret->list = (ret->v4 ? &t->lists_v4 : &t->lists_v6)->list + which_of(list);
	return err;
}

static int single_flip(struct single *s, bool add)
{
	if (add)
		return source_nets_insert(s->list, &s->net);
	source_nets_remove(s->list, source_nets_lower(s->list, &s->net));
	return 0;
}

/* A change that was written in part is completed by the next apply. */
static int settle(struct source_table *t, int err)
{
	t->changed = t->changed || err;
	return err;
}

static int single_v4(struct source_table *t, struct single *s)
{
	CLEANUP(source_v4_plan_clear) struct source_v4_plan plan = { 0 };
	int err = source_v4_sweep(t);

	if (!err)
		err = single_flip(s, s->add);
	if (err)
		return err;
	err = source_v4_plan(t, &s->net, &plan, NULL);
	if (err)
		single_flip(s, !s->add);
	return err ? err : settle(t, source_v4_commit(t, &plan));
}

static int single_v6(struct source_table *t, struct single *s)
{
	CLEANUP(source_v6_plan_clear) struct source_v6_plan plan = { 0 };
	CLEANUP(source_nets_clear) struct source_nets was = { 0 };
	int err = source_v6_flatten(&t->lists_v6, &s->net, &was);

	if (!err)
		err = single_flip(s, s->add);
	if (err)
		return err;
	err = source_v6_plan(t, &s->net, &was, &plan, NULL);
	if (err)
		single_flip(s, !s->add);
	return err ? err : settle(t, source_v6_commit(t, &plan));
}

int source_table_add(struct source_table *t, enum source_list list, const struct prefix *p)
{
	struct single s = { .add = true };
	int err = single_find(t, list, p, &s);

	if (err || source_nets_find(s.list, &s.net))
		return err;
	if (!t->live)
		return -EAGAIN;
	return s.v4 ? single_v4(t, &s) : single_v6(t, &s);
}

int source_table_del(struct source_table *t, enum source_list list, const struct prefix *p)
{
	struct single s = { .add = false };
	const struct source_net *there;
	int err = single_find(t, list, p, &s);

	if (err)
		return err;
	there = source_nets_find(s.list, &s.net);
	if (!there)
		return -ENOENT;
	if (!t->live)
		return -EAGAIN;
	s.net = *there;
	return s.v4 ? single_v4(t, &s) : single_v6(t, &s);
}

int source_table_mark(struct source_table *t, enum source_list list, const struct prefix *p,
		      uint8_t mark)
{
	struct single s = { 0 };
	struct source_net *there;
	int err = single_find(t, list, p, &s);

	there = err ? NULL : source_nets_find(s.list, &s.net);
	if (!there)
		return err ? err : -ENOENT;
	there->tag = mark;
	return 0;
}

int source_table_each(const struct source_table *t, enum source_list list,
		      int (*fn)(const struct prefix *p, uint8_t mark, void *ctx), void *ctx)
{
	return source_table_each_from(t, list, NULL, fn, ctx);
}

/* How many come before this prefix, all of IPv4 first. */
static size_t position(const struct source_nets *v4, const struct source_nets *v6,
		       const struct prefix *from)
{
	struct source_net net;
	bool is_v4;

	if (!from || source_net_from(from, &is_v4, &net))
		return 0;
	return is_v4 ? source_nets_lower(v4, &net) : v4->n + source_nets_lower(v6, &net);
}

int source_table_each_from(const struct source_table *t, enum source_list list,
			   const struct prefix *from,
			   int (*fn)(const struct prefix *p, uint8_t mark, void *ctx), void *ctx)
{
	const struct source_nets *v4 = &t->lists_v4.list[which_of(list)];
	const struct source_nets *v6 = &t->lists_v6.list[which_of(list)];
	size_t i = position(v4, v6, from);
	int err = 0;

	for (; !err && i < v4->n + v6->n; i++) {
		const struct source_net *net = i < v4->n ? &v4->v[i] : &v6->v[i - v4->n];
		struct prefix p = source_net_to(net, i < v4->n);

		err = fn(&p, net->tag, ctx);
	}
	return err;
}

/* Differences of two sorted lists, all of one kind first. Returns their number, or max + 1 for more. */
static size_t differences(const struct source_nets *has, const struct source_nets *lacks, bool v4,
			  struct prefix *ret, size_t n, size_t max)
{
	size_t i;

	for (i = 0; i < has->n && n <= max; i++) {
		if (source_nets_find(lacks, &has->v[i]))
			continue;
		if (n < max)
			ret[n] = source_net_to(&has->v[i], v4);
		n++;
	}
	return n;
}

/* One by one, if they are few. 1: they are not. */
static int change_singly(struct source_table *t, enum source_list list,
			 const struct source_pair *want)
{
	struct source_nets *v4 = &t->lists_v4.list[which_of(list)];
	struct source_nets *v6 = &t->lists_v6.list[which_of(list)];
	struct prefix p[CHANGE_SINGLY_MAX];
	size_t adds, all, i;
	int err = 0;

	if (!t->live || t->changed)
		return 1;
	adds = differences(&want->v4, v4, true, p, 0, CHANGE_SINGLY_MAX);
	adds = differences(&want->v6, v6, false, p, adds, CHANGE_SINGLY_MAX);
	all = differences(v4, &want->v4, true, p, adds, CHANGE_SINGLY_MAX);
	all = differences(v6, &want->v6, false, p, all, CHANGE_SINGLY_MAX);
	if (all > CHANGE_SINGLY_MAX)
		return 1;
	for (i = 0; !err && i < all; i++)
		err = i < adds ? source_table_add(t, list, &p[i])
			       : source_table_del(t, list, &p[i]);
	for (i = 0; i < v4->n; i++)
		v4->v[i].tag = 0;
	for (i = 0; i < v6->n; i++)
		v6->v[i].tag = 0;
	return err;
}

int source_table_change(struct source_table *t, enum source_list list, const struct prefix *want,
			size_t n, struct errmsg *err)
{
	CLEANUP(source_pair_clear) struct source_pair in = { 0 };
	size_t i;
	int e = 0;

	for (i = 0; !e && i < n; i++)
		e = source_pair_push(&in, &want[i], 0);
	if (!e)
		e = source_pair_sort(&in);
	if (e)
		return e;
	e = change_singly(t, list, &in);
	/* a list that has no room says so as a whole */
	if (e <= 0 && e != -ENOSPC)
		return e;
	e = take_list(&in, t, which_of(list));
	return e ? e : source_table_apply(t, err);
}

/* The longest prefix that covers addr. */
static const struct source_net *longest(const struct source_nets *list, uint64_t addr,
					uint32_t bits)
{
	const struct source_net *found = NULL;
	uint32_t len;

	for (len = bits + 1; !found && len-- > 0;)
		found = source_nets_cover(list, addr, len);
	return found;
}

uint8_t source_table_answer(const struct source_table *t, const struct addr *a)
{
	bool v4 = addr_is_v4(a);
	uint32_t bits = v4 ? SOURCE_NET_BITS_V4 : SOURCE_NET_BITS_V6;
	const struct prefix host = { v4 ? 128 : bits, *a };
	const struct source_lists *lists = v4 ? &t->lists_v4 : &t->lists_v6;
	const struct source_net *group;
	struct source_net net = { 0 };

	source_net_from(&host, &v4, &net);
	if (longest(&lists->list[SOURCE_IS_ALLOW], net.addr, bits))
		return SOURCE_ALLOW;
	if (longest(&lists->list[SOURCE_IS_DENY], net.addr, bits) ||
	    longest(&lists->list[SOURCE_IS_FEED], net.addr, bits))
		return SOURCE_DENY;
	group = longest(&lists->list[SOURCE_IS_GROUP], net.addr, bits);
	return group ? group->tag : SOURCE_NONE;
}

int source_table_find(const struct source_table *t, enum source_list list, const struct addr *a,
		      struct prefix *ret)
{
	bool v4 = addr_is_v4(a);
	uint32_t bits = v4 ? SOURCE_NET_BITS_V4 : SOURCE_NET_BITS_V6;
	const struct prefix host = { v4 ? 128 : bits, *a };
	const struct source_net *found;
	struct source_net net = { 0 };

	source_net_from(&host, &v4, &net);
	found = longest(&(v4 ? &t->lists_v4 : &t->lists_v6)->list[which_of(list)], net.addr, bits);
	if (found)
		*ret = source_net_to(found, v4);
	return found ? 0 : -ENOENT;
}

static size_t bytes_of(const struct source_lists *lists)
{
	size_t bytes = 0;
	int i;

	for (i = 0; i < SOURCE_LISTS; i++)
		bytes += lists->list[i].room * sizeof(struct source_net);
	return bytes;
}

static size_t prefixes(const struct source_table *t, enum source_which which)
{
	return t->lists_v4.list[which].n + t->lists_v6.list[which].n;
}

void source_table_counts(const struct source_table *t, struct source_counts *ret)
{
	*ret = (struct source_counts) {
		.allow = prefixes(t, SOURCE_IS_ALLOW),
		.deny = prefixes(t, SOURCE_IS_DENY),
		.feed = prefixes(t, SOURCE_IS_FEED),
		.groups = prefixes(t, SOURCE_IS_GROUP),
		.split = t->n_split,
		.v6 = t->n_v6,
		.memory_bytes = sizeof(*t) + bytes_of(&t->lists_v4) + bytes_of(&t->lists_v6) +
				(t->longs.room + t->v6.room) * sizeof(struct source_net) +
				t->n_stale * sizeof(*t->stale),
	};
}
