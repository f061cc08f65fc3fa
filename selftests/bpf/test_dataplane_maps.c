/* SPDX-License-Identifier: BSD-2-Clause */
/* The accessors, against the programs that read the same maps. */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/limit_rotation.h"
#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/limit_map.h"
#include "dataplane/limit_memory.h"
#include "dataplane/meter_map.h"
#include "dataplane/stats_map.h"
#include "dataplane/verdict_map.h"

struct world {
	struct lab *lab;
	struct dataplane *dp;
};

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct conf_dataplane c = lab_conf(NULL);

	assert_non_null(w);
	lab_open((void **)&w->lab);
	c.max_verdicts = 16;
	c.max_meters = 8;
	w->dp = lab_dataplane(w->lab, &c);
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;

	dataplane_close(w->dp);
	lab_close((void **)&w->lab);
	free(w);
	return 0;
}

static struct conf_limit limit(char *name, uint64_t count, uint64_t burst, struct prefix *source)
{
	return (struct conf_limit) { .name = name,
				     .sources = source,
				     .n_sources = source ? 1 : 0,
				     .rows = 256,
				     .unit[LIMIT_PACKETS] = { count, NS_PER_S, burst } };
}

/* One packet in 1,000 s: what passes in a test is burst alone. */
static struct conf_limit burst(char *name, uint64_t n, struct prefix *source)
{
	struct conf_limit l = limit(name, 1, n, source);

	l.unit[LIMIT_PACKETS].period_ns = 1000 * NS_PER_S;
	return l;
}

static int try_limits(struct world *w, struct conf_limit *limits, size_t n, struct errmsg *err)
{
	struct conf conf = { .limits = limits, .n_limits = n };

	return limit_map_apply(w->dp, &conf, err);
}

static void apply_limits(struct world *w, struct conf_limit *limits, size_t n)
{
	struct errmsg err = { 0 };

	if (try_limits(w, limits, n, &err))
		fail_msg("limit_map_apply: %s", err.text);
}

/* As an agent that starts: its lists are in force once all of them have been applied. */
static void reopen(struct world *w, uint32_t limit_rows)
{
	struct conf_dataplane c = lab_conf(NULL);
	struct conf_acl none = { 0 };
	struct errmsg err;

	dataplane_close(w->dp);
	c.limit_rows = limit_rows;
	c.max_verdicts = 16;
	c.max_meters = 8;
	w->dp = lab_dataplane(w->lab, &c);
	assert_int_equal(acl_map_apply_conf(w->dp, &none, &err), 0);
}

/* How many of n packets pass. */
static int passed_to(struct world *w, const char *src, uint8_t proto, uint16_t dport, int n)
{
	struct lab_frame f = lab_ipv4(src, "192.0.2.1", proto, 1, dport);
	int ok = 0;

	while (n--)
		ok += lab_test_run(w->lab, f.bytes, f.n) == XDP_PASS;
	return ok;
}

static int passed(struct world *w, const char *src, int n)
{
	return passed_to(w, src, 17, 2000, n);
}

static struct limit_explain explained(struct world *w, const char *src, const char *name)
{
	struct limit_explain e;
	struct addr a = lab_addr(src);

	assert_int_equal(limit_map_explain_class(w->dp, &a, limit_map_class(w->dp, name), &e), 0);
	return e;
}

static void a_change_of_rate_keeps_the_class_and_the_meter(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = burst("web", 10, &net);
	struct world *w = *state;
	struct limit_rates before, after;
	struct stats_limit stats;
	uint32_t id;

	apply_limits(w, &web, 1);
	id = limit_map_class(w->dp, "web");
	assert_int_equal(passed(w, "192.0.2.7", 20), 10);
	assert_int_equal(limit_map_rates(w->dp, id, &before), 0);
	web.unit[LIMIT_PACKETS].burst = 15;
	apply_limits(w, &web, 1);
	assert_int_equal(limit_map_class(w->dp, "web"), id);
	assert_int_equal(limit_map_rates(w->dp, id, &after), 0);
	assert_true(after.unit[0].tolerance_fp > before.unit[0].tolerance_fp);
	/* Ten are spent: the larger burst has five more. */
	assert_int_equal(explained(w, "192.0.2.7", "web").unit[LIMIT_PACKETS].tokens, 5);
	assert_int_equal(passed(w, "192.0.2.7", 20), 5);
	assert_int_equal(limit_map_stats(w->dp, id, &stats), 0);
	assert_int_equal(stats.admitted.packets, 15);
	assert_int_equal(stats.dropped[LIMIT_PACKETS].packets, 25);
}

/* The same word would be a tenth of the debt at a tenth of the rate: sources at their limit, proven or
 * not, and the total of all. */
static void a_slower_rate_gives_nobody_a_fresh_burst(void **state)
{
	struct conf_limit web = burst("web", 10, NULL), all = burst("all", 100, NULL);
	struct prefix net = lab_prefix("192.0.2.0/24"), other = lab_prefix("198.51.100.0/24");
	struct conf_limit both[2];
	struct world *w = *state;
	struct addr proven = lab_prefix("192.0.2.8/32").addr;

	web.sources = &net;
	all.sources = &other;
	web.n_sources = all.n_sources = 1;
	all.total[LIMIT_PACKETS] = (struct conf_rate) { 1, 1000 * NS_PER_S, 10 };
	both[0] = web;
	both[1] = all;
	apply_limits(w, both, 2);
	assert_int_equal(limit_map_prove(w->dp, &proven, NULL, 0, CLIENT_PROVEN_AGENT), 0);
	assert_int_equal(passed(w, "192.0.2.7", 20), 10);
	assert_int_equal(passed(w, "192.0.2.8", 8), 8);
	assert_int_equal(passed(w, "198.51.100.7", 20), 8); /* but what is kept for the proven */
	both[0].unit[LIMIT_PACKETS].period_ns = 100000 * NS_PER_S;
	both[1].total[LIMIT_PACKETS].period_ns = 100000 * NS_PER_S;
	apply_limits(w, both, 2);
	assert_int_equal(passed(w, "192.0.2.7", 20), 0);
	assert_int_equal(passed(w, "192.0.2.8", 20), 2);
	assert_int_equal(passed(w, "198.51.100.8", 20), 0);
	assert_int_equal(passed(w, "192.0.2.9", 20), 10);
}

static void classes_survive_a_restart_and_a_removal(void **state)
{
	struct prefix a = lab_prefix("10.1.0.0/16"), b = lab_prefix("10.2.0.0/16");
	struct conf_limit two[] = { burst("one", 10, &a), burst("two", 20, &b) };
	struct world *w = *state;
	struct limit_rates rates;
	uint32_t id;

	apply_limits(w, two, 2);
	id = limit_map_class(w->dp, "two");
	assert_int_equal(passed(w, "10.2.2.3", 15), 15);
	reopen(w, 65536);
	apply_limits(w, &two[1], 1);
	assert_int_equal(limit_map_class(w->dp, "two"), id);
	/* The one that is gone has no rates, and its sources no class. */
	assert_int_equal(limit_map_rates(w->dp, limit_map_class(w->dp, "one"), &rates), 0);
	assert_int_equal(rates.unit[LIMIT_PACKETS].tolerance_fp, 0);
	assert_int_equal(passed(w, "10.1.2.3", 30), 30);
	/* The other's bucket is what it was. */
	assert_int_equal(passed(w, "10.2.2.3", 60), 5);
	apply_limits(w, two, 2);
	assert_true(limit_map_class(w->dp, "one") != id);
	assert_int_equal(passed(w, "10.1.2.4", 30), 10);
	assert_int_equal(passed(w, "10.2.2.3", 60), 0);
}

static void long_names_stay_apart(void **state)
{
	char a[] = "a-limit-with-a-very-long-name-for-clients",
	     b[] = "a-limit-with-a-very-long-name-for-partners";
	struct conf_limit limits[] = { limit(a, 100, 10, NULL), limit(b, 200, 20, NULL) };
	struct world *w = *state;

	apply_limits(w, limits, 2);
	assert_int_not_equal(limit_map_class(w->dp, a), limit_map_class(w->dp, b));
	assert_int_equal(limit_map_class(w->dp, "a-limit-with-a-very-long-name"), 0);
}

static void an_id_is_taken_again_only_when_all_have_names(void **state)
{
	static struct conf_limit limits[256];
	static char names[256][32];
	struct prefix net = lab_prefix("10.9.0.0/16");
	struct world *w = *state;
	struct stats_limit stats;
	struct errmsg err;
	uint32_t id;

	for (int i = 0; i < 256; i++) {
		snprintf(names[i], sizeof(names[i]), "limit-%d", i);
		limits[i] = limit(names[i], 1, 10, i == 254 ? &net : NULL);
	}
	apply_limits(w, limits, 255);
	assert_true(passed(w, "10.9.1.1", 40) < 40);
	id = limit_map_class(w->dp, "limit-254");
	assert_int_equal(try_limits(w, limits, 256, &err), -ENOSPC);
	/* The only id that is not configured; nothing of its old owner shows. */
	limits[254] = limit("heir", 1, 10, NULL);
	apply_limits(w, limits, 255);
	assert_int_equal(limit_map_class(w->dp, "heir"), id);
	assert_int_equal(limit_map_class(w->dp, "limit-254"), LIMIT_CLASS_NONE);
	assert_int_equal(limit_map_stats(w->dp, id, &stats), 0);
	assert_int_equal(stats.admitted.packets, 0);
	assert_int_equal(passed(w, "10.9.1.1", 40), 40);
}

static void one_prefix_in_two_limits_is_refused(void **state)
{
	struct prefix net = lab_prefix("10.1.0.0/16");
	struct conf_limit two[] = { limit("one", 100, 10, &net), limit("two", 200, 20, &net) };
	struct world *w = *state;
	struct errmsg err;

	assert_int_equal(try_limits(w, two, 2, &err), -EEXIST);
	assert_non_null(strstr(err.text, "10.1.0.0/16"));
}

static void a_packet_meets_the_limit_of_its_port_and_of_its_kind(void **state)
{
	struct prefix net = lab_prefix("10.1.0.0/16");
	struct conf_ports dns = { 53, 53 }, many = { 8000, 8009 };
	struct conf_limit limits[] = { burst("net", 20, &net), burst("dns", 5, NULL),
				       burst("many", 8, &net), burst("ping", 3, NULL) };
	struct addr a = lab_addr("10.1.0.1");
	uint8_t classes[LIMIT_CLASSES];
	struct limit_explain e[4];
	struct world *w = *state;
	uint8_t service;

	limits[1].protocol = limits[2].protocol = 17;
	limits[1].ports = &dns;
	limits[2].ports = &many;
	limits[1].n_ports = limits[2].n_ports = 1;
	limits[3].kind = LIMIT_KIND_ICMP;
	apply_limits(w, limits, 4);
	assert_int_equal(passed_to(w, "10.1.0.1", 17, 53, 10), 5);
	assert_int_equal(passed_to(w, "10.1.0.1", 17, 8009, 10), 8);
	assert_int_equal(passed_to(w, "10.1.0.1", 17, 8010, 10), 7);
	assert_int_equal(passed_to(w, "172.16.0.1", 17, 53, 10), 5);
	assert_int_equal(passed_to(w, "172.16.0.1", 17, 8000, 10), 10);
	assert_int_equal(passed_to(w, "172.16.0.1", 6, 53, 10), 10);
	assert_int_equal(passed_to(w, "172.16.0.1", 1, 0, 10), 3);
	service = limit_map_port_service(w->dp, 17, 53);
	assert_int_equal(limit_map_explain(w->dp, &a, service, LIMIT_KIND_ICMP, e, 4), 3);
	assert_int_equal(e[0].limit_class, limit_map_class(w->dp, "dns"));
	assert_int_equal(e[1].limit_class, limit_map_class(w->dp, "net"));
	assert_int_equal(e[2].limit_class, limit_map_class(w->dp, "ping"));
	assert_int_equal(e[2].kind, LIMIT_KIND_ICMP);
	assert_int_equal(e[0].unit[LIMIT_PACKETS].tokens, 0);
	assert_true(e[0].unit[LIMIT_PACKETS].next_ns > 900 * NS_PER_S);
	assert_false(e[0].unit[LIMIT_BYTES].limited);
	assert_false(e[0].exact);
	assert_int_equal(limit_map_classes(w->dp, &a, classes), 4);
	/* Without them everybody is free again. */
	apply_limits(w, NULL, 0);
	assert_int_equal(passed_to(w, "10.1.0.1", 17, 53, 10), 10);
	assert_int_equal(limit_map_explain(w->dp, &a, 0, LIMIT_KIND_ICMP, e, 4), 0);
}

static void per_prefix_and_total_are_shared(void **state)
{
	struct prefix net = lab_prefix("10.1.0.0/16"), other = lab_prefix("10.2.0.0/16");
	struct conf_limit limits[] = { burst("wide", 6, &net), burst("sum", 0, &other) };
	struct world *w = *state;

	limits[0].per = CONF_PER_PREFIX;
	limits[1].unit[LIMIT_PACKETS].count = 0;
	limits[1].total[LIMIT_PACKETS] = (struct conf_rate) { 1, 1000 * NS_PER_S, 7 };
	apply_limits(w, limits, 2);
	assert_int_equal(passed(w, "10.1.0.1", 4), 4);
	assert_int_equal(passed(w, "10.1.0.2", 4), 2);
	assert_int_equal(passed(w, "10.1.1.2", 4), 4);
	assert_int_equal(passed(w, "10.2.0.1", 5), 5);
	assert_int_equal(explained(w, "10.2.9.9", "sum").total[LIMIT_PACKETS].tokens, 2);
	/* The last quarter of a total is for whom somebody has proven. */
	assert_int_equal(passed(w, "10.2.9.9", 5), 1);
}

static void a_proven_source_has_meters_of_its_own_and_no_second_burst(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = burst("web", 10, &net);
	struct addr source = lab_addr("192.0.2.7");
	struct world *w = *state;
	struct limit_explain e;
	struct client client;

	apply_limits(w, &web, 1);
	assert_int_equal(passed(w, "192.0.2.7", 4), 4);
	assert_int_equal(limit_map_client(w->dp, &source, LIMIT_CLASS_NONE, &client), -ENOENT);
	assert_int_equal(limit_map_prove(w->dp, &source, NULL, 0, CLIENT_UNPROVEN), -EINVAL);
	assert_int_equal(limit_map_prove(w->dp, &source, NULL, 0, CLIENT_PROVEN_AGENT), 0);
	assert_int_equal(limit_map_client(w->dp, &source, LIMIT_CLASS_NONE, &client), 0);
	e = explained(w, "192.0.2.7", "web");
	assert_true(e.exact);
	assert_int_equal(e.proof, CLIENT_PROVEN_AGENT);
	assert_int_equal(e.unit[LIMIT_PACKETS].tokens, 6);
	assert_int_equal(passed(w, "192.0.2.7", 10), 6);
	/* Once more is no burst either. */
	assert_int_equal(limit_map_prove(w->dp, &source, NULL, 0, CLIENT_PROVEN_AGENT), 0);
	assert_int_equal(passed(w, "192.0.2.7", 10), 0);
	/* The rows were not charged for it: whoever shares its cells has what was left. */
	assert_false(explained(w, "192.0.2.8", "web").exact);
}

static void a_new_key_of_the_rows_is_no_second_burst(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = burst("web", 10, &net);
	struct limit_state *limits;
	struct world *w = *state;
	uint32_t key;

	apply_limits(w, &web, 1);
	limits = pinned_map_mem(w->dp, "limit_state");
	key = limits->active_key;
	assert_int_equal(limit_map_rotate_end(w->dp), -ENOENT);
	/* 10 of 1 in 1,000 s are longer than anybody waits. */
	assert_int_equal(limit_map_rotate(w->dp), 10000);
	assert_int_equal(limit_map_rotate(w->dp), -EALREADY);
	assert_int_equal(passed(w, "192.0.2.7", 6), 6);
	assert_int_equal(limit_map_rotate_end(w->dp), 0);
	assert_int_not_equal(limits->active_key, key);
	assert_memory_not_equal(&limits->key[0], &limits->key[1], sizeof(limits->key[0]));
	assert_int_equal(passed(w, "192.0.2.7", 10), 4);
}

/* As the supervisor does it, by its tick. */
static void the_key_changes_when_its_lifetime_is_over(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = burst("web", 10, &net);
	struct limit_rotation r = { 0 }, next = { 0 };
	struct limit_state *limits;
	struct limit_key key;
	struct world *w = *state;
	uint64_t now_ns, day_ns = 86400 * NS_PER_S;
	uint32_t active;

	apply_limits(w, &web, 1);
	limits = pinned_map_mem(w->dp, "limit_state");
	active = limits->active_key;
	assert_int_equal(limit_map_key(w->dp, &key), 0);
	assert_true(key.since_ns && key.since_ns <= clock_now_ns());
	now_ns = key.since_ns + day_ns;
	assert_int_equal(limit_rotation_tick(&r, w->dp, 86400000, now_ns - 1), LIMIT_ROTATION_IDLE);
	assert_int_equal(limit_rotation_tick(&r, w->dp, 0, now_ns * 9), LIMIT_ROTATION_IDLE);
	assert_int_equal(limits->charge_both, 0);
	assert_int_equal(limit_rotation_tick(&r, w->dp, 86400000, now_ns), LIMIT_ROTATION_BEGUN);
	assert_int_equal(limit_rotation_begin(&r, w->dp, LIMIT_ROTATION_OPERATOR, now_ns),
			 -EALREADY);
	assert_int_equal(passed(w, "192.0.2.7", 6), 6);

	/* The supervisor dies; the next one lets it wait its whole time again, and ends it. */
	now_ns += 9 * NS_PER_S;
	assert_int_equal(limit_rotation_tick(&next, w->dp, 0, now_ns), LIMIT_ROTATION_IDLE);
	assert_int_equal(limit_rotation_tick(&next, w->dp, 0, now_ns + 10 * NS_PER_S - 1),
			 LIMIT_ROTATION_IDLE);
	assert_int_equal(limits->charge_both, 1);
	assert_int_equal(limit_rotation_tick(&next, w->dp, 0, now_ns + 10 * NS_PER_S),
			 LIMIT_ROTATION_DONE);
	assert_int_equal(next.cause, LIMIT_ROTATION_ADOPTED);
	assert_int_equal(limits->charge_both, 0);
	assert_int_not_equal(limits->active_key, active);
	assert_int_equal(passed(w, "192.0.2.7", 10), 4);
	assert_int_equal(limit_rotation_tick(&next, w->dp, 86400000, clock_now_ns() + NS_PER_S),
			 LIMIT_ROTATION_IDLE);
}

static void rows_go_with_the_class_and_come_clean(void **state)
{
	struct prefix a = lab_prefix("10.1.0.0/16"), b = lab_prefix("10.2.0.0/16");
	struct conf_limit two[] = { burst("one", 10, &a), burst("two", 10, &b) };
	struct world *w = *state;
	const struct limit_class *classes = pinned_map_mem(w->dp, "limit_class");
	uint32_t one, two_id, first;
	struct errmsg err;

	apply_limits(w, two, 2);
	one = limit_map_class(w->dp, "one");
	two_id = limit_map_class(w->dp, "two");
	assert_int_equal(classes[one].row_bits, 8);
	assert_true(classes[one].row_first + 512 <= classes[two_id].row_first ||
		    classes[two_id].row_first + 512 <= classes[one].row_first);
	first = classes[one].row_first;
	assert_int_equal(passed(w, "10.1.0.1", 20), 10);
	/* Gone, and its cells another's: who is new there has a full bucket. */
	apply_limits(w, &two[1], 1);
	two[0] = burst("three", 10, &a);
	apply_limits(w, two, 2);
	assert_int_equal(classes[limit_map_class(w->dp, "three")].row_first, first);
	assert_int_equal(passed(w, "10.1.0.1", 20), 10);
	two[0].rows = 1U << 20;
	assert_int_equal(try_limits(w, two, 2, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "dataplane.limit_rows has 65536"));
	assert_int_equal(passed(w, "10.1.0.1", 20), 0);
}

static void fewer_and_more_cells_keep_what_fits(void **state)
{
	struct prefix a = lab_prefix("10.1.0.0/16"), b = lab_prefix("10.2.0.0/16");
	struct conf_limit two[] = { burst("one", 10, &a), burst("two", 10, &b) };
	struct world *w = *state;
	const struct limit_class *classes;
	uint32_t id;

	two[0].rows = 16384;
	apply_limits(w, two, 2);
	assert_int_equal(passed(w, "10.2.0.1", 6), 6);
	/* "two" is behind 32,768 cells: it gets others, and with them a full bucket. */
	two[0].rows = 256;
	reopen(w, 2048);
	apply_limits(w, two, 2);
	classes = pinned_map_mem(w->dp, "limit_class");
	id = limit_map_class(w->dp, "two");
	assert_true(classes[id].row_first + 512 <= 2048);
	assert_int_equal(passed(w, "10.2.0.1", 20), 10);
	reopen(w, 4096);
	apply_limits(w, two, 2);
	assert_int_equal(passed(w, "10.2.0.1", 20), 0);
	assert_int_equal(passed(w, "10.1.0.1", 20), 10);
}

/* More groups than fit beside those in force, and nobody who remembers what these were. */
static void other_limits_after_a_restart_replace_all_at_once(void **state)
{
	enum { N = 130 };
	static struct conf_limit limits[N];
	static struct prefix nets[N];
	static char names[N][16];
	struct world *w = *state;
	struct errmsg err;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(names[i], sizeof(names[i]), "l%d-%d", round, i);
			nets[i] = lab_prefix("10.0.0.0/16");
			nets[i].addr.b[13] = (uint8_t)i;
			limits[i] = burst(names[i], (uint64_t)(round + 3), &nets[i]);
			limits[i].rows = 64;
		}
		if (round == 0)
			apply_limits(w, limits, N);
		else
			assert_int_equal(try_limits(w, limits, N, &err), -ENOSPC);
		assert_int_equal(passed(w, "10.129.0.1", 20), round ? 0 : 3);
		/* Refused, and the first of before is what it was, though its id was wanted. */
		assert_int_equal(passed(w, "10.0.0.1", 20), round ? 0 : 3);
	}
	assert_non_null(strstr(err.text, "change fewer at a time"));
	reopen(w, 65536);
	apply_limits(w, limits, N);
	assert_int_equal(passed(w, "10.129.0.1", 20), 4);
	assert_int_equal(passed(w, "10.130.0.1", 20), 20);
}

/* What is told before anything is loaded, against what the kernel charges. */
static void the_memory_that_is_told_is_what_the_maps_take(void **state)
{
	struct limit_memory told[LIMIT_MEMORY_ROWS];
	struct conf_dataplane c = lab_conf(NULL);
	struct world *w = *state;
	uint64_t sum, total = 0;
	size_t n;

	c.max_verdicts = 16;
	n = limit_memory(&c, (unsigned int)sysconf(_SC_NPROCESSORS_CONF), told, LIMIT_MEMORY_ROWS,
			 &sum);
	for (size_t i = 0; i < n; i++) {
		const struct pinned_map *m = pinned_map_find(w->dp, told[i].map);
		uint64_t takes;

		if (!m)
			fail_msg("there is no map %s", told[i].map);
		total += told[i].bytes;
		assert_int_equal(m->shape.max_entries, told[i].entries);
		takes = pinned_map_memory(m->fd);
		/* Empty, these take nothing yet. A few pages are nobody's. */
		if (strncmp(m->name, "source_", 7) == 0 && !(m->shape.flags & BPF_F_MMAPABLE))
			continue;
		if (takes > told[i].bytes * 5 / 4 + 16384 || told[i].bytes > takes * 5 / 4 + 16384)
			fail_msg("%s: %llu bytes told, %llu taken", m->name,
				 (unsigned long long)told[i].bytes, (unsigned long long)takes);
	}
	assert_int_equal(sum, total);
}

static bool keep_bob(const char *name, void *ctx)
{
	(void)ctx;
	return strncmp(name, "bob", 3) == 0;
}

static void meter_slots_are_stable_bounded_and_swept(void **state)
{
	char longer[80];
	struct world *w = *state;
	uint64_t *words = pinned_map_mem(w->dp, "meters");
	int alice, bob, i;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	memcpy(longer, "bob/", 4);
	alice = meter_map_slot(w->dp, "alice/requests");
	bob = meter_map_slot(w->dp, longer);
	assert_true(alice > 0 && bob > 0 && alice != bob);
	assert_int_equal(meter_map_slot(w->dp, "alice/requests"), alice);
	assert_int_equal(meter_map_slot(w->dp, longer), bob);
	longer[78] = 'y';
	assert_int_not_equal(meter_map_slot(w->dp, longer), bob);
	words[alice] = 99;
	for (i = 0; i < 4; i++) {
		char name[24];

		snprintf(name, sizeof(name), "carol%d", i);
		assert_true(meter_map_slot(w->dp, name) > 0);
	}
	assert_int_equal(meter_map_slot(w->dp, "dave"), -ENOSPC);
	assert_int_equal(meter_map_refused(w->dp), 1);
	assert_int_equal(meter_map_sweep(w->dp, keep_bob, NULL), 5);
	longer[78] = 'x';
	assert_int_equal(meter_map_slot(w->dp, longer), bob);
	/* A slot that is given out again is a full bucket. */
	for (i = 0; i < 5; i++) {
		char name[24];
		int slot;

		snprintf(name, sizeof(name), "erin%d", i);
		slot = meter_map_slot(w->dp, name);
		assert_true(slot > 0);
		assert_int_equal(words[slot], 0);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_open, world_close)
	const struct CMUnitTest tests[] = {
		TEST(a_change_of_rate_keeps_the_class_and_the_meter),
		TEST(a_slower_rate_gives_nobody_a_fresh_burst),
		TEST(classes_survive_a_restart_and_a_removal),
		TEST(long_names_stay_apart),
		TEST(an_id_is_taken_again_only_when_all_have_names),
		TEST(one_prefix_in_two_limits_is_refused),
		TEST(a_packet_meets_the_limit_of_its_port_and_of_its_kind),
		TEST(per_prefix_and_total_are_shared),
		TEST(a_proven_source_has_meters_of_its_own_and_no_second_burst),
		TEST(a_new_key_of_the_rows_is_no_second_burst),
		TEST(the_key_changes_when_its_lifetime_is_over),
		TEST(rows_go_with_the_class_and_come_clean),
		TEST(fewer_and_more_cells_keep_what_fits),
		TEST(other_limits_after_a_restart_replace_all_at_once),
		TEST(the_memory_that_is_told_is_what_the_maps_take),
		TEST(meter_slots_are_stable_bounded_and_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
