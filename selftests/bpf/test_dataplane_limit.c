/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * Limits from their configuration to the next packet: whom they meet, what a change keeps.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "limit_lab.h"

static void a_change_of_rate_keeps_the_class_and_the_meter(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = limit_lab_burst("web", 10, &net);
	struct limit_lab *w = *state;
	struct limit_rates before, after;
	struct stats_limit stats;
	uint32_t id;

	limit_lab_apply(w, &web, 1);
	id = limit_map_class(w->dp, "web");
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 20), 10);
	assert_int_equal(limit_map_rates(w->dp, id, &before), 0);
	web.unit[LIMIT_PACKETS].burst = 15;
	limit_lab_apply(w, &web, 1);
	assert_int_equal(limit_map_class(w->dp, "web"), id);
	assert_int_equal(limit_map_rates(w->dp, id, &after), 0);
	assert_true(after.unit[0].tolerance_fp > before.unit[0].tolerance_fp);
	/* Ten are spent: the larger burst has five more. */
	assert_int_equal(limit_lab_explained(w, "192.0.2.7", "web").unit[LIMIT_PACKETS].tokens, 5);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 20), 5);
	assert_int_equal(limit_map_stats(w->dp, id, &stats), 0);
	assert_int_equal(stats.admitted.packets, 15);
	assert_int_equal(stats.dropped[LIMIT_PACKETS].packets, 25);
}

/* The same word would be a tenth of the debt at a tenth of the rate: sources at their limit, proven or
 * not, and the total of all. */
static void a_slower_rate_gives_nobody_a_fresh_burst(void **state)
{
	struct conf_limit web = limit_lab_burst("web", 10, NULL),
			  all = limit_lab_burst("all", 100, NULL);
	struct prefix net = lab_prefix("192.0.2.0/24"), other = lab_prefix("198.51.100.0/24");
	struct conf_limit both[2];
	struct limit_lab *w = *state;
	struct addr proven = lab_prefix("192.0.2.8/32").addr;

	web.sources = &net;
	all.sources = &other;
	web.n_sources = all.n_sources = 1;
	all.total[LIMIT_PACKETS] = (struct conf_rate) { 1, 1000 * NS_PER_S, 10 };
	both[0] = web;
	both[1] = all;
	limit_lab_apply(w, both, 2);
	assert_int_equal(limit_map_prove(w->dp, &proven, NULL, 0, CLIENT_PROVEN_AGENT), 0);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 20), 10);
	assert_int_equal(limit_lab_passed(w, "192.0.2.8", 8), 8);
	assert_int_equal(limit_lab_passed(w, "198.51.100.7", 20),
			 8); /* but what is kept for the proven */
	both[0].unit[LIMIT_PACKETS].period_ns = 100000 * NS_PER_S;
	both[1].total[LIMIT_PACKETS].period_ns = 100000 * NS_PER_S;
	limit_lab_apply(w, both, 2);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 20), 0);
	assert_int_equal(limit_lab_passed(w, "192.0.2.8", 20), 2);
	assert_int_equal(limit_lab_passed(w, "198.51.100.8", 20), 0);
	assert_int_equal(limit_lab_passed(w, "192.0.2.9", 20), 10);
}

static void classes_survive_a_restart_and_a_removal(void **state)
{
	struct prefix a = lab_prefix("10.1.0.0/16"), b = lab_prefix("10.2.0.0/16");
	struct conf_limit two[] = { limit_lab_burst("one", 10, &a),
				    limit_lab_burst("two", 20, &b) };
	struct limit_lab *w = *state;
	struct limit_rates rates;
	uint32_t id;

	limit_lab_apply(w, two, 2);
	id = limit_map_class(w->dp, "two");
	assert_int_equal(limit_lab_passed(w, "10.2.2.3", 15), 15);
	limit_lab_reopen(w, 65536);
	limit_lab_apply(w, &two[1], 1);
	assert_int_equal(limit_map_class(w->dp, "two"), id);
	/* The one that is gone has no rates, and its sources no class. */
	assert_int_equal(limit_map_rates(w->dp, limit_map_class(w->dp, "one"), &rates), 0);
	assert_int_equal(rates.unit[LIMIT_PACKETS].tolerance_fp, 0);
	assert_int_equal(limit_lab_passed(w, "10.1.2.3", 30), 30);
	/* The other's bucket is what it was. */
	assert_int_equal(limit_lab_passed(w, "10.2.2.3", 60), 5);
	limit_lab_apply(w, two, 2);
	assert_true(limit_map_class(w->dp, "one") != id);
	assert_int_equal(limit_lab_passed(w, "10.1.2.4", 30), 10);
	assert_int_equal(limit_lab_passed(w, "10.2.2.3", 60), 0);
}

static void long_names_stay_apart(void **state)
{
	char a[] = "a-limit-with-a-very-long-name-for-clients",
	     b[] = "a-limit-with-a-very-long-name-for-partners";
	struct conf_limit limits[] = { limit_lab_limit(a, 100, 10, NULL),
				       limit_lab_limit(b, 200, 20, NULL) };
	struct limit_lab *w = *state;

	limit_lab_apply(w, limits, 2);
	assert_int_not_equal(limit_map_class(w->dp, a), limit_map_class(w->dp, b));
	assert_int_equal(limit_map_class(w->dp, "a-limit-with-a-very-long-name"), 0);
}

static void an_id_is_taken_again_only_when_all_have_names(void **state)
{
	static struct conf_limit limits[256];
	static char names[256][32];
	struct prefix net = lab_prefix("10.9.0.0/16");
	struct limit_lab *w = *state;
	struct stats_limit stats;
	struct errmsg err;
	uint32_t id;

	for (int i = 0; i < 256; i++) {
		snprintf(names[i], sizeof(names[i]), "limit-%d", i);
		limits[i] = limit_lab_limit(names[i], 1, 10, i == 254 ? &net : NULL);
	}
	limit_lab_apply(w, limits, 255);
	assert_true(limit_lab_passed(w, "10.9.1.1", 40) < 40);
	id = limit_map_class(w->dp, "limit-254");
	assert_int_equal(limit_lab_try(w, limits, 256, &err), -ENOSPC);
	/* The only id that is not configured; nothing of its old owner shows. */
	limits[254] = limit_lab_limit("heir", 1, 10, NULL);
	limit_lab_apply(w, limits, 255);
	assert_int_equal(limit_map_class(w->dp, "heir"), id);
	assert_int_equal(limit_map_class(w->dp, "limit-254"), LIMIT_CLASS_NONE);
	assert_int_equal(limit_map_stats(w->dp, id, &stats), 0);
	assert_int_equal(stats.admitted.packets, 0);
	assert_int_equal(limit_lab_passed(w, "10.9.1.1", 40), 40);
}

static void one_prefix_in_two_limits_is_refused(void **state)
{
	struct prefix net = lab_prefix("10.1.0.0/16");
	struct conf_limit two[] = { limit_lab_limit("one", 100, 10, &net),
				    limit_lab_limit("two", 200, 20, &net) };
	struct limit_lab *w = *state;
	struct errmsg err;

	assert_int_equal(limit_lab_try(w, two, 2, &err), -EEXIST);
	assert_non_null(strstr(err.text, "10.1.0.0/16"));
}

static void a_packet_meets_the_limit_of_its_port_and_of_its_kind(void **state)
{
	struct prefix net = lab_prefix("10.1.0.0/16");
	struct conf_ports dns = { 53, 53 }, many = { 8000, 8009 };
	struct conf_limit limits[] = { limit_lab_burst("net", 20, &net),
				       limit_lab_burst("dns", 5, NULL),
				       limit_lab_burst("many", 8, &net),
				       limit_lab_burst("ping", 3, NULL) };
	struct addr a = lab_addr("10.1.0.1");
	uint8_t classes[LIMIT_CLASSES];
	struct limit_explain e[4];
	struct limit_lab *w = *state;
	uint8_t service;

	limits[1].protocol = limits[2].protocol = 17;
	limits[1].ports = &dns;
	limits[2].ports = &many;
	limits[1].n_ports = limits[2].n_ports = 1;
	limits[3].kind = LIMIT_KIND_ICMP;
	limit_lab_apply(w, limits, 4);
	assert_int_equal(limit_lab_passed_to(w, "10.1.0.1", 17, 53, 10), 5);
	assert_int_equal(limit_lab_passed_to(w, "10.1.0.1", 17, 8009, 10), 8);
	assert_int_equal(limit_lab_passed_to(w, "10.1.0.1", 17, 8010, 10), 7);
	assert_int_equal(limit_lab_passed_to(w, "172.16.0.1", 17, 53, 10), 5);
	assert_int_equal(limit_lab_passed_to(w, "172.16.0.1", 17, 8000, 10), 10);
	assert_int_equal(limit_lab_passed_to(w, "172.16.0.1", 6, 53, 10), 10);
	assert_int_equal(limit_lab_passed_to(w, "172.16.0.1", 1, 0, 10), 3);
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
	limit_lab_apply(w, NULL, 0);
	assert_int_equal(limit_lab_passed_to(w, "10.1.0.1", 17, 53, 10), 10);
	assert_int_equal(limit_map_explain(w->dp, &a, 0, LIMIT_KIND_ICMP, e, 4), 0);
}

static void what_goes_out_is_explained_by_its_own_limits(void **state)
{
	struct prefix net = lab_prefix("10.1.0.0/16"), denied = lab_prefix("10.9.0.0/16"),
		      allowed = lab_prefix("10.1.7.0/24");
	struct conf_ports web = { 443, 443 };
	struct conf_limit limits[] = { limit_lab_burst("in", 20, &net),
				       limit_lab_burst("net", 30, &net),
				       limit_lab_burst("web", 5, NULL),
				       limit_lab_burst("all", 7, NULL) };
	struct conf_acl acl = { &allowed, 1, &denied, 1, .deny_files = NULL };
	static const struct {
		const char *source;
		uint8_t protocol;
		uint16_t port;
		int n;
		const char *first;
	} rows[] = {
		{ "10.1.0.1", 6, 443, 2, "web" }, { "10.1.0.1", 6, 80, 1, "net" },
		{ "10.1.0.1", 17, 9, 2, "all" },  { "10.1.0.1", 0, 0, 1, "net" },
		{ "10.1.0.1", 1, 443, 1, "net" }, { "172.16.0.1", 6, 443, 1, "web" },
		{ "172.16.0.1", 6, 80, 0, NULL }, { "10.1.7.1", 6, 443, 0, NULL },
		{ "10.9.0.1", 6, 443, 1, "web" }, /* denied, and sent to all the same */
	};
	struct limit_lab *w = *state;
	struct limit_explain e[4];
	struct addr a;

	limits[1].direction = limits[2].direction = limits[3].direction = CONF_EGRESS;
	limits[2].protocol = 6;
	limits[2].ports = &web;
	limits[2].n_ports = 1;
	limits[3].protocol = 17;
	assert_int_equal(acl_map_apply_conf(w->dp, &acl, &(struct errmsg) { "" }), 0);
	a = lab_addr("10.1.0.1");
	assert_int_equal(limit_map_explain_egress(w->dp, &a, 6, 443, e, 4), 0);
	limit_lab_apply(w, limits, 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a = lab_addr(rows[i].source);
		assert_int_equal(
			limit_map_explain_egress(w->dp, &a, rows[i].protocol, rows[i].port, e, 4),
			rows[i].n);
		if (rows[i].n)
			assert_int_equal(e[0].limit_class, limit_map_class(w->dp, rows[i].first));
	}
	/* Neither direction shows the other's. */
	a = lab_addr("10.1.0.1");
	assert_int_equal(limit_map_explain(w->dp, &a, limit_map_port_service(w->dp, 6, 443),
					   LIMIT_KIND_NONE, e, 4),
			 1);
	assert_int_equal(e[0].limit_class, limit_map_class(w->dp, "in"));
}

static void per_prefix_and_total_are_shared(void **state)
{
	struct prefix net = lab_prefix("10.1.0.0/16"), other = lab_prefix("10.2.0.0/16");
	struct conf_limit limits[] = { limit_lab_burst("wide", 6, &net),
				       limit_lab_burst("sum", 0, &other) };
	struct limit_lab *w = *state;

	limits[0].per = CONF_PER_PREFIX;
	limits[1].unit[LIMIT_PACKETS].count = 0;
	limits[1].total[LIMIT_PACKETS] = (struct conf_rate) { 1, 1000 * NS_PER_S, 7 };
	limit_lab_apply(w, limits, 2);
	assert_int_equal(limit_lab_passed(w, "10.1.0.1", 4), 4);
	assert_int_equal(limit_lab_passed(w, "10.1.0.2", 4), 2);
	assert_int_equal(limit_lab_passed(w, "10.1.1.2", 4), 4);
	assert_int_equal(limit_lab_passed(w, "10.2.0.1", 5), 5);
	assert_int_equal(limit_lab_explained(w, "10.2.9.9", "sum").total[LIMIT_PACKETS].tokens, 2);
	/* The last quarter of a total is for whom somebody has proven. */
	assert_int_equal(limit_lab_passed(w, "10.2.9.9", 5), 1);
}

static void a_proven_source_has_meters_of_its_own_and_no_second_burst(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = limit_lab_burst("web", 10, &net);
	struct addr source = lab_addr("192.0.2.7");
	struct limit_lab *w = *state;
	struct limit_explain e;
	struct client client;

	limit_lab_apply(w, &web, 1);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 4), 4);
	assert_int_equal(limit_map_client(w->dp, &source, LIMIT_CLASS_NONE, &client), -ENOENT);
	assert_int_equal(limit_map_prove(w->dp, &source, NULL, 0, CLIENT_UNPROVEN), -EINVAL);
	assert_int_equal(limit_map_prove(w->dp, &source, NULL, 0, CLIENT_PROVEN_AGENT), 0);
	assert_int_equal(limit_map_client(w->dp, &source, LIMIT_CLASS_NONE, &client), 0);
	e = limit_lab_explained(w, "192.0.2.7", "web");
	assert_true(e.exact);
	assert_int_equal(e.proof, CLIENT_PROVEN_AGENT);
	assert_int_equal(e.unit[LIMIT_PACKETS].tokens, 6);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 10), 6);
	/* Once more is no burst either. */
	assert_int_equal(limit_map_prove(w->dp, &source, NULL, 0, CLIENT_PROVEN_AGENT), 0);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 10), 0);
	/* The rows were not charged for it: whoever shares its cells has what was left. */
	assert_false(limit_lab_explained(w, "192.0.2.8", "web").exact);
}

/* More groups than fit beside those in force, and nobody who remembers what these were. */
static void other_limits_after_a_restart_replace_all_at_once(void **state)
{
	enum { N = 130 };
	static struct conf_limit limits[N];
	static struct prefix nets[N];
	static char names[N][16];
	struct limit_lab *w = *state;
	struct errmsg err;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(names[i], sizeof(names[i]), "l%d-%d", round, i);
			nets[i] = lab_prefix("10.0.0.0/16");
			nets[i].addr.b[13] = (uint8_t)i;
			limits[i] = limit_lab_burst(names[i], (uint64_t)(round + 3), &nets[i]);
			limits[i].rows = 64;
		}
		if (round == 0)
			limit_lab_apply(w, limits, N);
		else
			assert_int_equal(limit_lab_try(w, limits, N, &err), -ENOSPC);
		assert_int_equal(limit_lab_passed(w, "10.129.0.1", 20), round ? 0 : 3);
		/* Refused, and the first of before is what it was, though its id was wanted. */
		assert_int_equal(limit_lab_passed(w, "10.0.0.1", 20), round ? 0 : 3);
	}
	assert_non_null(strstr(err.text, "change fewer at a time"));
	limit_lab_reopen(w, 65536);
	limit_lab_apply(w, limits, N);
	assert_int_equal(limit_lab_passed(w, "10.129.0.1", 20), 4);
	assert_int_equal(limit_lab_passed(w, "10.130.0.1", 20), 20);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, limit_lab_open, limit_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(a_change_of_rate_keeps_the_class_and_the_meter),
		TEST(a_slower_rate_gives_nobody_a_fresh_burst),
		TEST(classes_survive_a_restart_and_a_removal),
		TEST(long_names_stay_apart),
		TEST(an_id_is_taken_again_only_when_all_have_names),
		TEST(one_prefix_in_two_limits_is_refused),
		TEST(a_packet_meets_the_limit_of_its_port_and_of_its_kind),
		TEST(what_goes_out_is_explained_by_its_own_limits),
		TEST(per_prefix_and_total_are_shared),
		TEST(a_proven_source_has_meters_of_its_own_and_no_second_burst),
		TEST(other_limits_after_a_restart_replace_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
