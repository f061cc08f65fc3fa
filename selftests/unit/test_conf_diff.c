/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "conf_fixture.h"

#define PLAN	"plans: [{name: free}, {name: gold}]\n"
#define CLUSTER "clusters: [{name: a, endpoints: ['10.0.0.1:80', '10.0.0.2:80']}]\n"

static const struct {
	const char *from, *to;
	int mask;
	const char *text;
} changes[] = {
	{ "", "", 0, "" },
	{ "agent: {workers: 2}", "agent: {workers: auto}", CONF_TIER_RESTART,
	  "agent.workers: 2 -> auto\n" },
	{ "", "agent: {control_group: adm}", CONF_TIER_RESTART,
	  "agent.control_group: none -> adm\n" },
	{ "", "agent: {log_level: debug, drain_delay: 1500ms}", CONF_TIER_DATA,
	  "agent.log_level: info -> debug\nagent.drain_delay: 5s -> 1500ms\n" },
	/* another way to write what was there */
	{ "agent: {drain_delay: 60s}", "agent: {drain_delay: 1m}", 0, "" },
	{ "", "dataplane: {max_clients: 4096}", CONF_TIER_DATAPLANE,
	  "dataplane.max_clients: 262144 -> 4096\n" },
	{ "dataplane: {devices: [eth0]}",
	  "dataplane: {devices: [{name: eth0, mode: generic}, eth1]}", CONF_TIER_DATAPLANE,
	  "dataplane.devices: - {\"name\":\"eth0\",\"hook\":\"xdp\",\"mode\":\"auto\",\"attach\":\"auto\"}\n"
	  "dataplane.devices: + {\"name\":\"eth0\",\"hook\":\"xdp\",\"mode\":\"generic\",\"attach\":\"auto\"}\n"
	  "dataplane.devices: + {\"name\":\"eth1\",\"hook\":\"xdp\",\"mode\":\"auto\",\"attach\":\"auto\"}\n" },
	{ "acl: {deny: [10.0.0.0/8, 10.1.0.0/16]}", "acl: {deny: [10.2.0.0/16, 10.0.0.0/8]}",
	  CONF_TIER_DATA, "acl.deny: - 10.1.0.0/16\nacl.deny: + 10.2.0.0/16\n" },
	{ "limits: [{name: web, packets: {rate: 100/s, burst: 10}}]",
	  "limits: [{name: web, packets: {rate: 200/s, burst: 10}, bytes: {rate: 1MB/s}}]",
	  CONF_TIER_DATA,
	  "limits[web].packets.rate: 100/s -> 200/s\n"
	  "limits[web].bytes: none -> {\"rate\":\"1MB/s\",\"burst\":\"1MB\"}\n" },
	{ "limits: [{name: a, packets: {rate: 1/s}}, {name: b, packets: {rate: 1/s}}]",
	  "limits: [{name: b, packets: {rate: 1/s}}, {name: c, packets: {rate: 1/s}}]",
	  CONF_TIER_DATA, "limits[a]: removed\nlimits[c]: added\n" },
	/* the order of limits means nothing */
	{ "limits: [{name: a, packets: {rate: 1/s}}, {name: b, packets: {rate: 1/s}}]",
	  "limits: [{name: b, packets: {rate: 1/s}}, {name: a, packets: {rate: 1/s}}]", 0, "" },
	{ "vips: [{name: v, address: 10.9.9.9, port: 80, backends: [{name: b, address: 10.0.0.1}]}]",
	  "vips: [{name: v, address: 10.9.9.9, port: 80, backends: "
	  "[{name: b, address: 10.0.0.1, weight: 0, mac: '02:00:00:00:00:01'}]}]",
	  CONF_TIER_DATA,
	  "vips[v].backends[b].weight: 1 -> 0\n"
	  "vips[v].backends[b].mac: none -> 02:00:00:00:00:01\n" },
	{ "listeners: [{name: l, address: 10.0.0.1, port: 80}]",
	  "listeners: [{name: l, address: 10.0.0.1, port: 81}]", CONF_TIER_LISTENERS,
	  "listeners[l].port: 80 -> 81\n" },
	{ "listeners: [{name: l, address: 10.0.0.1, port: 80}]", "", CONF_TIER_LISTENERS,
	  "listeners[l]: removed\n" },
	{ "listeners: [{name: l, address: 10.0.0.1, port: 1, certificates: "
	  "[{certificate: /a, key: /b}, {certificate: /c, key: /d}]}]",
	  "listeners: [{name: l, address: 10.0.0.1, port: 1, certificates: "
	  "[{certificate: /c, key: /d}, {certificate: /a, key: /b}]}]",
	  CONF_TIER_DATA, "listeners[l].certificates: in another order\n" },
	{ CLUSTER, "clusters: [{name: a, endpoints: [{address: '10.0.0.2:80', weight: 3}]}]",
	  CONF_TIER_DATA,
	  "clusters[a].endpoints: - {\"address\":\"10.0.0.1:80\",\"weight\":1}\n"
	  "clusters[a].endpoints: - {\"address\":\"10.0.0.2:80\",\"weight\":1}\n"
	  "clusters[a].endpoints: + {\"address\":\"10.0.0.2:80\",\"weight\":3}\n" },
	{ CLUSTER "routes: [{name: r, hosts: [r], cluster: a}, {name: s, hosts: [s], cluster: a}]",
	  CLUSTER
	  "routes: [{name: s, hosts: [s], cluster: a}, {name: t, hosts: [t], cluster: a}, {name: r, hosts: [r], cluster: a, "
	  "policies: {api_key: {required: false}}}]",
	  CONF_TIER_ROUTES,
	  "routes[r].policies.api_key: none -> {\"required\":false,\"header\":\"x-api-key\"}\n"
	  "routes[r].policies.limit: off -> enforce\n"
	  "routes[t]: added\n"
	  "routes: in another order\n" },
	{ CLUSTER "routes: [{name: r, hosts: [r], cluster: a}, {name: s, hosts: [s], cluster: a}]",
	  CLUSTER
	  "routes: [{name: r, hosts: [r], cluster: a}, {name: t, hosts: [t], cluster: a}, {name: s, hosts: [s], cluster: a}]",
	  CONF_TIER_ROUTES, "routes[t]: added\n" },
	{ PLAN "consumers: [{name: c, plan: free, keys_sha256: ["
	       "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]}]",
	  PLAN
	  "consumers: [{name: c, plan: gold, keys_sha256: ["
	  "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752]}, {name: d, plan: free}]",
	  CONF_TIER_DATA,
	  "consumers[c].plan: free -> gold\n"
	  "consumers[c].keys_sha256: + 60303ae2\n"
	  "consumers[c].keys_sha256: - 9f86d081\n"
	  "consumers[d]: added\n" },
	{ "", "pushdown: {mode: shadow, steps: [{action: drop, ttl: 5s}]}", CONF_TIER_ROUTES,
	  "pushdown.mode: off -> shadow\n"
	  "pushdown.steps: - {\"action\":\"drop\",\"ttl\":\"1m\"}\n"
	  "pushdown.steps: + {\"action\":\"drop\",\"ttl\":\"5s\"}\n"
	  "pushdown.steps: - {\"action\":\"drop_new\",\"ttl\":\"10s\"}\n" },
};

static void test_what_a_change_touches_and_how_it_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct conf *from = conf_fixture(changes[i].from),
			    *to = conf_fixture(changes[i].to);
		struct buf text;

		buf_init(&text, 65536);
		assert_int_equal(conf_diff(from, to, &text), changes[i].mask);
		buf_add(&text, "", 1);
		assert_string_equal(buf_head(&text), changes[i].text);
		buf_clear(&text);
		/* the same mask the other way, and without a text */
		assert_int_equal(conf_diff(to, from, NULL), changes[i].mask);
		conf_free(from);
		conf_free(to);
	}
}

static void test_several_tiers_are_one_mask(void **state)
{
	struct conf *from = conf_fixture("");
	struct conf *to = conf_fixture("agent: {workers: 3, access_log: false}\n" CLUSTER
				       "listeners: [{name: l, address: 10.0.0.1, port: 80}]\n"
				       "dataplane: {unknown_l4: drop}");

	(void)state;
	assert_int_equal(conf_diff(from, to, NULL),
			 CONF_TIER_DATA | CONF_TIER_ROUTES | CONF_TIER_LISTENERS |
				 CONF_TIER_DATAPLANE | CONF_TIER_RESTART);
	conf_free(from);
	conf_free(to);
}

static void test_lines_that_do_not_fit_are_left_out_whole(void **state)
{
	struct conf *from = conf_fixture(""), *to;
	struct buf text;

	(void)state;
	to = conf_fixture("agent: {log_level: debug, access_log: false}\npushdown: {refusals: 7}");
	buf_init(&text, 40);
	assert_int_equal(conf_diff(from, to, &text), CONF_TIER_DATA | CONF_TIER_ROUTES);
	buf_add(&text, "", 1);
	assert_string_equal(buf_head(&text), "agent.log_level: info -> debug\n");
	buf_clear(&text);
	conf_free(from);
	conf_free(to);
}

static void test_large_lists_are_compared_in_linear_time(void **state)
{
	char *yaml = calloc(1, 4 << 20), *at = yaml;
	struct conf *from, *to;
	struct buf text;
	uint64_t start, ns;

	(void)state;
	at += sprintf(at, "acl:\n  deny:\n");
	for (int i = 0; i < 65536; i++)
		at += sprintf(at, "    - 10.%d.%d.0/24\n", i >> 8, i & 255);
	from = conf_fixture(yaml);
	strcpy(at, "    - 11.0.0.0/24\n");
	to = conf_fixture(yaml);
	buf_init(&text, 4096);
	start = clock_now_ns();
	assert_int_equal(conf_diff(from, to, &text), CONF_TIER_DATA);
	ns = clock_now_ns() - start;
	print_message("compared in %u ms\n", (unsigned int)(ns / NS_PER_MS));
	assert_true(ns < 5 * NS_PER_S);
	buf_add(&text, "", 1);
	assert_string_equal(buf_head(&text), "acl.deny: + 11.0.0.0/24\n");
	buf_clear(&text);
	conf_free(from);
	conf_free(to);
	free(yaml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_change_touches_and_how_it_reads),
		cmocka_unit_test(test_several_tiers_are_one_mask),
		cmocka_unit_test(test_lines_that_do_not_fit_are_left_out_whole),
		cmocka_unit_test(test_large_lists_are_compared_in_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
