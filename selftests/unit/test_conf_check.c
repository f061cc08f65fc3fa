/* SPDX-License-Identifier: BSD-2-Clause */
/* What no single setting can say, and what a file may say and cannot have meant. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_fixture.h"

#define CLUSTER "clusters: [{name: c, endpoints: ['10.0.0.1:80']}]\n"
#define KEY	"key-of-sixteen-0"
#define VIP	"name: v, address: 203.0.113.1, port: 80"
#define STEER(address, rows)           \
	"dataplane: {enabled: true}\n" \
	"listeners: [{name: l, address: " address ", port: 9, steer: [" rows "]}]"
#define TLS(x)	 "clusters: [{name: c, endpoints: ['10.0.0.1:80'], tls: {" x "}}]"
#define ROUTE(x) CLUSTER "routes: [{name: a, cluster: c}, " x "]"

/* A '^' stands in front of what the error has to point at; it is taken out before the text is read. */
struct marked {
	const char *yaml, *says;
};

static void check_marked(const struct marked *row)
{
	const char *mark = strchr(row->yaml, '^');
	char text[1024] = "";
	uint32_t line = 1, column = 1;
	struct conf_errors errors;
	struct conf *conf;

	assert_non_null(mark);
	for (const char *p = row->yaml; p < mark; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	snprintf(text, sizeof(text), "%.*s%s", (int)(mark - row->yaml), row->yaml, mark + 1);
	if (conf_parse(text, strlen(text), &conf, &errors) != -EINVAL)
		fail_msg("accepted: %s", text);
	if (!conf_fixture_says(&errors, line, column, row->says))
		fail_msg("in: %s", text);
	if (errors.n != 1)
		fail_msg("%zu errors, not one, in: %s", errors.n, text);
}

static const struct marked wrong_agents[] = {
	{ "agent: {user: a, worker_user: ^a}", "is agent.user too" },
	{ "agent: {worker_user: ^sluice}", "is agent.user too" },
	{ "agent: {user: ^root}", "is root" },
	{ "agent: {worker_user: ^root}", "is root" },
	{ "agent: {privileged_ports: [80, ^1024]}", "from 1 to 1023" },
	{ "agent: {certificate_dirs: [^tls]}", "is not an absolute path" },
};

static const struct marked wrong_gateways[] = {
	{ "clusters: [{name: c, endpoints: ^[]}]", "is empty; give at least one" },
	{ "plans: [{name: p}]\nconsumers: [{name: a, plan: p, keys: ^[]}]", "or leave it out" },
	{ "plans: [{name: p}]\nconsumers: [{name: a, plan: p, keys: [^fifteen-bytes-0]}]",
	  "15 characters can be guessed" },
	{ "plans: [{name: p}]\nconsumers: [{name: a, plan: p, keys: [" KEY ", ^\"\"]}]",
	  "0 characters can be guessed" },
	{ ROUTE("{name: b, hosts: [x], cluster: c, policies: {limit: ^enforce}}"), "add api_key" },
	{ ROUTE("{name: b, hosts: [x], cluster: c, policies: {limit: ^shadow}}"), "add api_key" },
	{ ROUTE("{name: ^b, cluster: c}"),
	  "is never reached: the same hosts, paths and listeners" },
	{ ROUTE("{name: ^b, cluster: c, paths: [/]}"), "those of routes[a].name in line 2" },
	{ ROUTE("{name: d, hosts: [x, y], cluster: c},"
		"{name: ^b, hosts: [Y, x, x], cluster: c}"),
	  "those of routes[d].name" },
	{ "listeners: [{name: l, address: 10.0.0.1, port: 80, max_headers: ^257}]", "to 256" },
	{ TLS("certificate: ^/c.pem"), "has no key; add key" },
	{ TLS("key: ^/k.pem"), "belongs to no certificate" },
	{ TLS("server_name: ^'*.a.example'"), "is a pattern; give one name" },
	{ TLS("server_name: ^a.example, name_from: request"), "is never asked for" },
	{ TLS("min_version: ^1.1"), "not one of 1.2, 1.3" },
	{ "listeners: [{name: l, address: ^203.0.113.1, port: 80}]\nvips: [{" VIP "}]",
	  "vips[v] has this address and port" },
	{ STEER("127.0.0.1", "^'2001:db8::/64'"), "give it to a listener at an IPv6 address" },
	{ STEER("'::1'", "^10.0.0.0/8"), "give it to a listener at an IPv4 address" },
	{ STEER("127.0.0.1", "{prefix: 10.0.0.1, protocol: ^udp}"), "only TCP can be steered" },
	{ STEER("127.0.0.1", "^128.0.0.0/1"), "is too wide" },
	{ STEER("'::1'", "^'2000::/3'"), "is too wide" },
	{ STEER("127.0.0.1", "^224.0.0.0/8"), "no addresses that TCP connects to" },
	{ STEER("127.0.0.1", "{prefix: 10.0.0.1, ports: ^0-5}"), "ports are from 1" },
	{ STEER("127.0.0.1",
		"{prefix: 10.0.0.0/8, ports: 5-9}, ^{prefix: 10.0.0.0/8, ports: 8-10}"),
	  "listeners[l].steer[0] has the same prefix and some of these ports (line 2)" },
	{ STEER("127.0.0.1", "10.0.0.1, ^10.0.0.1"), "has the same prefix" },
	{ STEER("127.0.0.1", "^{prefix: 127.0.0.1, ports: 9901}"),
	  "agent.internal is bound to just this" },
	{ STEER("127.0.0.1", "{prefix: ^203.0.113.1, ports: 80}") "\nvips: [{" VIP "}]",
	  "vip v has this address and port" },
	{ STEER("127.0.0.1",
		"{prefix: ^203.0.113.4, ports: 80}") "\nvips: [{name: v, address: 203.0.113.0/24, port: 80-90}]",
	  "vip v has this address and port" },
	{ "listeners: [{name: l, address: 127.0.0.1, port: 9, steer: ^[10.0.0.1]}]",
	  "set dataplane.enabled: true" },
	{ "pushdown: {steps: [{action: drop, ttl: 10s}, {action: ^drop_new, ttl: 20s}]}",
	  "weaker than drop" },
	{ "pushdown: {steps: [{action: drop_new, ttl: 10s}, {action: drop, ttl: ^9999ms}]}",
	  "shorter than the step before (10000 ms)" },
};

static const struct marked wrong_kernels[] = {
	{ "dataplane: {max_vips: ^32768}", "two rings of 65537 slots are too many" },
	{ "guard: {on_per_s: 100,\n  off_per_s: ^101}", "101 is over on_per_s (100)" },
	{ "guard: {off_per_s: ^10001}", "10001 is over on_per_s (10000)" },
	{ "acl: {allow: [10.0.0.0/8], deny: [^10.0.0.0/8]}",
	  "allow wins; remove it or acl.allow[0] in line 1" },
	{ "acl: {deny: [^'2001:db8::1']}", "by its /64; write 2001:db8::/64" },
	{ "acl: {allow: [^'2001:db8:0:0:8000::/65']}", "would never match" },
	{ "limits: [{name: a, sources: [^'2001:db8::/96'], packets: {rate: 1/s}}]",
	  "would never match" },
	{ "vips: [{name: v, address: ^0.0.0.0, port: 80}]", "the unspecified address" },
	{ "vips: [{name: v, address: ^'::', port: 80}]", "the unspecified address" },
	{ "vips: [{name: v, address: ^224.0.0.1, port: 80}]", "a multicast address" },
	{ "vips: [{" VIP ", backends: [{name: b, address: ^127.0.0.2}]}]", "a loopback address" },
	{ "vips: [{" VIP ", backends: [{name: b, address: ^0.0.0.0}]}]", "the unspecified" },
	{ "vips: [{" VIP ", backends: [{name: b, address: ^239.1.1.1}]}]", "a multicast" },
	{ "vips: [{" VIP ", backends: [{name: b, address: ^255.255.255.255}]}]", "the broadcast" },
	{ "vips: [{" VIP "}, {name: w, address: ^203.0.113.1, port: 80}]",
	  "another vip has this address, port and protocol: vips[v].address in line 1" },
	{ "vips: [{name: v, address: 203.0.113.0/24, port: 1-9},\n"
	  " {name: w, address: ^203.0.113.0/24, port: 9-10}]",
	  "203.0.113.0/24:1-9 has some of the same, and neither is more specific: "
	  "vips[v].address in line 1" },
	{ "vips: [{name: v, address: 203.0.113.1, port: any},\n"
	  " {name: w, address: ^203.0.113.1, port: any}]",
	  "neither is more specific" },
	{ "vips: [{name: v, address: ^203.0.113.1/24, port: 80}]", "write 203.0.113.0/24" },
	{ "vips: [{name: v, address: ^128.0.0.0/7, port: 80}]", "give at least a /8" },
	{ "vips: [{name: v, address: ^'2000::/15', port: 80}]", "give at least a /16" },
	{ "vips: [{name: v, address: 203.0.113.1, port: ^0}]", "ports are from 1" },
	{ "vips: [{name: v, address: 203.0.113.1, port: ^9-8}]", "ends before it begins" },
	{ "vips: [{name: v, address: 203.0.113.1, port: ^all}]", "a range of ports or any" },
	{ "vips: [{name: v, address: 203.0.113.0/24, port: 80,"
	  " backends: [{name: b, address: ^203.0.113.9}]}]",
	  "this is the vip itself" },
	{ "vips: [{" VIP ", mode: nat, health: {type: tcp, via: ^vip}}]", "mode nat" },
	{ "vips: [{name: v, address: 203.0.113.1, port: 80-81, health: ^{type: tcp}}]",
	  "say which is probed" },
	{ "responses: [{name: r, address: ^203.0.113.1, port: 53, factor: 2}]\n"
	  "vips: [{name: v, address: 203.0.113.0/24, protocol: udp, port: any}]",
	  "this is vip v" },
	{ "decap: {devices: ^[eth0]}", "needs decap.sources" },
	{ "decap: {devices: ^[eth0], sources: [10.0.0.1], ipip: false, gue_port: 0}",
	  "has nothing to take out" },
	{ "decap: {devices: [eth0, ^eth0], sources: [10.0.0.1]}", "is there already" },
	{ "dataplane: {devices: [eth0]}\ndecap: {devices: [^eth0], sources: [10.0.0.1]}",
	  "is one of dataplane.devices" },
	{ "vips: [{" VIP ", mode: ipip, source: ^127.0.0.1}]", "a loopback address" },
	{ "vips: [{" VIP ", source: ^10.0.0.1}]", "means nothing in mode l2" },
	{ "vips: [{" VIP ", mode: nat, source: ^10.0.0.1}]", "give snat" },
	{ "vips: [{" VIP ", mode: nat, gue_port: ^6081}]", "is for mode gue" },
	{ "vips: [{" VIP ", snat: ^[10.0.0.1]}]", "is for mode nat" },
	{ "vips: [{" VIP ", backends: [{name: b, address: 10.0.0.2, port: ^81}]}]",
	  "is for mode nat" },
	{ "vips: [{" VIP ", mode: nat, snat: [^'2001:db8::5']}]", "IPv6, the vip is IPv4" },
	{ "vips: [{name: v, address: '2001:db8::1', port: 80, mode: nat, snat: [^10.0.0.1]}]",
	  "IPv4, the vip is IPv6" },
	{ "vips: [{" VIP ", mode: nat, snat: [^203.0.113.1]}]", "is the address of a vip" },
	{ "vips: [{" VIP ", mode: nat, snat: [^198.51.100.200]},\n"
	  " {name: p, address: 198.51.100.128/25, port: 81, protocol: udp}]",
	  "is one of the addresses of a vip" },
	{ "vips: [{name: v, address: '2001:db8:1::/48', port: 80, mode: nat, "
	  "snat: [^'2001:db8:1:ffff::1']}]",
	  "is one of the addresses of a vip" },
	{ "vips: [{" VIP ", mode: nat, snat: [10.0.0.1, ^10.0.0.1]}]", "is there already" },
	{ "vips: [{" VIP ", mode: nat, snat: [^127.0.0.1]}]", "a loopback address" },
	{ "vips: [{" VIP ", mode: nat, snat: [^10.0.0.2], backends: [{name: b, address: "
	  "10.0.0.2}]}]",
	  "is the address of a backend" },
	{ "vips: [{" VIP ", mode: nat, backends: [{name: b, address: ^'2001:db8::2'}]}]",
	  "the vip is IPv4, its backends have to be as well" },
	{ "nat: {udp_opening: ^0s}", "from 1s" },
	{ "vips: [{" VIP ", backends: [{name: b, address: ^'2001:db8::2'}]}]",
	  "the vip is IPv4, its backends have to be as well" },
	{ "vips: [{" VIP ", backends: [{name: b, address: 10.0.0.2}]}, {name: w, address: "
	  "203.0.113.2, port: 80, backends: [{name: b, address: ^10.0.0.2, device: eth1}]}]",
	  "vips[v] has a backend of this address with another mac or device" },
	{ "vips: [{" VIP ", backends: [{name: b, address: 10.0.0.2, mac: '02:00:00:00:00:01'}]},"
	  "{name: w, address: 203.0.113.2, port: 80, backends: [{name: b, address: ^10.0.0.2, mac: "
	  "'02:00:00:00:00:02'}]}]",
	  "give both the same" },
	{ "vips: [{name: v, address: '2001:db8::1', port: 80, mode: gue,"
	  " backends: [{name: b, address: ^10.0.0.2}]}]",
	  "which is not put into IPv4; give an IPv6 address" },
	{ "vips: [{name: v, address: '2001:db8::1', port: 80,"
	  " backends: [{name: b, address: ^'::1'}]}]",
	  "a loopback address" },
	{ "vips: [{name: v, address: '2001:db8::1', port: 80,"
	  " backends: [{name: b, address: ^'ff02::1'}]}]",
	  "a multicast address" },
};

#define QUIC(id, x)                                                  \
	"vips: [{" VIP ", protocol: udp, quic: [" x "], backends: [" \
	"{name: b, address: 10.0.0.1" id "}]}]"
#define QUIC_2_6 "{config_id: 0, server_id_bytes: 2, nonce_bytes: 6}"

static const struct marked wrong_quic[] = {
	{ "vips: [{" VIP ", quic: ^[" QUIC_2_6 "]}]", "set protocol: udp" },
	{ QUIC(", server_id: 1", "{config_id: 0, server_id_bytes: 2, nonce_bytes: 6, key: ^k}"),
	  "an absolute path" },
	{ QUIC(", server_id: 1", "{config_id: ^7, server_id_bytes: 1, nonce_bytes: 4}"),
	  "from 0 to 6" },
	{ QUIC(", server_id: 1", "{config_id: 0, server_id_bytes: ^16, nonce_bytes: 4}"),
	  "from 1 to 15" },
	{ QUIC(", server_id: 1", "{config_id: 0, server_id_bytes: 1, nonce_bytes: ^3}"),
	  "from 4 to 18" },
	{ QUIC(", server_id: 1", "{config_id: 0, server_id_bytes: 15, nonce_bytes: ^5}"),
	  "there are 20 bytes" },
	{ QUIC(", server_id: 1", QUIC_2_6 ", {config_id: ^0, server_id_bytes: 1, nonce_bytes: 4}"),
	  "another of this vip's has this config_id" },
	{ "vips: [{" VIP ", protocol: udp, quic: [" QUIC_2_6 "], backends: ["
	  "^{name: b, address: 10.0.0.1}]}]",
	  "server_id is missing" },
	{ "vips: [{" VIP ", backends: [{name: b, address: 10.0.0.1, server_id: ^1}]}]",
	  "means nothing without quic" },
	{ QUIC(", server_id: ^0x10000", QUIC_2_6),
	  "takes 3 bytes; server_id_bytes of config_id 0" },
	{ QUIC(", server_id: ^65536", QUIC_2_6), "takes 3 bytes" },
	{ QUIC(", server_id: ^0x", QUIC_2_6), "is not a number" },
	{ QUIC(", server_id: ^1f", QUIC_2_6), "is not a number" },
	{ QUIC(", server_id: ^-1", QUIC_2_6), "is not a number" },
	{ QUIC(", server_id: ^0x1000000000000000000000000000000", QUIC_2_6), "more than 15 bytes" },
	{ QUIC(", server_id: 0x0011}, {name: c, address: 10.0.0.2, server_id: ^17", QUIC_2_6),
	  "another backend has this server_id" },
};

#define HEALTHY(x) "vips: [{" VIP ", health: {" x "}}]"

static const struct marked wrong_health[] = {
	{ "vips: [{" VIP ", health: ^{port: 80}}]", "type is missing" },
	{ HEALTHY("type: ^htp"), "did you mean http?" },
	{ HEALTHY("type: tcp, ^path: /x"), "is for type http and https" },
	{ HEALTHY("type: http, ^ca: /x"), "is for type https" },
	{ HEALTHY("type: http, path: ^x"), "is not a path" },
	{ HEALTHY("type: http, path: ^'/a b'"), "no path holds" },
	{ HEALTHY("type: http, status: ^199"), "no range of statuses" },
	{ HEALTHY("type: http, status: ^'200,'"), "is not statuses" },
	{ HEALTHY("type: http, status: ^300-200"), "no range of statuses" },
	{ HEALTHY("type: http, host: ^'*.example.com'"), "is a pattern" },
	{ HEALTHY("type: http, match: ^'hex:0'"), "pairs of hex digits" },
	{ HEALTHY("type: http, match: ^'hex:'"), "has no bytes" },
	{ "vips: [{" VIP ", health: ^{type: udp}}]", "send is missing" },
	{ "vips: [{" VIP ", health: ^{type: dns}}]", "query is missing" },
	{ HEALTHY("type: tcp, interval: ^99ms"), "from 100ms" },
	{ HEALTHY("type: tcp, interval: 1s, jitter: 20%, timeout: ^801ms"), "(800 ms, the" },
	{ HEALTHY("type: tcp, jitter: ^51%"), "is more than 50%" },
	{ HEALTHY("type: tcp, jitter: ^10"), "is not a percentage" },
	{ HEALTHY("type: tcp, rise: ^0"), "from 1 to 100" },
	{ "vips: [{" VIP ", slow_start: ^30s}]", "needs health checks" },
	{ "vips: [{" VIP ", all_down: ^last-known}]", "needs health checks" },
};

#define CHECK(rows)                                                   \
	for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++) \
	check_marked(&(rows)[i])

static void test_what_cannot_have_been_meant_is_refused_where_it_stands(void **state)
{
	(void)state;
	CHECK(wrong_agents);
	CHECK(wrong_gateways);
	CHECK(wrong_kernels);
	CHECK(wrong_health);
	CHECK(wrong_quic);
}

static void test_what_only_looks_alike_is_taken(void **state)
{
	static const char *const rows[] = {
		"acl: {allow: [10.0.0.1], deny: [10.0.0.0/8]}",
		"acl: {deny: ['2001:db8::/64', 192.0.2.1, '::ffff:192.0.2.0/120', '::/0']}",
		"listeners: [{name: l, address: 0.0.0.0, port: 80}]\nvips: [{" VIP "}]",
		"listeners: [{name: l, address: 203.0.113.1, port: 80}]\n"
		"vips: [{" VIP ", protocol: udp}]",
		"listeners: [{name: l, address: 10.0.0.1, port: 80, max_headers: 256}]",
		STEER("127.0.0.1", "0.0.0.0/0, 127.0.0.0/8, {prefix: 10.0.0.1, ports: 9}"),
		STEER("127.0.0.1",
		      "{prefix: 10.0.0.1, ports: 1-9}, {prefix: 10.0.0.1, ports: 2-8}"),
		STEER("127.0.0.1", "{prefix: 203.0.113.1, ports: 80-81}") "\nvips: [{" VIP "}]",
		ROUTE("{name: b, hosts: [x], cluster: c}, {name: d, paths: ['=/'], cluster: c}"),
		ROUTE("{name: b, hosts: [x], cluster: c, policies: {limit: off}}"),
		ROUTE("{name: b, hosts: [x], cluster: c, policies: {api_key: {}, limit: shadow}}"),
		"pushdown: {steps: [{action: drop_new, ttl: 9s}, {action: drop_new, ttl: 9s}]}",
		"vips: [{" VIP ", mode: ipip, source: 10.0.0.1,"
		" backends: [{name: b, address: '2001:db8::2'}, {name: d, address: 10.0.0.2}]}]",
		"vips: [{" VIP ", mode: gue, gue_port: 7000}]",
		"vips: [{" VIP "}, {name: w, address: 203.0.113.1, port: any},"
		" {name: x, address: 203.0.113.1, port: 80-81}]",
		"vips: [{name: v, address: 203.0.113.1, port: 80-81, health: {type: tcp, port: 9}}]",
		"listeners: [{name: l, address: 203.0.113.1, port: 80}]\n"
		"vips: [{name: v, address: 203.0.113.0/24, port: any}]",
		STEER("127.0.0.1",
		      "{prefix: 203.0.113.0/24, ports: 80}") "\nvips: [{name: v, address: 203.0.113.0/25, port: 80-90}]",
		"vips: [{" VIP ", backends: [{name: b, address: 10.0.0.2, device: eth1}]}, {name: "
		"w, address: 203.0.113.2, port: 80, backends: [{name: b, address: 10.0.0.2, "
		"device: eth1}]}]",
		"decap: {devices: [eth0], sources: ['2001:db8::1', 10.0.0.0/8]}",
		"plans: [{name: p}]\nconsumers: [{name: a, plan: p, keys: [" KEY "]},"
		" {name: b, plan: p}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		conf_free(conf_fixture(rows[i]));
}

static void test_257_certificates_are_more_than_a_listener_serves(void **state)
{
	char *yaml = calloc(1, 65536), *at = yaml;
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	at += sprintf(at, "listeners: [{name: l, address: 10.0.0.1, port: 1, certificates: [");
	for (int i = 0; i < 256; i++)
		at += sprintf(at, "{certificate: /c, key: /k},\n");
	sprintf(at, "]}]");
	conf_free(conf_fixture(yaml));
	sprintf(at, "{certificate: /c, key: /k}]}]");
	assert_int_equal(conf_parse(yaml, strlen(yaml), &conf, &errors), -EINVAL);
	assert_true(conf_fixture_says(&errors, 1, 65, "257 items; at most 256"));
	free(yaml);
}

/* A route's limit is enforced by default where somebody can be told apart, and a dump says so. */
static void test_the_limit_of_a_route_follows_its_api_key(void **state)
{
	struct conf *conf = conf_fixture(
			    ROUTE("{name: b, hosts: [x], cluster: c, policies: {api_key: {}}}")),
		    *again;
	struct buf out;

	(void)state;
	assert_int_equal(conf->routes[0].policies.limit, CONF_OFF);
	assert_int_equal(conf->routes[1].policies.limit, CONF_ENFORCE);
	buf_init(&out, 65536);
	assert_int_equal(conf_dump(conf, CONF_DUMP_FULL, &out), 0);
	buf_add(&out, "", 1);
	again = conf_fixture(buf_head(&out));
	assert_int_equal(conf_diff(conf, again, NULL), 0);
	conf_free(again);
	conf_free(conf);
	buf_clear(&out);
}

/* A dump of any type passes the checks again: no default of another type is in it. */
static void test_health_checks_survive_a_dump(void **state)
{
	static const char *const rows[] = {
		"type: tcp",
		"type: http, path: '/x?y', host: web.internal, status: '200-299,304', match: 'ok'",
		"type: https, verify: false, ca: /etc/ssl/ca.pem, port: 8443, timeout: 900ms",
		"type: udp, send: 'hex:00ff', expect: PONG, jitter: 0%, interval: 1s",
		"type: dns, query: example.com, record: AAAA, rcode: 3, rise: 1, fall: 1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *conf, *again;
		char yaml[512];
		struct buf out;

		snprintf(yaml, sizeof(yaml),
			 "vips: [{" VIP ", slow_start: 30s, all_down: "
			 "last-known, health: {%s}}]",
			 rows[i]);
		conf = conf_fixture(yaml);
		buf_init(&out, 65536);
		assert_int_equal(conf_dump(conf, CONF_DUMP_FULL, &out), 0);
		buf_add(&out, "", 1);
		again = conf_fixture(buf_head(&out));
		assert_int_equal(conf_diff(conf, again, NULL), 0);
		conf_free(again);
		conf_free(conf);
		buf_clear(&out);
	}
}

/* One field that is wrong hides nothing that is wrong with its neighbours. */
static void test_checks_run_beside_errors_of_other_fields(void **state)
{
	static const char yaml[] =
		"listeners:\n"
		"  - {address: 10.0.0.1, port: 1, max_header_bytes: 1KiB, max_uri_bytes: 2KiB}\n"
		"plans:\n"
		"  - {name: p, limits: [{rate: 1/d, burst: 100}]}\n"
		"vips:\n"
		"  - {name: v, address: x, port: 80, backends: [{name: b, address: 127.0.0.1}]}\n";
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_parse(yaml, strlen(yaml), &conf, &errors), -EINVAL);
	assert_true(conf_fixture_says(&errors, 2, 5, "name is missing"));
	assert_true(conf_fixture_says(&errors, 2, 73, "max_uri_bytes is more"));
	assert_true(conf_fixture_says(&errors, 4, 24, "name is missing"));
	assert_true(conf_fixture_says(&errors, 4, 43, "52 days"));
	assert_true(conf_fixture_says(&errors, 6, 24, "is not an address"));
	assert_true(conf_fixture_says(&errors, 6, 67, "a loopback address"));
	assert_int_equal(errors.n, 6);
}

static void test_a_byte_order_mark_is_skipped(void **state)
{
	static const char wrong[] = "\xef\xbb\xbfx: 1";
	struct conf_errors errors;
	struct conf *conf = conf_fixture("\xef\xbb\xbf"
					 "agent: {user: a}\n");

	(void)state;
	assert_string_equal(conf->agent.user, "a");
	conf_free(conf);
	conf_free(conf_fixture("\xef\xbb\xbf"));
	assert_int_equal(conf_parse(wrong, strlen(wrong), &conf, &errors), -EINVAL);
	assert_true(conf_fixture_says(&errors, 1, 1, "no such setting"));
}

static void note_paths(const struct conf *conf, struct conf_errors *errors, void *ctx)
{
	const struct conf_certificate *c = conf->listeners[0].certificates;

	(*(int *)ctx)++;
	assert_string_equal(c->certificate, "/a.crt");
	assert_null(c->key);
	conf_errors_add(errors, c->certificate_place.line, c->certificate_place.column, "seen");
}

/* What a refused file names is looked at too, so that all errors come at once, in order. */
static void test_a_refused_text_is_looked_at_from_outside(void **state)
{
	static const char wrong[] = "listeners: [{name: l, address: 10.0.0.1, port: 1,\n"
				    "  certificates: [{certificate: /a.crt, key: b}]}]\n";
	struct conf_errors errors;
	struct conf *conf;
	int calls = 0;
	const struct conf_outside outside = { note_paths, &calls };

	(void)state;
	assert_int_equal(conf_parse_with(wrong, strlen(wrong), &outside, &conf, &errors), -EINVAL);
	assert_int_equal(calls, 1);
	assert_int_equal(errors.n, 2);
	assert_string_equal(errors.error[0].text, "seen");
	assert_int_equal(errors.error[0].line, 2);
	assert_int_equal(errors.error[0].column, 32);
	assert_int_equal(errors.error[1].column, 45);
	assert_int_equal(conf_parse_with("", 0, &outside, &conf, &errors), 0);
	assert_int_equal(calls, 1);
	conf_free(conf);
}

static void test_a_change_by_an_operator_keeps_the_places_of_certificates(void **state)
{
	struct conf *conf = conf_fixture(
			    "limits: [{name: a, packets: {rate: 1/s}}]\n"
			    "listeners: [{name: l, address: 10.0.0.1, port: 1,\n"
			    "  certificates: [{certificate: /a.crt, key: /a.key}]}]\n"),
		    *edited;
	struct conf_errors errors;

	(void)state;
	assert_int_equal(conf_edit(conf,
				   "[{\"kind\":\"limit\",\"name\":\"a\",\"op\":\"set\","
				   "\"packets\":{\"rate\":\"2/s\"}}]",
				   &edited, &errors),
			 0);
	assert_int_equal(edited->listeners[0].certificates[0].key_place.line, 3);
	assert_int_equal(edited->listeners[0].certificates[0].key_place.column, 45);
	conf_free(edited);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_cannot_have_been_meant_is_refused_where_it_stands),
		cmocka_unit_test(test_what_only_looks_alike_is_taken),
		cmocka_unit_test(test_257_certificates_are_more_than_a_listener_serves),
		cmocka_unit_test(test_the_limit_of_a_route_follows_its_api_key),
		cmocka_unit_test(test_health_checks_survive_a_dump),
		cmocka_unit_test(test_checks_run_beside_errors_of_other_fields),
		cmocka_unit_test(test_a_byte_order_mark_is_skipped),
		cmocka_unit_test(test_a_refused_text_is_looked_at_from_outside),
		cmocka_unit_test(test_a_change_by_an_operator_keeps_the_places_of_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
