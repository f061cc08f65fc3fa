/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * Lists and verdicts through their accessors, against the programs that read the same maps.
 */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/verdict_map.h"
#include "sluice/abi/drop_cache.h"

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

static uint32_t udp_from(struct world *w, const char *src, uint16_t sport)
{
	struct lab_frame f = lab_ipv4(src, "192.0.2.1", 17, sport, 2000);

	return lab_test_run(w->lab, f.bytes, f.n);
}

static void deny_and_allow_act_on_the_next_packet(void **state)
{
	struct prefix wide = lab_prefix("203.0.113.0/24"), one = lab_prefix("203.0.113.5");
	struct world *w = *state;

	assert_int_equal(udp_from(w, "203.0.113.5", 1), XDP_PASS);
	assert_int_equal(acl_map_add(w->dp, ACL_LIST_DENY, &wide, ACL_FROM_OPERATOR), 0);
	assert_int_equal(udp_from(w, "203.0.113.5", 1), XDP_DROP);
	assert_int_equal(acl_map_add(w->dp, ACL_LIST_ALLOW, &one, ACL_FROM_FILE), 0);
	assert_int_equal(udp_from(w, "203.0.113.5", 1), XDP_PASS);
	assert_int_equal(udp_from(w, "203.0.113.6", 1), XDP_DROP);
	assert_true(acl_map_allows(w->dp, &one.addr));
	assert_false(acl_map_allows(w->dp, &wide.addr));
	assert_int_equal(acl_map_del(w->dp, ACL_LIST_DENY, &wide), 0);
	assert_int_equal(acl_map_del(w->dp, ACL_LIST_DENY, &wide), -ENOENT);
	assert_int_equal(udp_from(w, "203.0.113.6", 1), XDP_PASS);
}

static int count_prefix(const struct prefix *p, enum acl_origin origin, void *ctx)
{
	(void)p;
	*(int *)ctx += origin == ACL_FROM_FILE ? 1 : 100;
	return 0;
}

static void an_applied_list_is_exactly_what_was_asked_for(void **state)
{
	struct prefix before[] = { lab_prefix("10.0.0.0/8"), lab_prefix("2001:db8::/32"),
				   lab_prefix("0.0.0.0/0") };
	struct prefix after[] = { lab_prefix("2001:db8::/32"), lab_prefix("172.16.0.0/12") };
	struct world *w = *state;
	struct errmsg err;
	int n = 0;

	assert_int_equal(acl_map_apply(w->dp, ACL_LIST_DENY, before, 3, ACL_FROM_FILE, &err), 0);
	assert_int_equal(udp_from(w, "198.51.100.1", 1), XDP_DROP);
	assert_int_equal(acl_map_apply(w->dp, ACL_LIST_DENY, after, 2, ACL_FROM_FILE, &err), 0);
	assert_int_equal(acl_map_add(w->dp, ACL_LIST_DENY, &before[0], ACL_FROM_OPERATOR), 0);
	assert_int_equal(acl_map_each(w->dp, ACL_LIST_DENY, NULL, count_prefix, &n), 0);
	assert_int_equal(n, 102);
	assert_int_equal(udp_from(w, "10.1.1.1", 1), XDP_DROP);
	assert_int_equal(acl_map_del(w->dp, ACL_LIST_DENY, &before[0]), 0);
	assert_int_equal(udp_from(w, "10.1.1.1", 1), XDP_PASS);
	assert_int_equal(udp_from(w, "172.20.1.1", 1), XDP_DROP);
	assert_int_equal(acl_map_apply(w->dp, ACL_LIST_DENY, NULL, 0, ACL_FROM_FILE, &err), 0);
	assert_int_equal(udp_from(w, "172.20.1.1", 1), XDP_PASS);
}

static void a_verdict_on_a_source_is_in_force_until_it_expires(void **state)
{
	struct prefix host = lab_prefix("192.0.2.7"), wide = lab_prefix("192.0.2.0/24");
	struct world *w = *state;
	struct verdict v;

	assert_int_equal(udp_from(w, "192.0.2.7", 1), XDP_PASS);
	assert_int_equal(verdict_map_set(w->dp, &host, VERDICT_DROP, VERDICT_REASON_OPERATOR,
					 clock_now_ns() + 60 * NS_PER_S),
			 0);
	assert_int_equal(udp_from(w, "192.0.2.7", 1), XDP_DROP);
	assert_int_equal(udp_from(w, "192.0.2.8", 1), XDP_PASS);
	assert_int_equal(
		verdict_map_set(w->dp, &wide, VERDICT_DROP, VERDICT_REASON_LIMIT, UINT64_MAX), 0);
	assert_int_equal(udp_from(w, "192.0.2.8", 1), XDP_DROP);
	assert_int_equal(verdict_map_del(w->dp, &wide), 0);
	assert_int_equal(udp_from(w, "192.0.2.8", 1), XDP_PASS);
	assert_int_equal(verdict_map_get(w->dp, &host, &v), 0);
	assert_int_equal(v.reason, VERDICT_REASON_OPERATOR);
	/* Replaced by one that is over already. */
	assert_int_equal(verdict_map_set(w->dp, &host, VERDICT_DROP, VERDICT_REASON_LIMIT, 1), 0);
	assert_int_equal(udp_from(w, "192.0.2.7", 1), XDP_PASS);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 1);
	assert_int_equal(verdict_map_get(w->dp, &host, &v), -ENOENT);
	assert_int_equal(verdict_map_del(w->dp, &host), -ENOENT);
}

static void a_verdict_has_one_of_four_prefix_lengths(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{ "192.0.2.1", 0 },	     { "192.0.2.0/24", 0 },
		{ "192.0.2.0/25", -EINVAL }, { "192.0.0.0/16", -EINVAL },
		{ "2001:db8:1:2::/64", 0 },  { "2001:db8:1::/48", 0 },
		{ "2001:db8::1", -EINVAL },  { "2001:db8::/32", -EINVAL },
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix p = lab_prefix(cases[i].text);
		int got = verdict_map_set(w->dp, &p, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX);

		if (got != cases[i].want)
			fail_msg("%s: %d and not %d", cases[i].text, got, cases[i].want);
	}
}

static struct flow_key flow(const char *src, uint16_t sport)
{
	return (struct flow_key) { .src = lab_addr(src),
				   .dst = lab_addr("192.0.2.1"),
				   .sport = __builtin_bswap16(sport),
				   .dport = __builtin_bswap16(2000),
				   .proto = 17 };
}

static int count_verdict(const struct verdict_entry *e, void *ctx)
{
	*(int *)ctx += e->is_flow ? 100 : 1;
	return 0;
}

static int verdicts(struct world *w)
{
	int n = 0;

	assert_int_equal(verdict_map_each(w->dp, count_verdict, &n), 0);
	return n;
}

static void a_verdict_on_a_flow_leaves_the_sources_other_flows_alone(void **state)
{
	struct flow_key f = flow("192.0.2.7", 1111), g = flow("192.0.2.7", 2222);
	struct prefix host = lab_prefix("192.0.2.7");
	struct world *w = *state;
	struct verdict v;

	assert_int_equal(udp_from(w, "192.0.2.7", 1111), XDP_PASS);
	assert_int_equal(
		verdict_map_set_flow(w->dp, &f, VERDICT_DROP, VERDICT_REASON_OPERATOR, UINT64_MAX),
		0);
	assert_int_equal(udp_from(w, "192.0.2.7", 1111), XDP_DROP);
	assert_int_equal(udp_from(w, "192.0.2.7", 2222), XDP_PASS);
	assert_int_equal(verdict_map_get(w->dp, &host, &v), -ENOENT);
	assert_int_equal(verdicts(w), 100);
	assert_int_equal(
		verdict_map_set_flow(w->dp, &f, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX), 0);
	assert_int_equal(verdict_map_set_flow(w->dp, &g, VERDICT_DROP, VERDICT_REASON_AUTH, 1), 0);
	assert_int_equal(
		verdict_map_set(w->dp, &host, VERDICT_DROP_NEW, VERDICT_REASON_AUTH, UINT64_MAX),
		0);
	assert_int_equal(verdict_map_get(w->dp, &host, &v), 0);
	/* Without the verdict on the source, the flow's is still in force. */
	assert_int_equal(verdict_map_del(w->dp, &host), 0);
	assert_int_equal(udp_from(w, "192.0.2.7", 2222), XDP_PASS);
	assert_int_equal(udp_from(w, "192.0.2.7", 1111), XDP_DROP);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 1);
	assert_int_equal(verdict_map_del_flow(w->dp, &f), 0);
	assert_int_equal(verdict_map_del_flow(w->dp, &f), -ENOENT);
	assert_int_equal(udp_from(w, "192.0.2.7", 1111), XDP_PASS);
	assert_int_equal(verdicts(w), 0);
}

static uint8_t filter_of(struct world *w, const struct addr *source)
{
	const struct verdict_filter *f = pinned_map_mem(w->dp, "verdict_filter");

	assert_non_null(f);
	return f->bucket[verdict_filter_bucket(source)];
}

static void the_filter_has_a_bit_as_long_as_a_verdict_needs_it(void **state)
{
	struct prefix host = lab_prefix("192.0.2.7"), other = lab_prefix("192.0.2.8");
	struct flow_key f = flow("192.0.2.9", 1111);
	struct world *w = *state;

	assert_int_equal(
		verdict_map_set(w->dp, &host, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX), 0);
	assert_int_equal(
		verdict_map_set(w->dp, &other, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX), 0);
	assert_int_equal(verdict_map_set_flow(w->dp, &f, VERDICT_DROP, VERDICT_REASON_AUTH, 1), 0);
	assert_int_equal(filter_of(w, &host.addr), VERDICT_FILTER_SOURCE | VERDICT_FILTER_FLOW);
	assert_int_equal(verdict_map_del(w->dp, &host), 0);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 1);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 0);
	assert_int_equal(filter_of(w, &host.addr), VERDICT_FILTER_SOURCE);
	assert_int_equal(udp_from(w, "192.0.2.8", 1), XDP_DROP);
	assert_int_equal(verdict_map_del(w->dp, &other), 0);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 0);
	assert_int_equal(filter_of(w, &host.addr), 0);
}

static uint32_t no_verdicts(struct world *w)
{
	const struct drop_cache_state *state = pinned_map_mem(w->dp, "drop_cache_state");

	assert_non_null(state);
	return state->no_verdicts;
}

/* Behind the agent's back: in the map, and in the filter. */
static void plant_verdict(struct world *w, const char *source)
{
	struct verdict_filter *f = pinned_map_mem(w->dp, "verdict_filter");
	struct verdict_key key = { .len_bits = 128, .addr = lab_addr(source) };
	struct verdict v = { .until_ns = UINT64_MAX, .action = VERDICT_DROP };

	assert_non_null(f);
	f->bucket[verdict_filter_bucket(&key.addr)] |= VERDICT_FILTER_SOURCE;
	assert_int_equal(
		bpf_map_update_elem(pinned_map_fd(w->dp, "verdict_source"), &key, &v, BPF_ANY), 0);
}

static void packets_ask_for_verdicts_from_the_first_to_the_last_of_them(void **state)
{
	struct prefix host = lab_prefix("192.0.2.7"), planted = lab_prefix("192.0.2.8");
	struct conf_dataplane c = lab_conf(NULL);
	struct world *w = *state;

	assert_int_equal(no_verdicts(w), 0);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 0);
	assert_int_equal(no_verdicts(w), 1);
	plant_verdict(w, "192.0.2.8");
	assert_int_equal(udp_from(w, "192.0.2.8", 1), XDP_PASS);
	assert_int_equal(
		verdict_map_set(w->dp, &host, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX), 0);
	assert_int_equal(no_verdicts(w), 0);
	assert_int_equal(udp_from(w, "192.0.2.7", 1), XDP_DROP);
	assert_int_equal(udp_from(w, "192.0.2.8", 1), XDP_DROP);
	assert_int_equal(verdict_map_del(w->dp, &host), 0);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 0);
	assert_int_equal(no_verdicts(w), 0);
	assert_int_equal(verdict_map_del(w->dp, &planted), 0);
	assert_int_equal(verdict_map_sweep(w->dp, clock_now_ns()), 0);
	assert_int_equal(no_verdicts(w), 1);
	/* Who begins anew knows nothing: an agent may have been there that leaves the word alone. */
	plant_verdict(w, "192.0.2.8");
	dataplane_close(w->dp);
	c.max_verdicts = 16;
	c.max_meters = 8;
	w->dp = lab_dataplane(w->lab, &c);
	assert_int_equal(no_verdicts(w), 0);
	assert_int_equal(udp_from(w, "192.0.2.8", 1), XDP_DROP);
}

static void a_full_map_refuses_a_verdict_and_counts_it(void **state)
{
	struct prefix p = lab_prefix("198.51.100.1");
	struct world *w = *state;
	int i;

	for (i = 0; i < 16; i++) {
		p.addr.b[15] = (uint8_t)i;
		assert_int_equal(
			verdict_map_set(w->dp, &p, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX),
			0);
	}
	p.addr.b[15] = 99;
	assert_int_equal(verdict_map_set(w->dp, &p, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX),
			 -ENOSPC);
	assert_int_equal(verdict_map_refused(w->dp), 1);
	assert_int_equal(verdicts(w), 16);
}

static void drops_by_a_verdict_show_in_it(void **state)
{
	struct prefix host = lab_prefix("192.0.2.7");
	struct world *w = *state;
	struct verdict v;

	assert_int_equal(
		verdict_map_set(w->dp, &host, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX), 0);
	udp_from(w, "192.0.2.7", 1);
	udp_from(w, "192.0.2.7", 1);
	assert_int_equal(verdict_map_get(w->dp, &host, &v), 0);
	assert_int_equal(v.dropped_packets, 2);
	/* one that is made longer goes on counting */
	assert_int_equal(
		verdict_map_set(w->dp, &host, VERDICT_DROP, VERDICT_REASON_AUTH, UINT64_MAX), 0);
	udp_from(w, "192.0.2.7", 1);
	assert_int_equal(verdict_map_get(w->dp, &host, &v), 0);
	assert_int_equal(v.dropped_packets, 3);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_open, world_close)
	const struct CMUnitTest tests[] = {
		TEST(deny_and_allow_act_on_the_next_packet),
		TEST(an_applied_list_is_exactly_what_was_asked_for),
		TEST(a_verdict_on_a_source_is_in_force_until_it_expires),
		TEST(a_verdict_has_one_of_four_prefix_lengths),
		TEST(a_verdict_on_a_flow_leaves_the_sources_other_flows_alone),
		TEST(the_filter_has_a_bit_as_long_as_a_verdict_needs_it),
		TEST(packets_ask_for_verdicts_from_the_first_to_the_last_of_them),
		TEST(a_full_map_refuses_a_verdict_and_counts_it),
		TEST(drops_by_a_verdict_show_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
