/* SPDX-License-Identifier: BSD-2-Clause */
/* The judge as a table of stories: refusals at given times, and what comes of each. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/bystander.h"
#include "agent/judge.h"
#include "base/addr.h"
#include "base/clock.h"

#define STEPS_MAX 16
#define NOTHING	  -1 /* no ruling */
#define START_NS  (1000000ULL * NS_PER_MS)

enum { ALICE = 11, BOB = 12 };

/* What the judge asks, as the story has it, and the last thing that it said. */
static struct world {
	enum judge_presence presence;
	bool allowed;
	int set_error;
	uint32_t asked_consumer;
	size_t n_set;
	struct prefix set_source;
	uint64_t until_ns;
	struct judge_ruling last;
	size_t n_rulings;
} world;

static bool fake_allowed(const struct addr *source, void *ctx)
{
	(void)source;
	(void)ctx;
	return world.allowed;
}

static enum judge_presence fake_present(const struct addr *source, uint32_t consumer,
					uint64_t nat_memory_ms, uint64_t now_ns,
					struct judge_bystander *ret, void *ctx)
{
	(void)source;
	(void)now_ns;
	(void)ctx;
	assert_int_equal(nat_memory_ms, 600000);
	world.asked_consumer = consumer;
	*ret = (struct judge_bystander) { BOB, 3 };
	return world.presence;
}

static int fake_set(const struct prefix *source, enum verdict_action action,
		    enum verdict_reason reason, uint64_t until_ns, void *ctx)
{
	(void)action;
	(void)reason;
	(void)ctx;
	world.n_set++;
	world.set_source = *source;
	world.until_ns = until_ns;
	return world.set_error;
}

static void fake_ruling(const struct judge_ruling *r, void *ctx)
{
	(void)ctx;
	world.last = *r;
	world.n_rulings++;
}

static struct conf_pushdown_step ladder[] = {
	{ VERDICT_DROP_NEW, 10000 },
	{ VERDICT_DROP, 60000 },
};

static struct conf_pushdown base_conf(void)
{
	return (struct conf_pushdown) {
		.mode = CONF_ENFORCE,
		.refusals = 10,
		.window_ms = 8000,
		.nat_memory_ms = 600000,
		.max_per_minute = 100,
		.steps = ladder,
		.n_steps = 2,
	};
}

static struct judge *start(const struct conf_pushdown *conf)
{
	const struct judge_env env = { fake_allowed, fake_present, fake_set, fake_ruling, NULL, 1 };
	const uint64_t seed[2] = { 1, 2 };
	struct judge *j;

	memset(&world, 0, sizeof(world));
	assert_int_equal(judge_new(&env, seed, &j), 0);
	judge_configure(j, conf);
	return j;
}

static struct addr source_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

struct step {
	uint64_t at_ms;
	uint32_t count;
	int outcome; /* of the ruling that it brings, or NOTHING */
	uint32_t step;
};

struct story {
	const char *name;
	struct step steps[STEPS_MAX];
};

static const struct story stories[] = {
	{ "nine refusals in a window are forgiven", { { 0, 9, NOTHING, 0 } } },
	{ "the tenth refusal sets the first step",
	  { { 0, 9, NOTHING, 0 }, { 10, 1, JUDGE_SET, 0 } } },
	{ "ten at once set one step, twenty do not set two", { { 0, 20, JUDGE_SET, 0 } } },
	{ "refusals older than the window do not count",
	  { { 0, 9, NOTHING, 0 }, { 8100, 1, NOTHING, 0 } } },
	{ "refusals of most of a window ago still count",
	  { { 0, 9, NOTHING, 0 }, { 6900, 1, JUDGE_SET, 0 } } },
	{ "a slow trickle below the rate never adds up",
	  { { 0, 5, NOTHING, 0 },
	    { 8000, 5, NOTHING, 0 },
	    { 16000, 5, NOTHING, 0 },
	    { 24000, 5, NOTHING, 0 } } },
	{ "what was on its way when the verdict came is not held against the source",
	  { { 0, 10, JUDGE_SET, 0 }, { 50, 50, NOTHING, 0 } } },
	{ "going on under a verdict climbs",
	  { { 0, 10, JUDGE_SET, 0 }, { 500, 9, NOTHING, 0 }, { 600, 1, JUDGE_SET, 1 } } },
	{ "the ladder ends at its last step",
	  { { 0, 10, JUDGE_SET, 0 },
	    { 500, 10, JUDGE_SET, 1 },
	    { 1000, 10, JUDGE_SET, 1 },
	    { 1500, 10, JUDGE_SET, 1 } } },
	{ "coming back soon after the end climbs",
	  { { 0, 10, JUDGE_SET, 0 }, { 15000, 10, JUDGE_SET, 1 } } },
	{ "a quiet verdict's length after its end begins at the bottom again",
	  { { 0, 10, JUDGE_SET, 0 }, { 20000, 10, JUDGE_SET, 0 } } },
	{ "a quiet period takes one step, not all",
	  { { 0, 10, JUDGE_SET, 0 },
	    { 500, 10, JUDGE_SET, 1 }, /* until 60.5 s, quiet 60 s */
	    { 125000, 10, JUDGE_SET, 1 } } },
	{ "two quiet periods take two",
	  { { 0, 10, JUDGE_SET, 0 }, { 500, 10, JUDGE_SET, 1 }, { 181000, 10, JUDGE_SET, 0 } } },
};

static void judge_follows_the_stories(void **state)
{
	const struct addr source = source_of("192.0.2.7");

	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		const struct conf_pushdown conf = base_conf();
		struct judge *j = start(&conf);

		print_message("%s\n", stories[i].name);
		for (size_t k = 0; k < STEPS_MAX && stories[i].steps[k].count; k++) {
			const struct step *s = &stories[i].steps[k];
			size_t before = world.n_rulings;

			judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, s->count,
				      START_NS + s->at_ms * NS_PER_MS);
			assert_int_equal(world.n_rulings - before, s->outcome != NOTHING);
			if (s->outcome == NOTHING)
				continue;
			assert_int_equal(world.last.outcome, s->outcome);
			assert_int_equal(world.last.step, s->step);
			assert_int_equal(world.last.action, ladder[s->step].action);
		}
		judge_free(j);
	}
}

static void a_higher_step_never_ends_earlier(void **state)
{
	struct conf_pushdown_step falling[] = { { VERDICT_DROP_NEW, 60000 },
						{ VERDICT_DROP, 1000 } };
	struct conf_pushdown conf = base_conf();
	const struct addr source = source_of("192.0.2.7");
	struct judge *j;

	(void)state;
	conf.steps = falling;
	j = start(&conf);
	judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10, START_NS);
	judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10, START_NS + 200 * NS_PER_MS);
	assert_int_equal(world.n_set, 2);
	assert_int_equal(world.until_ns, START_NS + 60000 * NS_PER_MS);
	judge_free(j);
}

struct forbid {
	const char *name;
	enum judge_presence presence;
	bool allowed;
	int set_error;
	const char *trusted;
	enum conf_mode mode;
	enum judge_outcome outcome;
	size_t n_set;
};

static const struct forbid forbids[] = {
	{ "nobody else there", JUDGE_ALONE, false, 0, NULL, CONF_ENFORCE, JUDGE_SET, 1 },
	{ "another consumer there", JUDGE_NOT_ALONE, false, 0, NULL, CONF_ENFORCE, JUDGE_BYSTANDER,
	  0 },
	{ "who was there is forgotten", JUDGE_UNKNOWN, false, 0, NULL, CONF_ENFORCE,
	  JUDGE_UNCERTAIN, 0 },
	{ "an allow prefix", JUDGE_ALONE, true, 0, NULL, CONF_ENFORCE, JUDGE_ALLOWED, 0 },
	{ "a trusted prefix", JUDGE_ALONE, false, 0, "192.0.2.0/24", CONF_ENFORCE, JUDGE_TRUSTED,
	  0 },
	{ "another trusted prefix", JUDGE_ALONE, false, 0, "192.0.3.0/24", CONF_ENFORCE, JUDGE_SET,
	  1 },
	{ "an operator's verdict", JUDGE_ALONE, false, -EEXIST, NULL, CONF_ENFORCE, JUDGE_OPERATOR,
	  1 },
	{ "a full map", JUDGE_ALONE, false, -ENOSPC, NULL, CONF_ENFORCE, JUDGE_FULL, 1 },
	{ "a map that is not there", JUDGE_ALONE, false, -ENOENT, NULL, CONF_ENFORCE, JUDGE_FAILED,
	  1 },
	{ "mode shadow", JUDGE_ALONE, false, 0, NULL, CONF_SHADOW, JUDGE_SHADOWED, 0 },
	{ "mode shadow with another consumer", JUDGE_NOT_ALONE, false, 0, NULL, CONF_SHADOW,
	  JUDGE_BYSTANDER, 0 },
};

static void what_forbids_a_verdict(void **state)
{
	const struct addr source = source_of("192.0.2.7");

	(void)state;
	for (size_t i = 0; i < sizeof(forbids) / sizeof(forbids[0]); i++) {
		const struct forbid *f = &forbids[i];
		struct conf_pushdown conf = base_conf();
		struct prefix trusted;
		struct judge *j;

		print_message("%s\n", f->name);
		conf.mode = f->mode;
		if (f->trusted) {
			assert_int_equal(prefix_parse(f->trusted, &trusted), 0);
			conf.trusted = &trusted;
			conf.n_trusted = 1;
		}
		j = start(&conf);
		world.presence = f->presence;
		world.allowed = f->allowed;
		world.set_error = f->set_error;
		judge_refused(j, 0, &source, ALICE, VERDICT_REASON_AUTH, 10, START_NS);
		assert_int_equal(world.n_rulings, 1);
		assert_int_equal(world.last.outcome, f->outcome);
		assert_int_equal(world.last.reason, VERDICT_REASON_AUTH);
		assert_int_equal(world.n_set, f->n_set);
		assert_int_equal(judge_outcomes(j, f->outcome), 1);
		judge_free(j);
	}
}

static void withheld_does_not_climb_and_is_said_once_a_window(void **state)
{
	const struct conf_pushdown conf = base_conf();
	const struct addr source = source_of("192.0.2.7");
	struct judge *j = start(&conf);

	(void)state;
	world.presence = JUDGE_NOT_ALONE;
	for (uint64_t i = 0; i < 5; i++)
		judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10,
			      START_NS + i * 1000 * NS_PER_MS);
	assert_int_equal(world.n_rulings, 1);
	assert_int_equal(judge_outcomes(j, JUDGE_BYSTANDER), 5);
	judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10, START_NS + 8000 * NS_PER_MS);
	assert_int_equal(world.n_rulings, 2);
	world.presence = JUDGE_ALONE;
	judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10, START_NS + 9000 * NS_PER_MS);
	assert_int_equal(world.last.outcome, JUDGE_SET);
	assert_int_equal(world.last.step, 0);
	judge_free(j);
}

static void mode_off_counts_nothing(void **state)
{
	struct conf_pushdown conf = base_conf();
	const struct addr source = source_of("192.0.2.7");
	struct judge *j;

	(void)state;
	conf.mode = CONF_OFF;
	j = start(&conf);
	judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 1000, START_NS);
	assert_int_equal(world.n_rulings, 0);
	assert_int_equal(judge_sources(j), 0);
	judge_free(j);
}

static void the_consumer_asked_about_is_the_refused_one(void **state)
{
	static const struct {
		const char *name;
		uint32_t first, second, asked;
	} rows[] = {
		{ "one consumer", ALICE, ALICE, ALICE },
		{ "a key that is not known, then a consumer", 0, ALICE, ALICE },
		{ "a consumer, then a key that is not known", ALICE, 0, ALICE },
		{ "two consumers are each other's bystanders", ALICE, BOB, 0 },
		{ "nobody known", 0, 0, 0 },
	};
	const struct addr source = source_of("192.0.2.7");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct conf_pushdown conf = base_conf();
		struct judge *j = start(&conf);

		print_message("%s\n", rows[i].name);
		world.asked_consumer = UINT32_MAX;
		judge_refused(j, 0, &source, rows[i].first, VERDICT_REASON_LIMIT, 5, START_NS);
		judge_refused(j, 0, &source, rows[i].second, VERDICT_REASON_LIMIT, 5, START_NS + 1);
		assert_int_equal(world.asked_consumer, rows[i].asked);
		judge_free(j);
	}
}

static void units_are_the_address_and_the_64(void **state)
{
	const struct conf_pushdown conf = base_conf();
	const struct addr a = source_of("2001:db8:1:2::a"), b = source_of("2001:db8:1:2::b"),
			  v4 = source_of("192.0.2.7");
	struct judge *j = start(&conf);
	char text[ADDR_TEXT_MAX];

	(void)state;
	judge_refused(j, 0, &a, ALICE, VERDICT_REASON_LIMIT, 5, START_NS);
	judge_refused(j, 0, &b, ALICE, VERDICT_REASON_LIMIT, 5, START_NS);
	assert_string_equal(prefix_format(&world.set_source, text), "2001:db8:1:2::/64");
	judge_refused(j, 0, &v4, ALICE, VERDICT_REASON_LIMIT, 10, START_NS);
	assert_string_equal(prefix_format(&world.set_source, text), "192.0.2.7/32");
	judge_free(j);
}

static void budget_holds_in_every_minute(void **state)
{
	struct conf_pushdown conf = base_conf();
	uint64_t set_ns[64];
	size_t n = 0;
	struct judge *j;

	(void)state;
	conf.max_per_minute = 5;
	j = start(&conf);
	for (uint32_t i = 0; i < 400; i++) { /* a new source every half second */
		struct addr source = source_of("198.51.100.0");
		uint64_t now_ns = START_NS + i * 500 * NS_PER_MS;

		source.b[14] = (uint8_t)(i >> 8);
		source.b[15] = (uint8_t)i;
		judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10, now_ns);
		assert_int_equal(world.n_rulings, i + 1);
		if (world.last.outcome == JUDGE_SET)
			set_ns[n++] = now_ns;
		else
			assert_int_equal(world.last.outcome, JUDGE_BUDGET);
	}
	assert_true(n >= 15 && n <= 20); /* 200 s */
	for (size_t i = 5; i < n; i++)
		assert_true(set_ns[i] - set_ns[i - 5] >= 60 * NS_PER_S);
	judge_free(j);
}

static void one_worker_of_several_has_half_of_the_budget(void **state)
{
	struct conf_pushdown conf = base_conf();
	const struct judge_env env = { fake_allowed, fake_present, fake_set, fake_ruling, NULL, 2 };
	const uint64_t seed[2] = { 1, 2 };
	struct judge *j;

	(void)state;
	conf.max_per_minute = 10;
	memset(&world, 0, sizeof(world));
	assert_int_equal(judge_new(&env, seed, &j), 0);
	judge_configure(j, &conf);
	for (uint32_t i = 0; i < 20; i++) { /* worker 1 reports all that it can think of */
		struct addr source = source_of("198.51.100.0");

		source.b[15] = (uint8_t)i;
		judge_refused(j, 1, &source, ALICE, VERDICT_REASON_LIMIT, 10, START_NS);
		assert_int_equal(world.last.outcome, i < 5 ? JUDGE_SET : JUDGE_SHARE);
	}
	for (uint32_t i = 0; i < 6; i++) {
		struct addr source = source_of("203.0.113.0");

		source.b[15] = (uint8_t)i;
		judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10, START_NS);
		assert_int_equal(world.last.outcome, i < 5 ? JUDGE_SET : JUDGE_BUDGET);
	}
	judge_refused(j, JUDGE_WORKERS_MAX, &(struct addr) { 0 }, ALICE, VERDICT_REASON_LIMIT, 10,
		      START_NS + 61 * NS_PER_S); /* no such worker */
	assert_int_equal(world.n_set, 10);
	judge_free(j);
}

static void the_table_has_an_end(void **state)
{
	const struct conf_pushdown conf = base_conf();
	struct judge *j = start(&conf);
	struct addr source = source_of("10.0.0.0");

	(void)state;
	for (uint32_t i = 0; i < 4 * JUDGE_SOURCES_MAX; i++) {
		source.b[13] = (uint8_t)(i >> 16);
		source.b[14] = (uint8_t)(i >> 8);
		source.b[15] = (uint8_t)i;
		judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 1, START_NS + i);
	}
	assert_true(judge_sources(j) <= JUDGE_SOURCES_MAX);
	assert_true(judge_evicted(j) >= 3 * (uint64_t)JUDGE_SOURCES_MAX);
	assert_int_equal(world.n_rulings, 0);
	judge_free(j);
}

static void a_running_verdict_is_not_evicted_by_a_crowd(void **state)
{
	const struct conf_pushdown conf = base_conf();
	const struct addr culprit = source_of("192.0.2.7");
	struct addr source = source_of("10.0.0.0");
	struct judge *j = start(&conf);

	(void)state;
	judge_refused(j, 0, &culprit, ALICE, VERDICT_REASON_LIMIT, 10, START_NS);
	for (uint32_t i = 0; i < 4 * JUDGE_SOURCES_MAX; i++) {
		source.b[13] = (uint8_t)(i >> 16);
		source.b[14] = (uint8_t)(i >> 8);
		source.b[15] = (uint8_t)i;
		judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 1,
			      START_NS + NS_PER_S + i);
	}
	judge_refused(j, 0, &culprit, ALICE, VERDICT_REASON_LIMIT, 10, START_NS + 2 * NS_PER_S);
	assert_int_equal(world.last.step, 1);
	judge_free(j);
}

static void a_reload_keeps_the_ladder(void **state)
{
	const struct conf_pushdown conf = base_conf();
	struct conf_pushdown lower = base_conf();
	const struct addr source = source_of("192.0.2.7");
	struct judge *j = start(&conf);

	(void)state;
	judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 10, START_NS);
	lower.refusals = 3;
	judge_configure(j, &lower);
	judge_refused(j, 0, &source, ALICE, VERDICT_REASON_LIMIT, 3, START_NS + NS_PER_S);
	assert_int_equal(world.last.step, 1);
	judge_free(j);
}

/* bystander.c: the regions that workers write */

struct witness {
	const char *name;
	const char *source;
	uint32_t consumer, seen_s, evicted_s;
	enum judge_presence answer;
};

#define NOW_S 10000U

static const struct witness witnesses[] = {
	{ "nobody", NULL, 0, 0, 0, JUDGE_ALONE },
	{ "the refused one itself", "192.0.2.7", ALICE, NOW_S - 1, 0, JUDGE_ALONE },
	{ "another one, a moment ago", "192.0.2.7", BOB, NOW_S, 0, JUDGE_NOT_ALONE },
	{ "another one, just within nat_memory", "192.0.2.7", BOB, NOW_S - 600, 0,
	  JUDGE_NOT_ALONE },
	{ "another one, long ago", "192.0.2.7", BOB, NOW_S - 602, 0, JUDGE_ALONE },
	{ "another one elsewhere", "192.0.2.8", BOB, NOW_S, 0, JUDGE_ALONE },
	{ "a stamp set since the clock was read", "192.0.2.7", BOB, NOW_S + 1, 0, JUDGE_NOT_ALONE },
	{ "a stamp from far ahead is a lie", "192.0.2.7", BOB, NOW_S + 5, 0, JUDGE_ALONE },
	{ "an eviction from far ahead is one, too", NULL, 0, 0, NOW_S + 5, JUDGE_ALONE },
	{ "something was forgotten of late", NULL, 0, 0, NOW_S - 10, JUDGE_UNKNOWN },
	{ "something was forgotten long ago", NULL, 0, 0, NOW_S - 700, JUDGE_ALONE },
	{ "forgotten, and another one there", "192.0.2.7", BOB, NOW_S - 30, NOW_S - 10,
	  JUDGE_NOT_ALONE },
};

static void bystanders_are_found_in_any_region(void **state)
{
	const struct addr source = source_of("192.0.2.7");

	(void)state;
	for (size_t i = 0; i < sizeof(witnesses) / sizeof(witnesses[0]); i++) {
		for (size_t at = 0; at < 3; at++) {
			const struct witness *w = &witnesses[i];
			struct presence_region *regions = calloc(3, sizeof(*regions));
			const struct presence_region *const pointers[] = { &regions[0], &regions[1],
									   &regions[2] };
			struct judge_bystander found = { 0 };

			assert_non_null(regions);
			print_message("%s, region %zu\n", w->name, at);
			regions[at].evicted_s = w->evicted_s;
			if (w->source)
				regions[at].entry[PRESENCE_SETS - 1 - at][PRESENCE_WAYS - 1] =
					(struct presence_entry) { source_of(w->source), w->consumer,
								  w->seen_s };
			assert_int_equal(bystander_find(pointers, 3, &source, ALICE, 600000,
							NOW_S * NS_PER_S, &found),
					 w->answer);
			if (w->answer == JUDGE_NOT_ALONE)
				assert_int_equal(found.consumer, BOB);
			assert_int_equal(bystander_regions(pointers, 3),
					 w->source || w->evicted_s ? at + 1 : 0);
			free(regions);
		}
	}
}

static void any_consumer_shields_where_none_is_named(void **state)
{
	const struct addr source = source_of("192.0.2.7");
	struct presence_region *region = calloc(1, sizeof(*region));
	const struct presence_region *one = region;
	struct judge_bystander found = { 0 };

	(void)state;
	assert_non_null(region);
	region->entry[7][3] = (struct presence_entry) { source, ALICE, NOW_S - 9 };
	assert_int_equal(bystander_find(&one, 1, &source, 0, 600000, NOW_S * NS_PER_S, &found),
			 JUDGE_NOT_ALONE);
	assert_int_equal(found.seconds_ago, 9);
	free(region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judge_follows_the_stories),
		cmocka_unit_test(a_higher_step_never_ends_earlier),
		cmocka_unit_test(what_forbids_a_verdict),
		cmocka_unit_test(withheld_does_not_climb_and_is_said_once_a_window),
		cmocka_unit_test(mode_off_counts_nothing),
		cmocka_unit_test(the_consumer_asked_about_is_the_refused_one),
		cmocka_unit_test(units_are_the_address_and_the_64),
		cmocka_unit_test(budget_holds_in_every_minute),
		cmocka_unit_test(one_worker_of_several_has_half_of_the_budget),
		cmocka_unit_test(the_table_has_an_end),
		cmocka_unit_test(a_running_verdict_is_not_evicted_by_a_crowd),
		cmocka_unit_test(a_reload_keeps_the_ladder),
		cmocka_unit_test(bystanders_are_found_in_any_region),
		cmocka_unit_test(any_consumer_shields_where_none_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
