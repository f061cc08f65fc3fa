/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of sources against a plain reading of the lists. TEST_ROUNDS=n: more random lists. */
#include "source_world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/source_feed.h"
#include "dataplane/pinned_map.h"

#define LARGE	 1000000
#define EMULATED 10 /* a part of all that: the lists are user space's, and the same on any kernel */
#define TORN_NS	 (5 * NS_PER_MS) /* a look-up that was interrupted for longer proves nothing */

static bool is_emulated(void)
{
	return getenv("SLUICE_SLOWER") != NULL;
}

static int rounds(int usual)
{
	const char *text = getenv("TEST_ROUNDS");

	if (text)
		return atoi(text);
	if (is_emulated())
		return (usual + EMULATED - 1) / EMULATED;
	return getenv("SLUICE_LONG") ? usual : (usual + 1) / 2;
}

static void reopen(struct source_world *w)
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

/* What ::/0 says is a word behind the lines. */
static uint32_t count_v6(const struct source_world *w)
{
	return count_entries(w->maps.v6_fd) + (w->v6_lines[SOURCE_V6_REST].lengths != 0);
}

static void what_is_applied_is_what_the_lists_say(void **state)
{
	static const struct source_case none;
	struct source_world *w = source_world_open(4096);
	struct source_counts counts;
	struct source_case before = none, l;
	int i;

	(void)state;
	for (i = rounds(100); i > 0; i--) {
		if (source_world_draw(w, 2))
			source_world_lists(w, &l);
		else
			source_world_vary(w, &before, &l);
		source_world_apply(w, &l);
		source_world_check(w, &l);
		source_world_check_at(w, &l, &before.deny[0]);
		source_table_counts(w->t, &counts);
		assert_int_equal(count_entries(w->maps.split_fd), counts.split);
		assert_int_equal(count_v6(w), counts.v6);
		before = l;
	}
	source_world_apply(w, &none);
	assert_int_equal(count_entries(w->maps.split_fd), 0);
	assert_int_equal(count_entries(w->maps.long_fd), 0);
	assert_int_equal(count_entries(w->maps.v6_fd), 0);
	assert_int_equal(source_world_v6_lines(w), 0);
	for (i = 0; i < (int)SOURCE_LINES * SOURCE_LINE_ANSWERS; i++)
		assert_int_equal(w->v4[i], 0);
	source_world_close(w);
}

/* Changes of single prefixes by differences of a list, beside another list that denies as well. */
static void a_feed_denies_beside_the_list(void **state)
{
	struct source_world *w = source_world_open(4096);
	struct source_case l, next;
	struct source_counts counts;
	struct source_feed *none;
	struct errmsg err;
	int i, k;

	(void)state;
	w->use_feed = true;
	for (i = rounds(60); i > 0; i--) {
		source_world_lists(w, &l);
		source_world_apply(w, &l);
		source_world_check(w, &l);
		for (k = 0; k < 5; k++) {
			/* from any split of the list to any other: by few differences and by many */
			source_world_vary(w, &l, &next);
			source_world_apply(w, &next);
			source_world_check(w, &next);
			source_world_check_at(w, &next, &l.deny[0]);
			l = next;
		}
		assert_int_equal(
			source_table_change(w->t, SOURCE_LIST_DENY, l.deny, l.n_deny, &err), 0);
		if (l.n_deny)
			l.deny[source_world_draw(w, (uint32_t)l.n_deny)] = source_world_prefix(w);
		assert_int_equal(source_feed_new(NULL, 0, &none), 0);
		source_feed_swap(none, w->t);
		source_feed_free(none);
		assert_int_equal(source_table_apply(w->t, &err), 0);
		assert_int_equal(
			source_table_change(w->t, SOURCE_LIST_DENY, l.deny, l.n_deny, &err), 0);
		source_world_check(w, &l);
		source_table_counts(w->t, &counts);
		assert_int_equal(count_v6(w), counts.v6);
	}
	source_world_close(w);
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
static struct prefix change_one(struct source_world *w, struct source_case *l)
{
	enum source_list which = source_world_draw(w, 3) ? SOURCE_LIST_DENY : SOURCE_LIST_ALLOW;
	struct prefix *list = which == SOURCE_LIST_ALLOW ? l->allow : l->deny;
	size_t *n = which == SOURCE_LIST_ALLOW ? &l->n_allow : &l->n_deny, at;
	struct prefix p = *n && source_world_draw(w, 2) ? list[source_world_draw(w, (uint32_t)*n)]
							: source_world_prefix(w);
	bool there = has(list, *n, &p, &at);

	if (*n < LIST_MAX && source_world_draw(w, 2)) {
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
	struct source_world *w = source_world_open(4096);
	struct source_counts counts;
	struct source_case l;
	int i, k;

	(void)state;
	for (i = rounds(40); i > 0; i--) {
		source_world_lists(w, &l);
		source_world_apply(w, &l);
		for (k = 0; k < 20; k++) {
			struct prefix p = change_one(w, &l);

			source_world_check_at(w, &l, &p);
		}
		source_world_check(w, &l);
		source_table_counts(w->t, &counts);
		assert_int_equal(count_v6(w), counts.v6);
		assert_true(count_entries(w->maps.split_fd) >= counts.split);
	}
	source_world_close(w);
}

static void a_restart_keeps_the_tables_until_all_lists_are_applied(void **state)
{
	struct source_world *w = source_world_open(4096);
	struct errmsg err;
	struct source_case l, next;
	int i;

	(void)state;
	for (i = rounds(15); i > 0; i--) {
		struct prefix p;

		source_world_lists(w, &l);
		l.deny[0] = source_world_prefix_of("10.0.0.7/32");
		l.n_deny += l.n_deny == 0;
		source_world_apply(w, &l);
		for (p = change_one(w, &l); source_world_draw(w, 4); p = change_one(w, &l))
			;
		reopen(w);
		source_world_vary(w, &l, &next);
		assert_int_equal(source_table_set_groups(w->t, next.group, next.n_groups), 0);
		assert_int_equal(source_table_apply(w->t, &err), 0);
		assert_int_equal(
			source_table_set(w->t, SOURCE_LIST_ALLOW, next.allow, next.n_allow), 0);
		assert_int_equal(source_table_apply(w->t, &err), 0);
		for (size_t k = 0; k < l.n_deny; k++)
			assert_int_equal(source_world_look_up(w, &l.deny[k].addr),
					 source_world_naive(&l, &l.deny[k].addr));
		assert_int_equal(source_world_look_up(w, &p.addr), source_world_naive(&l, &p.addr));
		source_world_apply(w, &next);
		source_world_check(w, &next);
	}
	source_world_close(w);
}

static void what_is_no_source_is_refused(void **state)
{
	struct prefix narrow = source_world_prefix_of("2001:db8::1/128"),
		      wide = source_world_prefix_of("2001:db8::/64");
	struct source_group_prefix group = { wide, SOURCE_GROUP_MAX };
	struct addr a = source_world_addr_of("2001:db8::77"),
		    other = source_world_addr_of("2001:db8:0:1::");
	struct source_world *w = source_world_open(16);

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
	assert_int_equal(source_world_look_up(w, &a), SOURCE_DENY);
	assert_int_equal(source_world_look_up(w, &other), SOURCE_NONE);
	assert_int_equal(source_table_del(w->t, SOURCE_LIST_DENY, &wide), 0);
	assert_int_equal(source_world_look_up(w, &a), SOURCE_GROUP_MAX);
	source_world_close(w);
}

static void v6_of_any_length_matches_no_v4(void **state)
{
	struct prefix all = source_world_prefix_of("::/0"), half = source_world_prefix_of("::/1");
	struct addr v4 = source_world_addr_of("10.1.2.3"), v6 = source_world_addr_of("2001:db8::1");
	struct source_world *w = source_world_open(16);

	(void)state;
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &half), 0);
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &all), 0);
	assert_int_equal(source_world_look_up(w, &v4), SOURCE_NONE);
	assert_int_equal(source_world_look_up(w, &v6), SOURCE_DENY);
	all = source_world_prefix_of("0.0.0.0/0");
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_ALLOW, &all), 0);
	assert_int_equal(source_world_look_up(w, &v4), SOURCE_ALLOW);
	assert_int_equal(source_world_look_up(w, &v6), SOURCE_DENY);
	source_world_close(w);
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
	struct prefix both[] = { source_world_prefix_of("2001:db8::/48"),
				 source_world_prefix_of("10.0.0.128/25") };
	struct source_world *w = source_world_open(16);
	struct sum s = { 0 };

	(void)state;
	assert_int_equal(source_table_set(w->t, SOURCE_LIST_ALLOW, both, 2), 0);
	assert_int_equal(source_table_mark(w->t, SOURCE_LIST_ALLOW, &both[0], 7), 0);
	assert_int_equal(source_table_mark(w->t, SOURCE_LIST_DENY, &both[0], 7), -ENOENT);
	assert_int_equal(source_table_each(w->t, SOURCE_LIST_ALLOW, add_up, &s), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.marks, 7);
	assert_int_equal(source_table_answer(w->t, &both[1].addr), SOURCE_ALLOW);
	source_world_close(w);
}

/* Eight /32s in eight /24s, and eight /64s: as many as there is room for. */
static size_t full_list(struct prefix *list)
{
	size_t i;

	for (i = 0; i < 8; i++) {
		list[i] = source_world_prefix_of("10.0.0.1/32");
		list[i].addr.b[14] = (uint8_t)i;
		list[8 + i] = source_world_prefix_of("2001:db8::/64");
		list[8 + i].addr.b[7] = (uint8_t)i;
	}
	return 16;
}

static void a_full_map_leaves_everything_as_it_was(void **state)
{
	static const char *const more[] = { "10.9.9.9/32", "2001:db8:9::/64" };
	struct source_world *w = source_world_open(8);
	struct prefix list[18];
	struct errmsg err;
	size_t n = full_list(list), i, k;

	(void)state;
	assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n), 0);
	assert_int_equal(source_table_apply(w->t, &err), 0);
	for (i = 0; i < 2; i++) {
		list[n] = source_world_prefix_of(more[i]);
		list[n + 1] =
			source_world_prefix_of("10.7.0.0/16"); /* has room; must not come alone */
		assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &list[n]), -ENOSPC);
		assert_int_equal(source_table_answer(w->t, &list[n].addr), SOURCE_NONE);
		assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n + 2), 0);
		assert_int_equal(source_table_apply(w->t, &err), -ENOSPC);
		assert_non_null(strstr(err.text, "dataplane.max_acl"));
		for (k = 0; k < n + 2; k++)
			assert_int_equal(source_world_look_up(w, &list[k].addr),
					 k < n ? SOURCE_DENY : SOURCE_NONE);
		assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n), 0);
		assert_int_equal(source_table_apply(w->t, &err), 0);
	}
	/* Others in the place of all of them: what goes makes room first. */
	for (k = 0; k < n; k++)
		list[k].addr.b[k < 8 ? 13 : 6] = 7;
	assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n), 0);
	assert_int_equal(source_table_apply(w->t, &err), 0);
	for (k = 0; k < n; k++)
		assert_int_equal(source_world_look_up(w, &list[k].addr), SOURCE_DENY);
	assert_int_equal(source_table_del(w->t, SOURCE_LIST_DENY, &list[0]), 0);
	list[n] = source_world_prefix_of(more[0]);
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &list[n]), 0);
	assert_int_equal(source_world_look_up(w, &list[n].addr), SOURCE_DENY);
	source_world_close(w);
}

/* Look-ups all the time, while lists change from one to the other and back. */
struct reader {
	struct source_world *w;
	const struct source_case *is[2];
	struct addr *probes;
	size_t n;
	bool stop;
	uint64_t passes; /* over all probes */
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
			uint8_t found = source_world_look_up(r->w, &r->probes[i]);

			if (clock_now_ns() - since > TORN_NS)
				continue;
			if (found == source_world_naive(r->is[0], &r->probes[i]) ||
			    found == source_world_naive(r->is[1], &r->probes[i]))
				continue;
			r->wrong++;
			r->wrong_addr = r->probes[i];
			r->wrong_answer = found;
		}
		__atomic_add_fetch(&r->passes, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void collect_probes(struct reader *r)
{
	size_t i, k;

	for (k = 0; k < 2; k++) {
		const struct source_case *l = r->is[k];

		for (i = 0; i < l->n_allow; i++)
			r->probes[r->n++] = source_world_probe(r->w, &l->allow[i], 4);
		for (i = 0; i < l->n_deny; i++)
			r->probes[r->n++] = source_world_probe(r->w, &l->deny[i], 4);
		for (i = 0; i < l->n_groups; i++)
			r->probes[r->n++] = source_world_probe(r->w, &l->group[i].prefix, 4);
	}
}

/* The lists in force have been read by at least one whole pass. */
static void await_pass(const struct reader *r)
{
	uint64_t begun = __atomic_load_n(&r->passes, __ATOMIC_ACQUIRE) + 1;
	const struct timespec moment = { .tv_nsec = 100000 };

	while (__atomic_load_n(&r->passes, __ATOMIC_ACQUIRE) <= begun)
		nanosleep(&moment, NULL);
}

static void swap_under_reader(struct source_world *w, int swaps)
{
	struct addr probes[6 * LIST_MAX];
	char text[ADDR_TEXT_MAX];
	struct source_case a, b;
	struct reader r = { .w = w, .is = { &a, &b }, .probes = probes };
	pthread_t thread;
	int i;

	source_world_lists(w, &a);
	source_world_vary(w, &a, &b);
	source_world_apply(w, &a);
	collect_probes(&r);
	assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
	for (i = 0; i < swaps; i++) {
		await_pass(&r);
		source_world_apply(w, i % 2 ? &a : &b);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	if (r.wrong)
		fail_msg("%zu look-ups; %s: the lists say %u and %u, a look-up %u", r.wrong,
			 addr_format(&r.wrong_addr, text), source_world_naive(&a, &r.wrong_addr),
			 source_world_naive(&b, &r.wrong_addr), r.wrong_answer);
}

static void a_look_up_meets_the_old_or_the_new_answer(void **state)
{
	struct source_world *w = source_world_open(4096);
	int i;

	(void)state;
	for (i = rounds(30); i > 0; i--)
		swap_under_reader(w, 6);
	source_world_close(w);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Half IPv4 of /16 to /32, half IPv6 of /32 to /64. */
static struct prefix large_prefix(struct source_world *w, size_t i)
{
	struct prefix p = { .len_bits = 32 + source_world_draw(w, 33) };
	int k;

	if (i % 2) {
		p.addr = source_world_addr_of("0.0.0.0");
		p.len_bits = 96 + 16 + source_world_draw(w, 17);
		for (k = 12; k < 16; k++)
			p.addr.b[k] = (uint8_t)source_world_draw(w, 256);
	} else {
		for (k = 0; k < 8; k++)
			p.addr.b[k] = (uint8_t)(source_world_draw(w, 256));
		p.addr.b[0] = 0x20 | (p.addr.b[0] & 0x0f);
	}
	p.addr = addr_mask(&p.addr, p.len_bits);
	return p;
}

static double load_large(struct source_world *w, const struct prefix *list, size_t n)
{
	uint64_t since = cpu_ns();
	struct errmsg err;

	assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, list, n), 0);
	assert_int_equal(source_table_apply(w->t, &err), 0);
	return (double)(cpu_ns() - since) / 1e9;
}

static double change_large(struct source_world *w)
{
	double worst = 0;
	int i;

	for (i = 0; i < 100; i++) {
		struct prefix p = large_prefix(w, (size_t)i);
		uint64_t since = cpu_ns();
		double took;

		assert_int_equal(source_table_add(w->t, SOURCE_LIST_ALLOW, &p), 0);
		assert_int_equal(source_world_look_up(w, &p.addr), SOURCE_ALLOW);
		assert_int_equal(source_table_del(w->t, SOURCE_LIST_ALLOW, &p), 0);
		took = (double)(cpu_ns() - since) / 2e9;
		worst = took > worst ? took : worst;
	}
	return worst;
}

static void a_million_prefixes_are_loaded_and_changed_in_time(void **state)
{
	const size_t n = is_emulated() ? LARGE / EMULATED : LARGE;
	struct prefix *list = calloc(n, sizeof(*list));
	struct source_world *w = source_world_open(LARGE);
	struct source_counts counts;
	double cold, again, part, one;
	size_t i;

	(void)state;
	assert_non_null(list);
	for (i = 0; i < n; i++)
		list[i] = large_prefix(w, i);
	cold = load_large(w, list, n);
	again = load_large(w, list, n);
	for (i = 0; i < n; i += 100)
		list[i] = large_prefix(w, i / 100);
	part = load_large(w, list, n);
	one = change_large(w);
	source_table_counts(w->t, &counts);
	print_message(
		"%zu prefixes: %.3f s cold, %.3f s unchanged, %.3f s for 1 %%, %.2f ms for one; "
		"%zu split /24s in %lu MiB, %zu of IPv6 in %lu MiB, lists %zu MiB\n",
		counts.deny, cold, again, part, one * 1e3, counts.split,
		(unsigned long)pinned_map_memory(w->maps.split_fd) >> 20, counts.v6,
		(unsigned long)pinned_map_memory(w->maps.v6_fd) >> 20, counts.memory_bytes >> 20);
	for (i = 0; i < n; i += 37)
		assert_int_equal(source_world_look_up(w, &list[i].addr), SOURCE_DENY);
	/* five times what it is to take: this machine may have other work */
	assert_true(cold < 5 * 1.5);
	assert_true(part < 5 * 0.3);
	assert_true(one < 5 * 0.005);
	source_world_close(w);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_applied_is_what_the_lists_say),
		cmocka_unit_test(a_feed_denies_beside_the_list),
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
