/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "conf_fixture.h"
#include "sluice/abi/verdict.h"

static void test_an_empty_file_is_all_defaults(void **state)
{
	static const char *const rows[] = { "", "# nothing\n", "---\n", "{}", "null", "agent:\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *conf = conf_fixture(rows[i]);

		assert_int_equal(conf->agent.workers, 0);
		assert_string_equal(conf->agent.user, "sluice");
		assert_string_equal(conf->agent.bpffs_dir, "/sys/fs/bpf/sluice");
		assert_null(conf->agent.control_group);
		assert_int_equal(conf->agent.internal_port, 9901);
		assert_int_equal(conf->agent.drain_timeout_ms, 30000);
		assert_true(conf->agent.access_log);
		assert_false(conf->dataplane.enabled);
		assert_int_equal(conf->dataplane.max_clients, 262144);
		assert_int_equal(conf->dataplane.ring_size, 65537);
		assert_int_equal(conf->pushdown.mode, CONF_OFF);
		assert_int_equal(conf->pushdown.n_steps, 2);
		assert_int_equal(conf->pushdown.steps[0].action, VERDICT_DROP_NEW);
		assert_int_equal(conf->pushdown.steps[1].ttl_ms, 60000);
		assert_int_equal(conf->n_limits + conf->n_routes + conf->n_consumers, 0);
		conf_free(conf);
	}
}

static void test_the_example_says_what_it_says(void **state)
{
	char *text = conf_fixture_file("docs/example/sluice.yaml"), addr[ADDR_TEXT_MAX];
	struct conf *conf = conf_fixture(text);
	const struct conf_route *api = &conf->routes[0];

	(void)state;
	assert_true(conf->dataplane.enabled);
	assert_string_equal(conf->dataplane.devices[0].name, "eth0");
	assert_int_equal(conf->acl.n_allow, 2);
	assert_string_equal(prefix_format(&conf->acl.deny[0], addr), "198.51.100.0/24");
	assert_int_equal(conf->limits[0].unit[LIMIT_PACKETS].count, 50000);
	assert_int_equal(conf->limits[0].unit[LIMIT_BYTES].count, 100000000);
	assert_int_equal(conf->limits[0].unit[LIMIT_BYTES].burst, 10000000);
	assert_int_equal(conf->limits[1].unit[LIMIT_PACKETS].burst, 1000);
	assert_int_equal(conf->limits[1].unit[LIMIT_BYTES].count, 0);
	assert_true(conf->limits[1].dry_run);
	assert_int_equal(conf->vips[0].protocol, IPPROTO_TCP);
	assert_int_equal(conf->vips[0].backends[1].weight, 2);
	assert_false(conf->vips[0].backends[1].has_mac);
	assert_int_equal(conf->vips[1].protocol, IPPROTO_UDP);
	assert_string_equal(conf->vips[1].limit, "dns");
	assert_true(conf->vips[1].backends[0].has_mac);
	assert_memory_equal(conf->vips[1].backends[0].mac, "\x02\x00\x5e\x10\x00\x01", 6);
	assert_int_equal(conf->listeners[0].max_header_bytes, 32768);
	assert_int_equal(conf->listeners[0].n_certificates, 1);
	assert_int_equal(conf->clusters[0].endpoints[0].port, 8080);
	assert_int_equal(conf->clusters[0].endpoints[0].weight, 1);
	assert_int_equal(conf->clusters[0].endpoints[1].weight, 2);
	assert_true(api->policies.api_key_required);
	assert_string_equal(api->policies.api_key_header, "x-api-key");
	assert_int_equal(api->policies.n_plans, 2);
	assert_int_equal(api->policies.limit, CONF_ENFORCE);
	assert_null(conf->routes[1].policies.api_key_header);
	assert_int_equal(conf->plans[0].limits[1].rate.period_ns, 86400 * NS_PER_S);
	assert_int_equal(conf->consumers[0].keys_sha256[0][0], 0x9f);
	assert_int_equal(conf->pushdown.mode, CONF_SHADOW);
	assert_ptr_equal(conf_consumer(conf, "bob"), &conf->consumers[1]);
	assert_ptr_equal(conf_vip(conf, "web"), &conf->vips[0]);
	assert_ptr_equal(conf_cluster(conf, "site"), &conf->clusters[1]);
	assert_ptr_equal(conf_plan(conf, "gold"), &conf->plans[1]);
	assert_ptr_equal(conf_limit(conf, "dns"), &conf->limits[1]);
	assert_null(conf_limit(conf, "gold"));
	conf_free(conf);
	free(text);
}

static void test_clear_keys_become_their_sha256(void **state)
{
	struct conf *conf = conf_fixture(
		"plans: [{name: p}]\n"
		"consumers: [{name: c, plan: p, keys: [test-of-16-bytes], keys_sha256: "
		"[60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752]}]\n");

	(void)state;
	assert_int_equal(conf->consumers[0].n_keys, 2);
	/* sha256sum of "test-of-16-bytes" and of "test2" */
	assert_memory_equal(conf->consumers[0].keys_sha256[0], "\x41\xfe\xab\xe3\xdb\x99\x7f\xed",
			    8);
	assert_memory_equal(conf->consumers[0].keys_sha256[1], "\x60\x30\x3a\xe2\x2b\x99\x88\x61",
			    8);
	conf_free(conf);
}

static void test_yaml_that_a_configuration_has_no_use_for_is_refused_by_name(void **state)
{
	static const struct wrong rows[] = {
		{ "agent: &a {}", 1, 8, "anchors are not supported" },
		{ "agent: *a", 1, 8, "aliases are not supported" },
		{ "*a : 1", 1, 1, "aliases are not supported" },
		{ "agent: !!map {}", 1, 8, "tags are not supported" },
		{ "agent: {user: !x y}", 1, 15, "tags are not supported" },
		{ "agent: {}\n---\nagent: {}", 2, 1, "a second document" },
		{ "? [a]\n: b", 1, 3, "a key is a word" },
		{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", 1, 17, "nested too deeply" },
		{ "agent: {user: \"a\\0b\"}", 1, 15, "NUL" },
		{ "\"a\\0b\": 1", 1, 1, "NUL" },
		{ "agent: {user: a\xff}", 1, 16, "not UTF-8" },
		{ "agent: {user: \xed\xa0\x80}", 1, 15, "not UTF-8" },
		{ "agent: {user: \xc0\x80}", 1, 15, "not UTF-8" },
		{ "agent:\n  user: a\x01", 2, 10, "control character" },
		{ "agent: {user: a", 2, 1, "YAML syntax" },
		{ "agent:\n\tuser: a", 2, 1, "YAML syntax" },
		{ "agent: {user: a}}", 1, 17, "YAML syntax" },
		{ "text", 1, 1, "has to be a map of settings; this is a single value" },
		{ "[]", 1, 1, "has to be a map of settings; this is a list" },
	};
	struct conf_errors errors;
	struct conf *conf = NULL;

	(void)state;
	CHECK_WRONG(rows);
	/* a NUL that is there as such */
	assert_int_equal(conf_parse("agent: {}\n\0", 11, &conf, &errors), -EINVAL);
	assert_true(conf_fixture_says(&errors, 2, 1, "control character 0x00"));
}

static const struct wrong wrong_settings[] = {
	{ "agnet: {}", 1, 1, "agnet: no such setting; did you mean agent?" },
	{ "zzzzzz: {}", 1, 1, "zzzzzz: no such setting; there are agent, dataplane" },
	{ "agent: {\n  worker: 3}", 2, 3, "agent.worker: no such setting; did you mean" },
	{ "agent: {user: a, user: b}", 1, 18, "agent.user: given twice; first in line 1" },
	{ "agent: {user: [a]}", 1, 15, "has to be text; this is a list" },
	{ "agent: {user: {}}", 1, 15, "has to be text; this is a map" },
	{ "agent: {user: ''}", 1, 15, "is empty" },
	{ "agent: [a]", 1, 8, "agent: has to be a map of settings; this is a list" },
	{ "agent: {workers: 65}", 1, 18, "'65' is out of range; from 1 to 64" },
	{ "agent: {workers: 0}", 1, 18, "'0' is out of range; from 1 to 64" },
	{ "agent: {workers: many}", 1, 18, "'many' is not a whole number or auto" },
	{ "agent: {log_level: inof}", 1, 20, "did you mean info?" },
	{ "agent: {access_log: yes}", 1, 21, "'yes' is not true or false" },
	{ "agent: {internal: localhost:80}", 1, 19, "is not an address and port" },
	{ "agent: {state_dir: var}", 1, 20, "'var' is not an absolute path" },
	{ "agent: {drain_delay: 10}", 1, 22, "'10' is not a duration; write e.g." },
	{ "agent: {drain_delay: 2h}", 1, 22, "'2h' is out of range; from 0s to 1h" },
	{ "dataplane: {ring_size: 65536}", 1, 24, "65536 is not a prime" },
	{ "dataplane: {limit_key_lifetime: 59s}", 1, 33, "is less than 1m" },
	{ "dataplane: {ring_size: 65538}", 1, 24, "out of range; from 3 to 65537" },
	{ "dataplane: {enabled: true}", 1, 22, "needs a device" },
	{ "dataplane: {devices: [a/b]}", 1, 23, "devices[0]: 'a/b' is not the name" },
	{ "dataplane: {devices: eth0}", 1, 22,
	  "has to be a list; this is a single value, write [it]" },
	{ "dataplane: {devices: [eth0, {name: eth0}]}", 1, 36, "is there already" },
	{ "acl: {deny: [192.0.2.1/24]}", 1, 14,
	  "has bits set behind the prefix; write 192.0.2.0/24" },
	{ "acl: {deny: ['2001:db8::1/32']}", 1, 14, "write 2001:db8::/32" },
	{ "acl: {deny: [10.0.0.0/33]}", 1, 14, "is not a prefix" },
	{ "acl: {allow: ['2001:db8::/65']}", 1, 15, "would never match" },
	{ "acl: {deny: [10.0.0.0/8, 10.0.0.0/8]}", 1, 26,
	  "is there already: acl.deny[0] in line 1" },
	{ "listeners: [{name: a, address: 0.0.0.0}]", 1, 13, "listeners[a]: port is missing" },
	{ "listeners: [{name: a, address: ::, port: 0}]", 1, 32, "needs quotes" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 0}]", 1, 48, "from 1 to 65535" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 70000}]", 1, 48, "from 1 to 65535" },
	{ "clusters: [{name: A, endpoints: ['10.0.0.1:80']}]", 1, 19, "'A' is not a name" },
	{ "clusters: [{name: a}]", 1, 12, "clusters[a]: endpoints is missing" },
	{ "clusters: [{name: a, endpoints: [1.2.3.4]}]", 1, 34, "is not an address and port" },
	{ "consumers: [{name: a, plan: p, keys_sha256: [ab]}]", 1, 46,
	  "64 hex digits; this has 2" },
	{ "consumers: [{name: a, plan: p, keys: [\"a b\"]}]", 1, 39, "could not be sent" },
};

static void test_each_wrong_setting_is_named_with_what_would_be_right(void **state)
{
	(void)state;
	CHECK_WRONG(wrong_settings);
}

static void test_keys_are_never_shown_in_errors(void **state)
{
	static const char yaml[] =
		"plans: [{name: p}]\n"
		"consumers: [{name: a, plan: p, keys: [\"se cret\", {a: secret}],"
		" keys_sha256: [secret]}]";
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_parse(yaml, strlen(yaml), &conf, &errors), -EINVAL);
	assert_int_equal(errors.n, 3);
	for (size_t i = 0; i < errors.n; i++)
		assert_null(strstr(errors.error[i].text, "cret"));
}

static void test_vips_that_contradict_each_other_are_refused(void **state)
{
#define VIP "address: 203.0.113.1, port: 80"
	static const struct wrong rows[] = {
		{ "vips: [{name: a, " VIP "},\n {name: b, " VIP "}]", 2, 21,
		  "another vip has this address, port and protocol: vips[a].address in line 1" },
		{ "vips: [{name: a, " VIP ", limit: x}]", 1, 57, "there is no limit 'x'" },
		{ "limits: [{name: default, packets: {rate: 1/s}}]\nvips: [{name: a, " VIP
		  ", limit: defualt}]",
		  2, 57, "there is no limit 'defualt'; did you mean default?" },
		{ "vips: [{name: a, " VIP ", backends: [{name: b, address: '2001:db8::1'}]}]", 1,
		  80, "the vip is IPv4" },
		{ "vips: [{name: a, " VIP ", backends: [{name: b, address: 203.0.113.1}]}]", 1, 80,
		  "is the vip itself" },
		{ "vips: [{name: a, " VIP ", backends: [{name: b, address: 10.0.0.1},\n"
		  "{name: b, address: 10.0.0.2}, {name: c, address: 10.0.0.1}]}]",
		  2, 8, "two of this name; the first is in line 1" },
		{ "vips: [{name: a, " VIP ", backends: [{name: b, address: 10.0.0.1},\n"
		  "{name: b, address: 10.0.0.2}, {name: c, address: 10.0.0.1}]}]",
		  2, 50, "another backend has this address" },
		{ "vips: [{name: a, " VIP ", backends: [{name: b, address: 10.0.0.1, mac: "
		  "'01:00:00:00:00:00'}]}]",
		  1, 95, "is not the MAC address of one host" },
		{ "dataplane: {max_vips: 2}\nvips: [{name: a, " VIP
		  "}, {name: b, address: 203.0.113.2, port: 80}]",
		  2, 7, "2 vips; dataplane.max_vips is 2" },
		{ "dataplane: {max_backends: 2}\nvips: [{name: a, " VIP
		  ", backends: [{name: b, address: 10.0.0.1}, {name: c, address: 10.0.0.2}]}]",
		  2, 7, "2 backends; dataplane.max_backends is 2" },
		{ "dataplane: {ring_size: 3}\nvips: [{name: a, " VIP
		  ", backends: [{name: b, address: 10.0.0.1}, {name: c, address: 10.0.0.2},"
		  " {name: d, address: 10.0.0.3}, {name: e, address: 10.0.0.4}]}]",
		  2, 60, "4 backends; dataplane.ring_size has 3 slots" },
		{ "vips: [{name: a, " VIP ", ring_size: 3,"
		  " backends: [{name: b, address: 10.0.0.1}, {name: c, address: 10.0.0.2},"
		  " {name: d, address: 10.0.0.3}, {name: e, address: 10.0.0.4}]}]",
		  1, 74, "4 backends; ring_size has 3 slots" },
		{ "vips: [{name: a, " VIP ", ring_size: 100}]", 1, 61, "100 is not a prime" },
		{ "vips: [{name: a, " VIP ", ring_size: 1}]", 1, 61, "1 is not a prime" },
		{ "dataplane: {ring_size: 251}\nvips: [{name: a, " VIP ", ring_size: 257}]", 2, 61,
		  "257 is more than dataplane.ring_size, 251" },
		{ "vips: [{name: a, " VIP ", affinity: cookie}]", 1, 60,
		  "is not one of flow, client" },
	};

	(void)state;
	CHECK_WRONG(rows);
	/* the same port over UDP is another vip; no backend, or none of weight, can be said */
	conf_free(conf_fixture("vips: [{name: a, " VIP "}, {name: b, " VIP ", protocol: udp, "
			       "backends: [{name: b, address: 10.0.0.1, weight: 0}]}]"));
}

static const struct wrong wrong_gateways[] = {
	{ "listeners: [{name: a, address: 0.0.0.0, port: 443},\n"
	  " {name: b, address: 127.0.0.1, port: 443}]",
	  2, 21, "port 443 is taken by listeners[a].address" },
	{ "listeners: [{name: a, address: 0.0.0.0, port: 9901}]", 1, 32,
	  "port 9901 is taken by agent.internal" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 1, certificates: [{certificate: /c}]}]",
	  1, 66, "key is missing" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 1, client_auth: {mode: required, ca: /c}}]",
	  1, 71, "the listener has no certificates" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 1, client_auth: {mode: optional}, "
	  "certificates: [{certificate: /c, key: /k}]}]",
	  1, 71, "needs ca" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 1, tls: {min_version: TLSv1.3, max_version: TLSv1.2}}]",
	  1, 70, "min_version is newer than max_version" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 1, tls: {ciphers: [AES128-SHA]}}]", 1, 67,
	  "is not one of ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 1, proxy_protocol: {others: serve}}]", 1,
	  67, "from is missing" },
	{ "listeners: [{name: a, address: 10.1.1.1, port: 1, max_header_bytes: 1KiB}]", 1, 13,
	  "max_uri_bytes is more than max_header_bytes" },
	{ "routes: [{name: r, cluster: c}]", 1, 29, "there is no cluster 'c'" },
	{ "clusters: [{name: c, endpoints: ['10.0.0.1:80']}]\nroutes: [{name: r, cluster: c, listeners: [l]}]",
	  2, 44, "there is no listener 'l'" },
	{ "clusters: [{name: c, endpoints: ['10.0.0.1:80']}]\nplans: [{name: p}]\n"
	  "routes: [{name: r, cluster: c, policies: {authorise: {plans: [p, q]}}}]",
	  3, 66, "there is no plan 'q'" },
	{ "clusters: [{name: c, endpoints: ['10.0.0.1:80']}]\nplans: [{name: p}]\n"
	  "routes: [{name: r, cluster: c, policies: {authorise: {plans: [p]}}}]",
	  3, 54, "add api_key" },
	{ "routes: [{name: r, cluster: c, hosts: ['a.b:80']}]", 1, 40, "has a port" },
	{ "routes: [{name: r, cluster: c, hosts: ['a.*']}]", 1, 40, "is not a host" },
	{ "routes: [{name: r, cluster: c, paths: [v1]}]", 1, 40, "is not a path" },
	{ "routes: [{name: r, cluster: c, paths: [/a/../b]}]", 1, 40, "can match nothing" },
	{ "routes: [{name: r, cluster: c, paths: [/a%2]}]", 1, 40, "without two hex digits" },
	{ "plans: [{name: p}]\nconsumers: [{name: a, plan: p, keys: [key-of-sixteen-0]},\n"
	  " {name: b, plan: p, keys: [key-of-sixteen-0]}]",
	  3, 28, "a key belongs to one consumer; this one is also consumers[a].keys[0]" },
	{ "dataplane: {max_meters: 2}\nplans: [{name: p, limits: [{name: l, rate: 1/s}]}]\n"
	  "consumers: [{name: a, plan: p}, {name: b, plan: p}]",
	  3, 12, "need 2 meters; dataplane.max_meters is 2" },
	{ "pushdown: {mode: enforce, steps: []}", 1, 34, "there is no step" },
};

static void test_a_gateway_that_contradicts_itself_is_refused(void **state)
{
	(void)state;
	CHECK_WRONG(wrong_gateways);
	/* the families do not meet, nor do two addresses */
	conf_free(conf_fixture(
		"listeners: [{name: a, address: 0.0.0.0, port: 1},"
		"{name: b, address: '::', port: 1}, {name: c, address: 10.0.0.1, port: 2},"
		"{name: d, address: 10.0.0.2, port: 2}]"));
}

static void test_all_errors_come_at_once_in_order_of_line(void **state)
{
	static const char yaml[] = "pushdown: {mode: on}\n"
				   "agent: {workers: x, user: ''}\n"
				   "routes: [{name: r, cluster: gone}]\n"
				   "vips: [{name: a, address: x, port: 1}]\n"
				   "nothing: 1\n";
	static const uint32_t lines[] = { 1, 2, 2, 3, 4, 5 };
	struct conf_errors errors;
	struct conf *conf;
	struct buf out;

	(void)state;
	assert_int_equal(conf_parse(yaml, strlen(yaml), &conf, &errors), -EINVAL);
	assert_int_equal(errors.n, 6);
	for (size_t i = 0; i < errors.n; i++)
		assert_int_equal(errors.error[i].line, lines[i]);
	buf_init(&out, 4096);
	assert_int_equal(conf_errors_format(&errors, "f.yaml", &out), 0);
	buf_add(&out, "", 1);
	assert_non_null(strstr(buf_head(&out), "f.yaml:5:1: nothing: no such setting"));
	buf_clear(&out);
}

static void test_errors_past_the_hundredth_are_counted(void **state)
{
	char yaml[8192] = "acl:\n  deny:\n";
	struct conf_errors errors;
	struct conf *conf;
	struct buf out;

	(void)state;
	for (int i = 0; i < 150; i++)
		strcat(yaml, "    - nonsense\n");
	assert_int_equal(conf_parse(yaml, strlen(yaml), &conf, &errors), -EINVAL);
	assert_int_equal(errors.n, CONF_ERRORS_MAX);
	assert_int_equal(errors.suppressed, 50);
	buf_init(&out, 65536);
	assert_int_equal(conf_errors_format(&errors, "f", &out), 0);
	buf_add(&out, "", 1);
	assert_non_null(strstr(buf_head(&out), "f: 50 more errors are not shown\n"));
	buf_clear(&out);
}

/* One broken name is one error, and not one more for each reference to it. */
static void test_an_error_does_not_make_others(void **state)
{
	static const char limits[] = "limits: [{name: a, sources: [x], packets: {rate: 1/s}},"
				     " {name: b, sources: ['::/0'], packets: {rate: 1/s}}]";
	static const char *const rows[] = {
		"clusters: [{name: Api, endpoints: ['10.0.0.1:80']}]\nroutes: [{name: r, cluster: api}]",
		"limits: [{name: a, packets: {rate: x, burst: 5}}]",
		"acl: {deny: [x]}",
		"clusters: {name: c}",
		limits,
		"pushdown: {mode: enforce, steps: x}",
		"listeners: [{name: a, address: x, port: 1}, {name: b, address: '::', port: 1}]",
	};
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(conf_parse(rows[i], strlen(rows[i]), &conf, &errors), -EINVAL);
		assert_int_equal(errors.n, 1);
	}
}

static void test_a_dump_is_read_back_and_dumped_equal(void **state)
{
	char *text = conf_fixture_file("docs/example/sluice.yaml");
	struct conf *conf = conf_fixture(text), *again;
	struct buf first, second;

	(void)state;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	assert_int_equal(conf_dump(conf, CONF_DUMP_FULL, &first), 0);
	buf_add(&first, "", 1);
	again = conf_fixture(buf_head(&first));
	assert_int_equal(conf_dump(again, CONF_DUMP_FULL, &second), 0);
	buf_add(&second, "", 1);
	assert_string_equal(buf_head(&first), buf_head(&second));
	assert_int_equal(conf_diff(conf, again, NULL), 0);
	buf_clear(&first);
	buf_clear(&second);
	conf_free(again);
	conf_free(conf);
	free(text);
}

static void test_strings_survive_a_dump_whatever_is_in_them(void **state)
{
	struct conf *conf = conf_fixture(
			    "agent: {user: \"null\", worker_user: 'true', control_group: "
			    "'a\"b\\c: # é', state_dir: '/~'}\n"),
		    *again;
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(conf_dump(conf, CONF_DUMP_FULL, &out), 0);
	buf_add(&out, "", 1);
	again = conf_fixture(buf_head(&out));
	assert_string_equal(again->agent.user, "null");
	assert_string_equal(again->agent.worker_user, "true");
	assert_string_equal(again->agent.control_group, "a\"b\\c: # é");
	assert_int_equal(conf_diff(conf, again, NULL), 0);
	buf_clear(&out);
	conf_free(again);
	conf_free(conf);
}

static void test_a_redacted_dump_cuts_keys(void **state)
{
	struct conf *conf =
		conf_fixture("plans: [{name: p}]\n"
			     "consumers: [{name: c, plan: p, keys: [test-of-16-bytes]}]\n");
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(conf_dump(conf, CONF_DUMP_REDACTED, &out), 0);
	buf_add(&out, "", 1);
	assert_non_null(strstr(buf_head(&out), "\"keys_sha256\":[\"41feabe3\"]"));
	buf_clear(&out);
	/* what does not fit leaves nothing behind */
	buf_init(&out, 100);
	buf_add(&out, "x", 1);
	assert_int_equal(conf_dump(conf, CONF_DUMP_FULL, &out), -ENOSPC);
	assert_int_equal(buf_len(&out), 1);
	buf_clear(&out);
	conf_free(conf);
}

/* 65,536 prefixes and 10,000 consumers; a quadratic check would take minutes. */
static char *large_file(void)
{
	char *yaml = calloc(1, 4 << 20), *at = yaml;

	at += sprintf(at, "acl:\n  deny:\n");
	for (int i = 0; i < 65536; i++)
		at += sprintf(at, "    - 10.%d.%d.0/24\n", i >> 8, i & 255);
	at += sprintf(at, "plans: [{name: p, limits: [{name: l, rate: 1/s}]}]\nconsumers:\n");
	for (int i = 0; i < 10000; i++)
		at += sprintf(at, "  - {name: c%d, plan: p, keys: [key-of-sixteen-%d]}\n", i, i);
	return yaml;
}

static void test_a_large_file_is_read_in_linear_time(void **state)
{
	char *yaml = large_file();
	uint64_t start = clock_now_ns(), ns;
	struct conf *conf = conf_fixture(yaml);

	(void)state;
	ns = clock_now_ns() - start;
	print_message("parsed in %u ms\n", (unsigned int)(ns / NS_PER_MS));
	assert_int_equal(conf->acl.n_deny, 65536);
	assert_non_null(conf_consumer(conf, "c9999"));
	/* 200 ms when built for speed; sanitizers and a busy machine take their share */
	assert_true(ns < 5 * NS_PER_S);
	conf_free(conf);
	free(yaml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_file_is_all_defaults),
		cmocka_unit_test(test_the_example_says_what_it_says),
		cmocka_unit_test(test_clear_keys_become_their_sha256),
		cmocka_unit_test(test_yaml_that_a_configuration_has_no_use_for_is_refused_by_name),
		cmocka_unit_test(test_each_wrong_setting_is_named_with_what_would_be_right),
		cmocka_unit_test(test_keys_are_never_shown_in_errors),
		cmocka_unit_test(test_vips_that_contradict_each_other_are_refused),
		cmocka_unit_test(test_a_gateway_that_contradicts_itself_is_refused),
		cmocka_unit_test(test_all_errors_come_at_once_in_order_of_line),
		cmocka_unit_test(test_errors_past_the_hundredth_are_counted),
		cmocka_unit_test(test_an_error_does_not_make_others),
		cmocka_unit_test(test_a_dump_is_read_back_and_dumped_equal),
		cmocka_unit_test(test_strings_survive_a_dump_whatever_is_in_them),
		cmocka_unit_test(test_a_redacted_dump_cuts_keys),
		cmocka_unit_test(test_a_large_file_is_read_in_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
