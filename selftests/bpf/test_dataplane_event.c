/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes up from the programs: events, counters, and how full a map is. */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "base/addr.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/event_map.h"
#include "dataplane/stats_map.h"
#include "sluice/abi/client.h"

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

struct got {
	int n;
	struct event last;
};

static void on_event(const struct event *e, void *ctx)
{
	struct got *g = ctx;

	g->n++;
	g->last = *e;
}

static bool has_event(void *ctx)
{
	return ((struct got *)ctx)->n > 0;
}

static void a_drop_is_an_event_on_the_loop(void **state)
{
	struct prefix net = lab_prefix("203.0.113.0/24");
	struct world *w = *state;
	struct got got = { 0 };
	struct stats_count drops[DROP_REASON_COUNT], actions[STATS_ACTIONS];
	int i;

	assert_int_equal(event_map_start(w->dp, w->lab->loop, on_event, &got), 0);
	assert_int_equal(acl_map_add(w->dp, ACL_LIST_DENY, &net, ACL_FROM_FILE), 0);
	for (i = 0; i < 3; i++) {
		got.n = 0;
		assert_int_equal(udp_from(w, "203.0.113.9", 4242), XDP_DROP);
		lab_until(w->lab, has_event, &got);
	}
	assert_int_equal(got.last.type, EVENT_DROP);
	assert_int_equal(got.last.reason, DROP_ACL_DENY);
	assert_int_equal(got.last.flow.sport, __builtin_bswap16(4242));
	assert_int_equal(stats_map_drops(w->dp, drops), 0);
	assert_int_equal(drops[DROP_ACL_DENY].packets, 3);
	assert_int_equal(stats_map_actions(w->dp, actions), 0);
	assert_int_equal(actions[STATS_DROP].packets, 3);
	event_map_stop(w->dp);
}

static void a_sampled_count_is_near_the_true_one(void **state)
{
	struct world *w = *state;
	struct conf_dataplane c = lab_conf(NULL);
	struct client_key key = { .source = lab_addr("10.0.0.0") };
	struct client client = { 0 };
	uint32_t i, all, some;
	int fd;

	dataplane_close(w->dp);
	c.max_clients = 65536;
	c.max_verdicts = 16;
	c.max_meters = 8;
	w->dp = lab_dataplane(w->lab, &c);
	fd = pinned_map_fd(w->dp, "clients");
	for (i = 0; i < 20000; i++) {
		key.source.b[14] = (uint8_t)(i >> 8);
		key.source.b[15] = (uint8_t)i;
		assert_int_equal(bpf_map_update_elem(fd, &key, &client, 0), 0);
	}
	assert_int_equal(pinned_map_count(fd, 0, &all), 0);
	assert_int_equal(all, 20000);
	assert_int_equal(pinned_map_count(fd, 4096, &some), 0);
	assert_in_range(some, 18000, 22000);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_drop_is_an_event_on_the_loop),
		TEST(a_sampled_count_is_near_the_true_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
