/* SPDX-License-Identifier: BSD-2-Clause */
/* Whoever changes what packets are judged by says so to the drop cache; and what its hits are told. */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/capture_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/drop_cache_map.h"
#include "dataplane/verdict_map.h"
#include "dataplane/vip_map.h"
#include "limit_lab.h"

static uint32_t generation(struct limit_lab *w)
{
	const struct drop_cache_state *state = pinned_map_mem(w->dp, "drop_cache_state");

	assert_non_null(state);
	return state->generation;
}

static void no_packet(const struct capture_packet *p, void *ctx)
{
	(void)p;
	(void)ctx;
}

/* One call of each accessor that changes a map of policy. */
struct change {
	const char *name;
	void (*make)(struct limit_lab *w);
};

static void add_allow(struct limit_lab *w)
{
	struct prefix p = lab_prefix("203.0.113.5");

	assert_int_equal(acl_map_add(w->dp, ACL_LIST_ALLOW, &p, ACL_FROM_OPERATOR), 0);
}

static void del_allow(struct limit_lab *w)
{
	struct prefix p = lab_prefix("203.0.113.5");

	assert_int_equal(acl_map_del(w->dp, ACL_LIST_ALLOW, &p), 0);
}

static void apply_deny(struct limit_lab *w)
{
	struct prefix p = lab_prefix("10.0.0.0/8");
	struct errmsg err;

	assert_int_equal(acl_map_apply(w->dp, ACL_LIST_DENY, &p, 1, ACL_FROM_FILE, &err), 0);
}

static void apply_feed(struct limit_lab *w)
{
	struct errmsg err;

	assert_int_equal(acl_map_apply_feed(w->dp, &err), 0);
}

static void set_verdict(struct limit_lab *w)
{
	struct prefix p = lab_prefix("192.0.2.7");

	assert_int_equal(verdict_map_set(w->dp, &p, VERDICT_DROP, VERDICT_REASON_OPERATOR,
					 clock_now_ns() + NS_PER_S),
			 0);
}

static void del_verdict(struct limit_lab *w)
{
	struct prefix p = lab_prefix("192.0.2.7");

	assert_int_equal(verdict_map_del(w->dp, &p), 0);
}

static void set_flow(struct limit_lab *w)
{
	struct flow_key flow = { .src = lab_addr("192.0.2.7"), .proto = 17 };

	assert_int_equal(verdict_map_set_flow(w->dp, &flow, VERDICT_DROP, VERDICT_REASON_OPERATOR,
					      clock_now_ns() + NS_PER_S),
			 0);
}

static void del_flow(struct limit_lab *w)
{
	struct flow_key flow = { .src = lab_addr("192.0.2.7"), .proto = 17 };

	assert_int_equal(verdict_map_del_flow(w->dp, &flow), 0);
}

static void apply_limits(struct limit_lab *w)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = limit_lab_burst("web", 10, &net);

	limit_lab_apply(w, &web, 1);
}

static void refuse_limits(struct limit_lab *w)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = limit_lab_burst("web", 10, &net);
	struct errmsg err;

	web.rows = 1U << 30;
	assert_true(limit_lab_try(w, &web, 1, &err) < 0);
}

static void rotate(struct limit_lab *w)
{
	assert_true(limit_map_rotate(w->dp) > 0);
	assert_int_equal(limit_map_rotate_end(w->dp), 0);
}

static void prove(struct limit_lab *w)
{
	struct addr source = lab_addr("192.0.2.9");

	assert_int_equal(limit_map_prove(w->dp, &source, NULL, 0, CLIENT_PROVEN_AGENT), 0);
}

static void apply_vips(struct limit_lab *w)
{
	struct conf conf = { 0 };
	struct errmsg err;

	assert_int_equal(vip_map_apply(w->dp, w->lab->loop, &conf, &err), 0);
}

static void capture(struct limit_lab *w)
{
	const struct capture_ask ask = { .reasons = ~0ULL, .per_s = 10, .for_ns = NS_PER_S };

	assert_int_equal(capture_map_start(w->dp, w->lab->loop, &ask, no_packet, NULL), 0);
	capture_map_stop(w->dp);
}

static void reopen(struct limit_lab *w)
{
	limit_lab_reopen(w, 1024);
}

static void each_change_makes_what_was_remembered_void(void **state)
{
	static const struct change changes[] = {
		{ "an allow prefix added", add_allow },
		{ "and removed", del_allow },
		{ "a deny list applied", apply_deny },
		{ "a feed applied", apply_feed },
		{ "a verdict set", set_verdict },
		{ "and removed", del_verdict },
		{ "a verdict on a flow set", set_flow },
		{ "and removed", del_flow },
		{ "limits applied", apply_limits },
		{ "limits refused half-way", refuse_limits },
		{ "the key of the rows changed", rotate },
		{ "a source proven", prove },
		{ "vips applied", apply_vips },
		{ "a capture", capture },
		{ "another agent, other sizes", reopen },
	};
	struct limit_lab *w = *state;
	uint32_t before;
	size_t i;

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		before = generation(w);
		changes[i].make(w);
		if (generation(w) == before)
			fail_msg("%s: nobody was told", changes[i].name);
	}
}

static struct drop_cache_entry hits_of(struct limit_lab *w, size_t *ret_n)
{
	struct drop_cache_entry *hits = NULL, first = { 0 };

	assert_int_equal(drop_cache_map_hits(w->dp, &hits, ret_n), 0);
	if (*ret_n)
		first = hits[0];
	free(hits);
	return first;
}

static int find_drops(const struct verdict_entry *e, void *ctx)
{
	if (!e->is_flow)
		*(uint64_t *)ctx += e->verdict.dropped_packets;
	return 0;
}

/* Sampling lets the first packets of a window past the cache, so many are sent. */
static void hits_are_in_what_a_verdict_has_dropped(void **state)
{
	struct lab_frame f = lab_ipv4("192.0.2.7", "192.0.2.1", 17, 1, 53);
	struct prefix source = lab_prefix("192.0.2.7");
	struct limit_lab *w = *state;
	struct drop_cache_entry e;
	struct verdict v;
	uint64_t sum = 0, sent;
	size_t n = 0;

	assert_int_equal(verdict_map_set(w->dp, &source, VERDICT_DROP, VERDICT_REASON_OPERATOR,
					 clock_now_ns() + 600 * NS_PER_S),
			 0);
	for (sent = 0; sent < 100000 && n == 0; sent++) {
		assert_int_equal(lab_test_run(w->lab, f.bytes, f.n), XDP_DROP);
		if (sent % 16 == 15)
			e = hits_of(w, &n);
	}
	assert_true(n > 0);
	assert_true(
		drop_cache_map_is_of(&e, &(struct verdict_key) { source.len_bits, source.addr }));
	assert_int_equal(verdict_map_get(w->dp, &source, &v), 0);
	assert_int_equal(v.dropped_packets, sent);
	assert_int_equal(verdict_map_each(w->dp, find_drops, &sum), 0);
	assert_int_equal(sum, sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_change_makes_what_was_remembered_void,
						limit_lab_open, limit_lab_close),
		cmocka_unit_test_setup_teardown(hits_are_in_what_a_verdict_has_dropped,
						limit_lab_open, limit_lab_close),
	};

	return cmocka_run_group_tests_name("dataplane_drop_cache", tests, NULL, NULL);
}
