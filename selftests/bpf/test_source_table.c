/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of sources against a plain reading of the lists, through a look-up over the maps that
 * goes by the words of abi/source.h. TEST_ROUNDS=n: more random lists; TEST_SEED=n: others.
 */
#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/source_table.h"

#define LIST_MAX    48
#define LARGE	    1000000
#define LOST	    0xee /* the byte says that there is a split entry, and there is none */
#define TORN_NS	    (5 * NS_PER_MS) /* a look-up that was interrupted for longer proves nothing */
#define SPLIT_BYTES sizeof(struct source_split)

struct world {
	struct source_maps maps;
	const uint8_t *v4;
	const uint64_t *lengths;
	struct source_table *t;
	uint64_t random;
};

static int make_map(enum bpf_map_type type, const char *name, uint32_t key_bytes,
		    uint32_t value_bytes, uint32_t n, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, name, key_bytes, value_bytes, n, &opts);

	assert_true(fd >= 0);
	return fd;
}

static struct world *world_open(uint32_t max)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *seed = getenv("TEST_SEED");

	assert_non_null(w);
	w->random = seed ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15ULL;
	w->maps.v4_fd = make_map(BPF_MAP_TYPE_ARRAY, "source_v4", 4, sizeof(struct source_line),
				 SOURCE_LINES, BPF_F_MMAPABLE);
	w->maps.split_fd =
		make_map(BPF_MAP_TYPE_HASH, "source_split", 4, SPLIT_BYTES, max, BPF_F_NO_PREALLOC);
	w->maps.long_fd = make_map(BPF_MAP_TYPE_LPM_TRIE, "source_long", sizeof(struct prefix),
				   sizeof(struct source_group), max, BPF_F_NO_PREALLOC);
	w->maps.v6_fd = make_map(BPF_MAP_TYPE_HASH, "source_v6", sizeof(struct source_v6_key),
				 sizeof(struct source_v6_answer), max, BPF_F_NO_PREALLOC);
	w->maps.v6_lengths_fd = make_map(BPF_MAP_TYPE_ARRAY, "source_v6_len", 4, 8,
					 SOURCE_V6_BUCKETS, BPF_F_MMAPABLE);
	w->v4 = mmap(NULL, 1 << 24, PROT_READ, MAP_SHARED, w->maps.v4_fd, 0);
	w->lengths =
		mmap(NULL, SOURCE_V6_BUCKETS * 8, PROT_READ, MAP_SHARED, w->maps.v6_lengths_fd, 0);
	assert_true(w->v4 != MAP_FAILED && w->lengths != MAP_FAILED);
	assert_int_equal(source_table_open(&w->maps, &w->t), 0);
	return w;
}

static void world_close(struct world *w)
{
	source_table_close(w->t);
	munmap((void *)(uintptr_t)w->v4, 1 << 24);
	munmap((void *)(uintptr_t)w->lengths, SOURCE_V6_BUCKETS * 8);
	close(w->maps.v4_fd);
	close(w->maps.split_fd);
	close(w->maps.long_fd);
	close(w->maps.v6_fd);
	close(w->maps.v6_lengths_fd);
	free(w);
}

/* xorshift64* */
static uint32_t draw(struct world *w, uint32_t below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (uint32_t)((w->random * 0x2545f4914f6cdd1dULL >> 32) * below >> 32);
}

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* What a packet finds. */

static uint8_t look_up_split(const struct world *w, uint32_t number, uint32_t host,
			     const struct addr *a)
{
	struct prefix key = { 128, *a };
	struct source_group group;
	struct source_split s;

	if (bpf_map_lookup_elem(w->maps.split_fd, &number, &s))
		return LOST;
	if (s.allow[host / 64] >> (host % 64) & 1)
		return SOURCE_ALLOW;
	if (s.deny[host / 64] >> (host % 64) & 1)
		return SOURCE_DENY;
	if (s.longer && !bpf_map_lookup_elem(w->maps.long_fd, &key, &group))
		return (uint8_t)group.group;
	return (uint8_t)s.rest;
}

static uint8_t look_up_v6(const struct world *w, const struct addr *a)
{
	uint64_t lengths =
		__atomic_load_n(&w->lengths[source_v6_bucket(a->w[0])], __ATOMIC_ACQUIRE);
	struct source_v6_answer answer;
	uint32_t len;

	for (len = 64; len <= 64; len--) {
		struct addr masked = addr_mask(a, len);
		struct source_v6_key key = { { masked.w[0], masked.w[1] }, len };

		if (len && !(lengths >> (len - 1) & 1))
			continue;
		if (!bpf_map_lookup_elem(w->maps.v6_fd, &key, &answer))
			return (uint8_t)answer.answer;
	}
	return SOURCE_NONE;
}

static uint8_t look_up(const struct world *w, const struct addr *a)
{
	uint32_t number = (uint32_t)a->b[12] << 16 | (uint32_t)a->b[13] << 8 | a->b[14];
	uint8_t answer;

	if (!addr_is_v4(a))
		return look_up_v6(w, a);
	answer = __atomic_load_n(&w->v4[number], __ATOMIC_ACQUIRE);
	return answer == SOURCE_SPLIT ? look_up_split(w, number, a->b[15], a) : answer;
}

/* What the lists say, read plainly. */

struct lists {
	struct prefix allow[LIST_MAX];
	struct prefix deny[LIST_MAX];
	struct source_group_prefix group[LIST_MAX];
	size_t n_allow;
	size_t n_deny;
	size_t n_groups;
};

static bool covers(const struct prefix *p, const struct addr *a)
{
	return (p->len_bits >= 96 || !addr_is_v4(a)) && prefix_contains(p, a);
}

static uint8_t naive(const struct lists *l, const struct addr *a)
{
	uint8_t answer = SOURCE_NONE;
	uint32_t len = 0;
	size_t i;

	for (i = 0; i < l->n_allow; i++) {
		if (covers(&l->allow[i], a))
			return SOURCE_ALLOW;
	}
	for (i = 0; i < l->n_deny; i++) {
		if (covers(&l->deny[i], a))
			return SOURCE_DENY;
	}
	for (i = 0; i < l->n_groups; i++) {
		if (covers(&l->group[i].prefix, a) && l->group[i].prefix.len_bits >= len) {
			len = l->group[i].prefix.len_bits;
			answer = l->group[i].group;
		}
	}
	return answer;
}

/* Few bits vary, so that prefixes meet: 10.0-3.0-3.x and words of 2001:db8::. */
static struct prefix random_prefix(struct world *w)
{
	static const uint8_t bytes[] = { 0, 1, 0x80, 0xff };
	struct prefix p = { 0 };
	int i;

	if (draw(w, 2)) {
		uint32_t kind = draw(w, 8);

		p.addr = addr_of("10.0.0.0");
		p.addr.b[13] = (uint8_t)draw(w, 4);
		p.addr.b[14] = (uint8_t)draw(w, 4);
		p.addr.b[15] = (uint8_t)draw(w, 256);
		p.len_bits = 96 + (kind < 4   ? 25 + draw(w, 8)
				   : kind < 7 ? 14 + draw(w, 12)
					      : draw(w, 33));
	} else {
		p.addr = addr_of("2001:db8::");
		for (i = 2; i < 8; i++)
			p.addr.b[i] = bytes[draw(w, 4)];
		p.len_bits = draw(w, 4) ? 20 + draw(w, 45) : draw(w, 65);
		p.len_bits = draw(w, 3) ? p.len_bits & ~7U : p.len_bits;
	}
	p.addr = addr_mask(&p.addr, p.len_bits);
	return p;
}

static bool has_group(const struct lists *l, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < l->n_groups; i++) {
		if (!memcmp(&l->group[i].prefix, p, sizeof(*p)))
			return true;
	}
	return false;
}

static void random_lists(struct world *w, struct lists *l)
{
	size_t n = draw(w, LIST_MAX);

	memset(l, 0, sizeof(*l));
	while (l->n_allow < n / 3)
		l->allow[l->n_allow++] = random_prefix(w);
	while (l->n_deny < n)
		l->deny[l->n_deny++] = random_prefix(w);
	for (n = draw(w, LIST_MAX); n; n--) {
		struct prefix p = random_prefix(w);

		if (!has_group(l, &p))
			l->group[l->n_groups++] = (struct source_group_prefix) {
				p, (uint8_t)draw(w, SOURCE_GROUP_MAX + 1)
			};
	}
}

/* Some of it stays: a change like that of a day's list. */
static void vary_lists(struct world *w, const struct lists *from, struct lists *to)
{
	struct lists other;
	size_t i;

	random_lists(w, &other);
	*to = *from;
	for (i = 0; i < to->n_allow && i < other.n_allow; i++) {
		if (!draw(w, 3))
			to->allow[i] = other.allow[i];
	}
	for (i = 0; i < to->n_deny && i < other.n_deny; i++) {
		if (!draw(w, 3))
			to->deny[i] = other.deny[i];
	}
	for (i = 0; i < to->n_groups && i < other.n_groups; i++) {
		if (!draw(w, 3) && !has_group(to, &other.group[i].prefix))
			to->group[i] = other.group[i];
		else if (!draw(w, 3))
			to->group[i].group = (uint8_t)draw(w, SOURCE_GROUP_MAX + 1);
	}
}

static void apply(struct world *w, const struct lists *l)
{
	struct errmsg err;

	assert_int_equal(source_table_set(w->t, SOURCE_LIST_ALLOW, l->allow, l->n_allow), 0);
	assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, l->deny, l->n_deny), 0);
	assert_int_equal(source_table_set_groups(w->t, l->group, l->n_groups), 0);
	assert_int_equal(source_table_apply(w->t, &err), 0);
}

/* The ends of a prefix, what is beside them, and somewhere inside: i is 0..4. */
static struct addr probe(struct world *w, const struct prefix *p, int i)
{
	uint32_t last = addr_is_v4(&p->addr) && p->len_bits >= 96 ? 15 : 7;
	struct addr a = p->addr;
	uint32_t bit;

	for (bit = p->len_bits; bit < (last + 1) * 8; bit++) {
		if (i == 1 || i == 3 || (i == 4 && draw(w, 2)))
			a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	for (bit = last; i == 2 && a.b[bit]-- == 0 && bit > 0;)
		bit--;
	for (bit = last; i == 3 && ++a.b[bit] == 0 && bit > 0;)
		bit--;
	return a;
}

static void check_at(struct world *w, const struct lists *l, const struct prefix *p)
{
	char text[ADDR_TEXT_MAX];
	int i;

	for (i = 0; i < 5; i++) {
		struct addr a = probe(w, p, i);
		uint8_t want = naive(l, &a), found = look_up(w, &a);

		if (found != want || source_table_answer(w->t, &a) != want)
			fail_msg("%s: the lists say %u, the maps %u, the agent %u",
				 addr_format(&a, text), want, found, source_table_answer(w->t, &a));
	}
}

static void check(struct world *w, const struct lists *l)
{
	size_t i;

	for (i = 0; i < l->n_allow; i++)
		check_at(w, l, &l->allow[i]);
	for (i = 0; i < l->n_deny; i++)
		check_at(w, l, &l->deny[i]);
	for (i = 0; i < l->n_groups; i++)
		check_at(w, l, &l->group[i].prefix);
}

static int rounds(int usual)
{
	const char *text = getenv("TEST_ROUNDS");

	return text ? atoi(text) : usual;
}

static void reopen(struct world *w)
{
	source_table_close(w->t);
	assert_int_equal(source_table_open(&w->maps, &w->t), 0);
}

static uint32_t count_entries(int fd)
{
	uint8_t key[32];
	uint32_t n = 0;

	while (!bpf_map_get_next_key(fd, n ? key : NULL, key))
		n++;
	return n;
}

static void what_is_applied_is_what_the_lists_say(void **state)
{
	static const struct lists none;
	struct world *w = world_open(4096);
	struct source_counts counts;
	struct lists before = none, l;
	int i;

	(void)state;
	for (i = rounds(100); i > 0; i--) {
		if (draw(w, 2))
			random_lists(w, &l);
		else
			vary_lists(w, &before, &l);
		apply(w, &l);
		check(w, &l);
		check_at(w, &l, &before.deny[0]);
		source_table_counts(w->t, &counts);
		assert_int_equal(count_entries(w->maps.split_fd), counts.split);
		assert_int_equal(count_entries(w->maps.v6_fd), counts.v6);
		before = l;
	}
	apply(w, &none);
	assert_int_equal(count_entries(w->maps.split_fd), 0);
	assert_int_equal(count_entries(w->maps.long_fd), 0);
	assert_int_equal(count_entries(w->maps.v6_fd), 0);
	for (i = 0; i < SOURCE_V6_BUCKETS; i++)
		assert_int_equal(w->lengths[i], 0);
	for (i = 0; i < 1 << 24; i++)
		assert_int_equal(w->v4[i], 0);
	world_close(w);
}

static bool has(const struct prefix *list, size_t n, const struct prefix *p, size_t *ret)
{
	for (*ret = 0; *ret < n; ++*ret) {
		if (!memcmp(&list[*ret], p, sizeof(*p)))
			return true;
	}
	return false;
}

/* One prefix more or less in the table and in l. */
static struct prefix change_one(struct world *w, struct lists *l)
{
	enum source_list which = draw(w, 3) ? SOURCE_LIST_DENY : SOURCE_LIST_ALLOW;
	struct prefix *list = which == SOURCE_LIST_ALLOW ? l->allow : l->deny;
	size_t *n = which == SOURCE_LIST_ALLOW ? &l->n_allow : &l->n_deny, at;
	struct prefix p = *n && draw(w, 2) ? list[draw(w, (uint32_t)*n)] : random_prefix(w);
	bool there = has(list, *n, &p, &at);

	if (*n < LIST_MAX && draw(w, 2)) {
		assert_int_equal(source_table_add(w->t, which, &p), 0);
		if (!there)
			list[(*n)++] = p;
	} else {
		assert_int_equal(source_table_del(w->t, which, &p), there ? 0 : -ENOENT);
		while (has(list, *n, &p, &at))
			list[at] = list[--*n];
	}
	return p;
}

static void one_prefix_more_or_less_is_in_force_at_once(void **state)
{
	struct world *w = world_open(4096);
	struct source_counts counts;
	struct lists l;
	int i, k;

	(void)state;
	for (i = rounds(40); i > 0; i--) {
		random_lists(w, &l);
		apply(w, &l);
		for (k = 0; k < 20; k++) {
			struct prefix p = change_one(w, &l);

			check_at(w, &l, &p);
		}
		check(w, &l);
		source_table_counts(w->t, &counts);
		assert_int_equal(count_entries(w->maps.v6_fd), counts.v6);
		assert_true(count_entries(w->maps.split_fd) >= counts.split);
	}
	world_close(w);
}

static void a_restart_keeps_the_tables_until_all_lists_are_applied(void **state)
{
	struct world *w = world_open(4096);
	struct errmsg err;
	struct lists l, next;
	int i;

	(void)state;
	for (i = rounds(15); i > 0; i--) {
		struct prefix p;

		random_lists(w, &l);
		l.deny[0] = prefix_of("10.0.0.7/32");
		l.n_deny += l.n_deny == 0;
		apply(w, &l);
		for (p = change_one(w, &l); draw(w, 4); p = change_one(w, &l))
			;
		reopen(w);
		vary_lists(w, &l, &next);
		assert_int_equal(source_table_set_groups(w->t, next.group, next.n_groups), 0);
		assert_int_equal(source_table_apply(w->t, &err), 0);
		assert_int_equal(
			source_table_set(w->t, SOURCE_LIST_ALLOW, next.allow, next.n_allow), 0);
		assert_int_equal(source_table_apply(w->t, &err), 0);
		for (size_t k = 0; k < l.n_deny; k++)
			assert_int_equal(look_up(w, &l.deny[k].addr), naive(&l, &l.deny[k].addr));
		assert_int_equal(look_up(w, &p.addr), naive(&l, &p.addr));
		apply(w, &next);
		check(w, &next);
	}
	world_close(w);
}

static void what_is_no_source_is_refused(void **state)
{
	struct prefix narrow = prefix_of("2001:db8::1/128"), wide = prefix_of("2001:db8::/64");
	struct source_group_prefix group = { wide, SOURCE_GROUP_MAX };
	struct addr a = addr_of("2001:db8::77"), other = addr_of("2001:db8:0:1::");
	struct world *w = world_open(16);

	(void)state;
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &narrow), -EINVAL);
	assert_int_equal(source_table_del(w->t, SOURCE_LIST_DENY, &narrow), -EINVAL);
	assert_int_equal(source_table_del(w->t, SOURCE_LIST_DENY, &wide), -ENOENT);
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &wide), 0);
	assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, &narrow, 1), -EINVAL);
	assert_int_equal(source_table_set_groups(w->t, &group, 1), 0);
	group.group = SOURCE_GROUP_MAX + 1;
	assert_int_equal(source_table_set_groups(w->t, &group, 1), -EINVAL);
	assert_int_equal(source_table_apply(w->t, NULL), 0);
	assert_int_equal(look_up(w, &a), SOURCE_DENY);
	assert_int_equal(look_up(w, &other), SOURCE_NONE);
	assert_int_equal(source_table_del(w->t, SOURCE_LIST_DENY, &wide), 0);
	assert_int_equal(look_up(w, &a), SOURCE_GROUP_MAX);
	world_close(w);
}

static void v6_of_any_length_matches_no_v4(void **state)
{
	struct prefix all = prefix_of("::/0"), half = prefix_of("::/1");
	struct addr v4 = addr_of("10.1.2.3"), v6 = addr_of("2001:db8::1");
	struct world *w = world_open(16);

	(void)state;
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &half), 0);
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &all), 0);
	assert_int_equal(look_up(w, &v4), SOURCE_NONE);
	assert_int_equal(look_up(w, &v6), SOURCE_DENY);
	all = prefix_of("0.0.0.0/0");
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_ALLOW, &all), 0);
	assert_int_equal(look_up(w, &v4), SOURCE_ALLOW);
	assert_int_equal(look_up(w, &v6), SOURCE_DENY);
	world_close(w);
}

struct sum {
	size_t n;
	uint32_t marks;
};

static int add_up(const struct prefix *p, uint8_t mark, void *ctx)
{
	struct sum *s = ctx;

	assert_true(p->len_bits == 96 + 25 || p->len_bits == 48);
	s->n++;
	s->marks += mark;
	return 0;
}

static void marks_stay_with_their_prefixes(void **state)
{
	struct prefix both[] = { prefix_of("2001:db8::/48"), prefix_of("10.0.0.128/25") };
	struct world *w = world_open(16);
	struct sum s = { 0 };

	(void)state;
	assert_int_equal(source_table_set(w->t, SOURCE_LIST_ALLOW, both, 2), 0);
	assert_int_equal(source_table_mark(w->t, SOURCE_LIST_ALLOW, &both[0], 7), 0);
	assert_int_equal(source_table_mark(w->t, SOURCE_LIST_DENY, &both[0], 7), -ENOENT);
	assert_int_equal(source_table_each(w->t, SOURCE_LIST_ALLOW, add_up, &s), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.marks, 7);
	assert_int_equal(source_table_answer(w->t, &both[1].addr), SOURCE_ALLOW);
	world_close(w);
}

/* Eight /32s in eight /24s, and eight /64s: as many as there is room for. */
static size_t full_list(struct prefix *list)
{
	size_t i;

	for (i = 0; i < 8; i++) {
		list[i] = prefix_of("10.0.0.1/32");
		list[i].addr.b[14] = (uint8_t)i;
		list[8 + i] = prefix_of("2001:db8::/64");
		list[8 + i].addr.b[7] = (uint8_t)i;
	}
	return 16;
}

static void a_full_map_leaves_everything_as_it_was(void **state)
{
	static const char *const more[] = { "10.9.9.9/32", "2001:db8:9::/64" };
	struct world *w = world_open(8);
	struct prefix list[18];
	struct errmsg err;
	size_t n = full_list(list), i, k;

	(void)state;
	assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n), 0);
	assert_int_equal(source_table_apply(w->t, &err), 0);
	for (i = 0; i < 2; i++) {
		list[n] = prefix_of(more[i]);
		list[n + 1] = prefix_of("10.7.0.0/16"); /* has room; must not come alone */
		assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &list[n]), -ENOSPC);
		assert_int_equal(source_table_answer(w->t, &list[n].addr), SOURCE_NONE);
		assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n + 2), 0);
		assert_int_equal(source_table_apply(w->t, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "dataplane.max_acl"));
		for (k = 0; k < n + 2; k++)
			assert_int_equal(look_up(w, &list[k].addr),
					 k < n ? SOURCE_DENY : SOURCE_NONE);
		assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n), 0);
		assert_int_equal(source_table_apply(w->t, &err), 0);
	}
	/* Wider prefixes in their place need no entry; then there is room again. */
	assert_int_equal(source_table_del(w->t, SOURCE_LIST_DENY, &list[0]), 0);
	list[n] = prefix_of(more[0]);
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &list[n]), 0);
	assert_int_equal(look_up(w, &list[n].addr), SOURCE_DENY);
	world_close(w);
}

/* Look-ups all the time, while lists change from one to the other and back. */
struct reader {
	struct world *w;
	const struct lists *is[2];
	struct addr *probes;
	size_t n;
	bool stop;
	uint64_t looked;
	size_t wrong;
	struct addr wrong_addr;
	uint8_t wrong_answer;
};

static void *read_on(void *ctx)
{
	struct reader *r = ctx;
	size_t i;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < r->n; i++) {
			uint64_t since = clock_now_ns();
			uint8_t found = look_up(r->w, &r->probes[i]);

			if (clock_now_ns() - since > TORN_NS)
				continue;
			r->looked++;
			if (found == naive(r->is[0], &r->probes[i]) ||
			    found == naive(r->is[1], &r->probes[i]))
				continue;
			r->wrong++;
			r->wrong_addr = r->probes[i];
			r->wrong_answer = found;
		}
	}
	return NULL;
}

static void collect_probes(struct reader *r)
{
	size_t i, k;

	for (k = 0; k < 2; k++) {
		const struct lists *l = r->is[k];

		for (i = 0; i < l->n_allow; i++)
			r->probes[r->n++] = probe(r->w, &l->allow[i], 4);
		for (i = 0; i < l->n_deny; i++)
			r->probes[r->n++] = probe(r->w, &l->deny[i], 4);
		for (i = 0; i < l->n_groups; i++)
			r->probes[r->n++] = probe(r->w, &l->group[i].prefix, 4);
	}
}

static void swap_under_reader(struct world *w, int swaps)
{
	struct addr probes[6 * LIST_MAX];
	char text[ADDR_TEXT_MAX];
	struct lists a, b;
	struct reader r = { .w = w, .is = { &a, &b }, .probes = probes };
	pthread_t thread;
	int i;

	random_lists(w, &a);
	vary_lists(w, &a, &b);
	apply(w, &a);
	collect_probes(&r);
	assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
	for (i = 0; i < swaps; i++)
		apply(w, i % 2 ? &a : &b);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(!r.n || r.looked > 0);
	if (r.wrong)
		fail_msg("%zu of %lu look-ups; %s: the lists say %u and %u, a look-up %u", r.wrong,
			 (unsigned long)r.looked, addr_format(&r.wrong_addr, text),
			 naive(&a, &r.wrong_addr), naive(&b, &r.wrong_addr), r.wrong_answer);
}

static void a_look_up_meets_the_old_or_the_new_answer(void **state)
{
	struct world *w = world_open(4096);
	int i;

	(void)state;
	for (i = rounds(15); i > 0; i--)
		swap_under_reader(w, 6);
	world_close(w);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Half IPv4 of /16 to /32, half IPv6 of /32 to /64. */
static struct prefix large_prefix(struct world *w, size_t i)
{
	struct prefix p = { .len_bits = 32 + draw(w, 33) };
	int k;

	if (i % 2) {
		p.addr = addr_of("0.0.0.0");
		p.len_bits = 96 + 16 + draw(w, 17);
		for (k = 12; k < 16; k++)
			p.addr.b[k] = (uint8_t)draw(w, 256);
	} else {
		for (k = 0; k < 8; k++)
			p.addr.b[k] = (uint8_t)(draw(w, 256));
		p.addr.b[0] = 0x20 | (p.addr.b[0] & 0x0f);
	}
	p.addr = addr_mask(&p.addr, p.len_bits);
	return p;
}

static double load_large(struct world *w, const struct prefix *list)
{
	uint64_t since = cpu_ns();
	struct errmsg err;

	assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, LARGE), 0);
	assert_int_equal(source_table_apply(w->t, &err), 0);
	return (double)(cpu_ns() - since) / 1e9;
}

static double change_large(struct world *w)
{
	double worst = 0;
	int i;

	for (i = 0; i < 100; i++) {
		struct prefix p = large_prefix(w, (size_t)i);
		uint64_t since = cpu_ns();
		double took;

		assert_int_equal(source_table_add(w->t, SOURCE_LIST_ALLOW, &p), 0);
		assert_int_equal(look_up(w, &p.addr), SOURCE_ALLOW);
		assert_int_equal(source_table_del(w->t, SOURCE_LIST_ALLOW, &p), 0);
		took = (double)(cpu_ns() - since) / 2e9;
		worst = took > worst ? took : worst;
	}
	return worst;
}

static void a_million_prefixes_are_loaded_and_changed_in_time(void **state)
{
	struct prefix *list = calloc(LARGE, sizeof(*list));
	struct world *w = world_open(LARGE);
	struct source_counts counts;
	double cold, again, part, one;
	size_t i;

	(void)state;
	assert_non_null(list);
	for (i = 0; i < LARGE; i++)
		list[i] = large_prefix(w, i);
	cold = load_large(w, list);
	again = load_large(w, list);
	for (i = 0; i < LARGE; i += 100)
		list[i] = large_prefix(w, i / 100);
	part = load_large(w, list);
	one = change_large(w);
	source_table_counts(w->t, &counts);
	print_message(
		"%zu prefixes: %.3f s cold, %.3f s unchanged, %.3f s for 1 %%, %.2f ms for one; "
		"%zu split /24s, %zu of IPv6, lists %zu MiB\n",
		counts.deny, cold, again, part, one * 1e3, counts.split, counts.v6,
		counts.memory_bytes >> 20);
	for (i = 0; i < LARGE; i += 37)
		assert_int_equal(look_up(w, &list[i].addr), SOURCE_DENY);
	/* five times what it is to take: this machine may have other work */
	assert_true(cold < 5 * 1.5);
	assert_true(part < 5 * 0.3);
	assert_true(one < 5 * 0.005);
	world_close(w);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_applied_is_what_the_lists_say),
		cmocka_unit_test(one_prefix_more_or_less_is_in_force_at_once),
		cmocka_unit_test(a_restart_keeps_the_tables_until_all_lists_are_applied),
		cmocka_unit_test(what_is_no_source_is_refused),
		cmocka_unit_test(v6_of_any_length_matches_no_v4),
		cmocka_unit_test(marks_stay_with_their_prefixes),
		cmocka_unit_test(a_full_map_leaves_everything_as_it_was),
		cmocka_unit_test(a_look_up_meets_the_old_or_the_new_answer),
		cmocka_unit_test(a_million_prefixes_are_loaded_and_changed_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
