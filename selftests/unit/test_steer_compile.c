/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled `steer` against cases, and against a reading of the rules one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "conf/steer_compile.h"
#include "conf_fixture.h"

#define NOTHING	 (-1)
#define ROUNDS	 400
#define PROBES	 200
#define ROWS_MAX 12

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void no_fault(const struct steer_fault *f, void *ctx)
{
	(void)ctx;
	fail_msg("fault %d of listener %zu, row %zu", f->kind, f->listener, f->row);
}

static void count_fault(const struct steer_fault *f, void *ctx)
{
	(void)f;
	++*(int *)ctx;
}

/* What the kernel does with a set of records: bpf/stage/steer.h. */
static int look_up(const struct steer_entry *e, size_t n, const struct addr *a, uint16_t port)
{
	const struct steer_entry *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (prefix_contains(&e[i].prefix, a) &&
		    (!best || e[i].prefix.len_bits > best->prefix.len_bits))
			best = &e[i];
	for (uint32_t k = 0; best && k < best->record.n; k++) {
		const struct steer_range *r = &best->record.range[k];

		if (port >= r->first && port <= r->last)
			return r->listener == STEER_NOBODY ? NOTHING : r->listener;
	}
	return NOTHING;
}

struct want {
	const char *address;
	uint16_t port;
	int listener;
};

static void expect(const char *yaml, const struct want *want, size_t n)
{
	struct conf *conf = conf_fixture(yaml);
	struct steer_compiled c;

	assert_int_equal(steer_compile(conf, &c, no_fault, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		struct addr a = addr(want[i].address);
		int got = look_up(c.entry, c.n, &a, want[i].port);

		if (got != want[i].listener)
			fail_msg("%s port %u is of %d, not %d, in:\n%s", want[i].address,
				 want[i].port, got, want[i].listener, yaml);
	}
	for (size_t i = 0; i < c.n; i++) /* in order, and apart */
		for (uint32_t k = 1; k < c.entry[i].record.n; k++)
			assert_true(c.entry[i].record.range[k].first >
				    c.entry[i].record.range[k - 1].last);
	steer_compiled_clear(&c);
	conf_free(conf);
}

#define HEAD "dataplane: {enabled: true}\nlisteners:\n"
#define EXPECT(yaml, ...)                                        \
	expect(HEAD yaml, (const struct want[]) { __VA_ARGS__ }, \
	       sizeof((const struct want[]) { __VA_ARGS__ }) / sizeof(struct want))

static void test_the_longest_prefix_wins_and_then_the_narrowest_range(void **state)
{
	(void)state;
	EXPECT("- {name: a, address: 127.0.0.1, port: 1, steer: [{prefix: 10.0.0.0/8, ports: 1000-1999},"
	       " {prefix: 10.0.0.0/8, ports: 1500-1599}, 10.3.0.0/16]}\n"
	       "- {name: b, address: 127.0.0.1, port: 2, steer: [{prefix: 10.1.0.0/16, ports: 1400-1550},"
	       " {prefix: 10.0.0.0/8, ports: 1510-1520}]}",
	       { "10.2.0.1", 999, NOTHING }, { "10.2.0.1", 1000, 0 }, { "10.2.0.1", 1509, 0 },
	       { "10.2.0.1", 1510, 1 }, { "10.2.0.1", 1521, 0 }, { "10.2.0.1", 2000, NOTHING },
	       { "10.1.0.1", 1399, 0 }, { "10.1.0.1", 1400, 1 }, { "10.1.0.1", 1551, 0 },
	       { "10.3.0.1", 1510, 0 }, { "10.3.0.1", 65535, 0 }, { "11.0.0.0", 1500, NOTHING });
}

static void test_what_sockets_are_bound_to_stays_with_them(void **state)
{
	(void)state;
	EXPECT("- {name: a, address: 10.0.0.1, port: 80, steer: [10.0.0.0/8, 0.0.0.0/0, 127.0.0.0/8]}\n"
	       "- {name: b, address: 10.0.0.2, port: 81}\n"
	       "- {name: c, address: 0.0.0.0, port: 82}",
	       { "10.0.0.1", 80, NOTHING }, { "10.0.0.1", 81, 0 }, { "10.0.0.2", 81, NOTHING },
	       { "10.0.0.2", 82, 0 }, { "192.0.2.1", 82, NOTHING }, { "192.0.2.1", 81, 0 },
	       { "127.0.0.1", 9901, NOTHING }, { "127.0.0.1", 9902, 0 }, { "127.0.0.2", 9901, 0 });
}

static void test_all_of_ipv6_is_none_of_ipv4(void **state)
{
	(void)state;
	EXPECT("- {name: a, address: '::1', port: 1, steer: ['::/0']}", { "2001:db8::1", 80, 0 },
	       { "192.0.2.1", 80, NOTHING });
	EXPECT("- {name: a, address: '::1', port: 1, steer: ['::/0']}\n"
	       "- {name: b, address: 127.0.0.1, port: 2, steer: [{prefix: 192.0.2.0/24, ports: 80}]}",
	       { "192.0.2.1", 80, 1 }, { "192.0.2.1", 81, NOTHING }, { "192.0.3.1", 80, NOTHING });
}

static void test_routes_are_made_for_prefixes_that_are_steered(void **state)
{
	struct conf *conf = conf_fixture(
		HEAD "- {name: a, address: 10.0.0.1, port: 80, steer: [10.0.0.0/8, 0.0.0.0/0]}");
	struct steer_compiled c;

	(void)state;
	assert_int_equal(steer_compile(conf, &c, no_fault, NULL), 0);
	assert_int_equal(c.n, 4); /* 127.0.0.1 of agent.internal is within 0.0.0.0/0 */
	for (size_t i = 0; i < c.n; i++)
		assert_int_equal(c.entry[i].record.flags & STEER_ROUTE,
				 c.entry[i].prefix.len_bits == 96 + 8 ? STEER_ROUTE : 0);
	steer_compiled_clear(&c);
	conf_free(conf);
}

/* 65 holes in the range of the prefix around it make 131 ranges. */
static void test_more_ranges_than_a_record_holds_are_refused(void **state)
{
	char yaml[8192], *at = yaml;
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	at += sprintf(at, HEAD "- {name: a, address: 127.0.0.1, port: 1, steer: [10.0.0.0/8]}\n"
			       "- {name: b, address: 127.0.0.1, port: 2, steer: [");
	for (int i = 0; i < 65; i++)
		at += sprintf(at, "{prefix: 10.1.0.0/16, ports: %d},", 2 * i + 1000);
	sprintf(at, "]}");
	assert_int_equal(conf_parse(yaml, strlen(yaml), &conf, &errors), -EINVAL);
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.error[0].text, "over 64 ranges of ports meet"));
}

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((*seed >> 33) % n);
}

struct drawn {
	struct conf conf;
	struct conf_listener listener[4];
	struct conf_steer row[4][ROWS_MAX];
};

/* Few addresses and ports, so that rules meet. Listeners are bound elsewhere. */
static void draw(struct drawn *d, uint64_t *seed)
{
	memset(d, 0, sizeof(*d));
	d->conf.listeners = d->listener;
	d->conf.n_listeners = 1 + random_below(seed, 4);
	for (size_t i = 0; i < d->conf.n_listeners; i++) {
		struct conf_listener *l = &d->listener[i];

		l->address = addr("198.51.100.1");
		l->port = (uint16_t)(i + 1);
		l->steer = d->row[i];
		l->n_steer = random_below(seed, ROWS_MAX);
		for (size_t k = 0; k < l->n_steer; k++) {
			uint32_t bits = 96 + 24 + random_below(seed, 9);
			struct addr a = addr("10.0.0.0");
			uint16_t first = (uint16_t)(1 + random_below(seed, 40));

			a.b[15] = (uint8_t)random_below(seed, 256);
			l->steer[k].prefix = (struct prefix) { bits, addr_mask(&a, bits) };
			l->steer[k].ports.first = first;
			l->steer[k].ports.last = (uint16_t)(first + random_below(seed, 20));
		}
	}
}

static int read_rules(const struct drawn *d, const struct addr *a, uint16_t port)
{
	const struct conf_steer *best = NULL;
	int who = NOTHING;

	for (size_t i = 0; i < d->conf.n_listeners; i++) {
		for (size_t k = 0; k < d->listener[i].n_steer; k++) {
			const struct conf_steer *s = &d->row[i][k];
			int wider = 0;

			if (!prefix_contains(&s->prefix, a) || port < s->ports.first ||
			    port > s->ports.last)
				continue;
			if (best)
				wider = (s->ports.last - s->ports.first) -
					(best->ports.last - best->ports.first);
			if (best && (s->prefix.len_bits < best->prefix.len_bits ||
				     (s->prefix.len_bits == best->prefix.len_bits && wider >= 0)))
				continue;
			best = s;
			who = (int)i;
		}
	}
	return who;
}

/* Rules that do not clash: drawn again until they do not. */
static void draw_compiled(struct drawn *d, uint64_t *seed, struct steer_compiled *c)
{
	int faults;

	do {
		faults = 0;
		draw(d, seed);
	} while (steer_compile(&d->conf, c, count_fault, &faults));
	assert_int_equal(faults, 0);
}

static struct addr probe(uint64_t *seed)
{
	struct addr a = addr("10.0.0.0");

	a.b[15] = (uint8_t)random_below(seed, 256);
	return a;
}

static void test_a_record_says_what_the_rules_say(void **state)
{
	uint64_t seed = 1;
	int met = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct steer_compiled c;
		struct drawn d;

		draw_compiled(&d, &seed, &c);
		for (int i = 0; i < PROBES; i++) {
			struct addr a = probe(&seed);
			uint16_t port = (uint16_t)random_below(&seed, 64);
			int want = read_rules(&d, &a, port);

			assert_int_equal(look_up(c.entry, c.n, &a, port), want);
			met += want != NOTHING;
		}
		steer_compiled_clear(&c);
	}
	assert_true(met > ROUNDS * PROBES / 20);
}

/* The trie while a reload goes on: what was there, and what is put over it. */
struct trie {
	struct steer_entry e[8 * ROWS_MAX];
	size_t n;
};

static size_t trie_find(const struct trie *t, const struct prefix *p)
{
	size_t i = 0;

	while (i < t->n && memcmp(&t->e[i].prefix, p, sizeof(*p)) != 0)
		i++;
	return i;
}

static void trie_check(const struct trie *t, const struct drawn *from, const struct drawn *to,
		       uint64_t *seed)
{
	for (int i = 0; i < 40; i++) {
		struct addr a = probe(seed);
		uint16_t port = (uint16_t)random_below(seed, 64);
		int got = look_up(t->e, t->n, &a, port);

		if (got != read_rules(from, &a, port))
			assert_int_equal(got, read_rules(to, &a, port));
	}
}

/* In the order of user/dataplane/steer_map.c. */
static void change(struct trie *t, const struct steer_compiled *to, const struct drawn *d_from,
		   const struct drawn *d_to, uint64_t *seed)
{
	for (size_t i = to->n; i-- > 0;) {
		size_t at = trie_find(t, &to->entry[i].prefix);

		t->e[at] = to->entry[i];
		t->n += at == t->n;
		trie_check(t, d_from, d_to, seed);
	}
	for (uint32_t bits = 0; bits <= 128; bits++) {
		for (size_t i = t->n; i-- > 0;) {
			bool wanted = false;

			for (size_t k = 0; k < to->n; k++)
				wanted |= memcmp(&to->entry[k].prefix, &t->e[i].prefix,
						 sizeof(struct prefix)) == 0;
			if (wanted || t->e[i].prefix.len_bits != bits)
				continue;
			t->e[i] = t->e[--t->n];
			trie_check(t, d_from, d_to, seed);
		}
	}
}

static void test_during_a_reload_all_meet_the_old_rules_or_the_new_ones(void **state)
{
	static struct trie t;
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < ROUNDS / 4; round++) {
		struct steer_compiled from, to;
		struct drawn d_from, d_to;

		draw_compiled(&d_from, &seed, &from);
		draw_compiled(&d_to, &seed, &to);
		memcpy(t.e, from.entry, from.n * sizeof(*from.entry));
		t.n = from.n;
		change(&t, &to, &d_from, &d_to, &seed);
		assert_int_equal(t.n, to.n);
		steer_compiled_clear(&from);
		steer_compiled_clear(&to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_longest_prefix_wins_and_then_the_narrowest_range),
		cmocka_unit_test(test_what_sockets_are_bound_to_stays_with_them),
		cmocka_unit_test(test_all_of_ipv6_is_none_of_ipv4),
		cmocka_unit_test(test_routes_are_made_for_prefixes_that_are_steered),
		cmocka_unit_test(test_more_ranges_than_a_record_holds_are_refused),
		cmocka_unit_test(test_a_record_says_what_the_rules_say),
		cmocka_unit_test(test_during_a_reload_all_meet_the_old_rules_or_the_new_ones),
	};

	return cmocka_run_group_tests_name("steer_compile", tests, NULL, NULL);
}
