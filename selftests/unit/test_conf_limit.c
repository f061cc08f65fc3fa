/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of the kernel and of plans as the file has them. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf_warn.h"
#include "conf_fixture.h"

static void test_limits_that_cannot_be_held_are_refused(void **state)
{
	static const struct wrong rows[] = {
		{ "limits: [{name: a, packets: {rate: 10 per second}}]", 1, 36,
		  "limits[a].packets.rate: '10 per second' is not a rate; write e.g. 100/s" },
		{ "limits: [{name: a, packets: {rate: 10MB/s}}]", 1, 36, "is a rate of bytes" },
		{ "limits: [{name: a, packets: {rate: 0/s}}]", 1, 36, "would admit nothing" },
		{ "limits: [{name: a, packets: {burst: 1}}]", 1, 29, "rate is missing" },
		{ "limits: [{name: a, packets: {rate: 1/s, burst: 0}}]", 1, 48, "at least 1" },
		{ "limits: [{name: a, bytes: {rate: 1MB/s, burst: 1513}}]", 1, 48,
		  "at least 1514B" },
		{ "limits: [{name: a, packets: {rate: 1/h, burst: 1000000}}]", 1, 48, "52 days" },
		{ "limits: [{name: a, packets: {rate: 300000000/s}}]", 1, 36, "too fast" },
		{ "limits: [{name: a}]", 1, 10, "limits nothing" },
		{ "limits: [{name: abcdefghijklmnopqrstuvwx, packets: {rate: 1/s}}]", 1, 17,
		  "at most 23" },
		{ "limits: [{name: a, sources: [10.0.0.0/8], packets: {rate: 1/s}},\n"
		  " {name: b, sources: [10.0.0.0/8], packets: {rate: 1/s}}]",
		  2, 22,
		  "limits a and b are both for 10.0.0.0/8 and the same destination: see "
		  "limits[a].sources[0] in line 1" },
		{ "limits: [{name: a, packets: {rate: 1/s}}, {name: a, packets: {rate: 1/s}}]", 1,
		  50, "two of this name" },
		{ "plans: [{name: p, limits: [{name: a, rate: 1/d, burst: 100}]}]", 1, 56,
		  "52 days" },
		{ "plans: [{name: p, limits: [{name: a, rate: 1/s}, {name: a, rate: 2/s}]}]", 1, 57,
		  "two of this name" },
		{ "plans: [{name: p, limits: [{name: a, rate: 1/s}, {name: b, rate: 1/s},"
		  " {name: c, rate: 1/s}, {name: d, rate: 1/s}, {name: e, rate: 1/s}]}]",
		  1, 27, "5 items; at most 4" },
	};

	(void)state;
	CHECK_WRONG(rows);
}

#define LIMIT_A "name: a, packets: {rate: 1/s}"
#define LIMIT_B "name: b, packets: {rate: 1/s}"
#define FIVE_LIMITS                                                                  \
	"  - {name: any, sources: [0.0.0.0/0], packets: {rate: 1/s}}\n"              \
	"  - {name: tcp, protocol: tcp, packets: {rate: 1/s}}\n"                     \
	"  - {name: web, protocol: tcp, ports: [\"80-89\"], packets: {rate: 1/s}}\n" \
	"  - {name: vip, packets: {rate: 1/s}}\n"                                    \
	"vips: [{name: v, address: 203.0.113.1, port: 80, limit: vip}]\n"

static void test_limits_of_the_same_traffic_are_refused(void **state)
{
	static const struct wrong rows[] = {
		{ "limits: [{" LIMIT_A ", ports: [53]}]", 1, 42, "needs a protocol" },
		{ "limits: [{" LIMIT_A ", protocol: udp, ports: [\"53-\"]}]", 1, 65,
		  "'53-' is not a port or a range of ports" },
		{ "limits: [{" LIMIT_A ", protocol: udp, ports: [\"60-50\"]}]", 1, 65,
		  "ends before it begins" },
		{ "limits: [{" LIMIT_A ", protocol: udp, ports: [0]}]", 1, 65, "from 1 to 65535" },
		{ "limits: [{" LIMIT_A ", protocol: udp, ports: [\"1-65536\"]}]", 1, 65,
		  "from 1 to 65535" },
		{ "limits: [{" LIMIT_A ", vips: [v]}]", 1, 49, "there is no vip 'v'" },
		{ "limits: [{" LIMIT_A ", kind: icmp, protocol: tcp}]", 1, 54,
		  "a limit of a kind has no other selector" },
		{ "limits: [{" LIMIT_A ", kind: icmp, sources: [10.0.0.0/8]}]", 1, 54,
		  "a limit of a kind has no other selector" },
		{ "limits: [{" LIMIT_A ", kind: icmp}, {" LIMIT_B ", kind: icmp}]", 1, 93,
		  "limit a is of this kind already" },
		{ "limits: [{" LIMIT_A ", kind: ping}]", 1, 48, "is not one of any, fragment" },
		{ "limits: [{" LIMIT_A ", kind: icmp}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 80, limit: a}]",
		  2, 57, "limit a is of a kind" },
		{ "limits: [{" LIMIT_A ", protocol: tcp}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 80, limit: a}]",
		  1, 42, "a vip has a protocol of its own" },
		{ "limits: [{" LIMIT_A ", sources: ['2001:db8::/65']}]", 1, 52,
		  "would never match" },
		{ "limits: [{" LIMIT_A ", sources: [10.0.0.0/8, 10.0.0.0/8]}]", 1, 64,
		  "is there already: limits[a].sources[0]" },
		{ "limits: [{" LIMIT_A ", rows: 1000}]", 1, 48, "give e.g. 1024" },
		{ "limits: [{" LIMIT_A ", rows: 128}]", 1, 48, "from 256 to 1048576" },
		{ "limits: [{name: a, total: {}}]", 1, 27, "limits nothing" },
		{ "limits: [{name: a, total: {packets: {rate: 0/s}}}]", 1, 44,
		  "would admit nothing" },
		{ "limits: [{name: a, total: {bytes: {rate: 1MB/s, burst: 1}}}]", 1, 56,
		  "at least 1514B" },
		{ "limits: [{" LIMIT_A ", protocol: udp, ports: [\"50-60\"]},\n"
		  " {" LIMIT_B ", protocol: udp, ports: [53]}]",
		  2, 2, "limits a and b are both for everybody and the same destination" },
		{ "limits: [{" LIMIT_A ", protocol: udp},\n"
		  " {" LIMIT_B ", protocol: udp, sources: [0.0.0.0/0]}]",
		  2, 59, "limits a and b are both for 0.0.0.0/0" },
		{ "dataplane: {limit_rows: 65536}\nlimits: [{" LIMIT_A
		  ", protocol: udp, rows: 65536}]",
		  2, 9, "limits need 131072 cells, dataplane.limit_rows has 65536" },
		{ "limits:\n" FIVE_LIMITS, 2, 5,
		  "limits vip, web, tcp and any would meet one packet" },
		{ "dataplane: {amplification_ports: [0]}", 1, 35, "from 1 to 65535" },
	};

	(void)state;
	CHECK_WRONG(rows);
	/* ports of another protocol, other sources, one limit fewer: all of them can be */
	conf_free(conf_fixture("limits: [{" LIMIT_A ", protocol: udp, ports: [53]},\n"
			       " {" LIMIT_B ", protocol: tcp, ports: [53]}]"));
	conf_free(conf_fixture("limits: [{" LIMIT_A ", protocol: udp, ports: [53]},\n"
			       " {" LIMIT_B ", protocol: udp, sources: [10.0.0.0/8]}]"));
}

static void test_connections_that_are_not_seen_are_not_counted(void **state)
{
	static const struct wrong rows[] = {
		{ "limits: [{name: a, concurrent: -1}]", 1, 32, "not a whole number" },
		{ "limits: [{name: a, concurrent: 16777216}]", 1, 32, "from 0 to 16777215" },
		{ "limits: [{name: a, concurrent: 0}]", 1, 10, "limits nothing" },
		{ "limits: [{name: a, protocol: udp, concurrent: 5}]", 1, 35,
		  "limits[a].concurrent: counts TCP connections; a limit of protocol udp has none" },
		{ "limits: [{name: a, kind: icmp, concurrent: 5}]", 1, 32, "of a kind has none" },
		{ "limits: [{name: a, direction: egress, concurrent: 5}]", 1, 39,
		  "connections that come in" },
		{ "limits: [{name: a, concurrent: 5, vips: [v]}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 80}]",
		  1, 20, "those to a vip of another mode end at its backends" },
		{ "limits: [{name: a, concurrent: 5}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 80, limit: a}]",
		  1, 20, "those to a vip of another mode end at its backends" },
		{ "limits: [{name: a, concurrent: 5, vips: [u]}]\n"
		  "vips: [{name: u, address: 203.0.113.1, port: 53, protocol: udp, mode: nat}]",
		  1, 20, "counts TCP connections; a vip of protocol udp has none" },
		{ "limits: [{name: a, concurrent: 5, vips: [n, v]}]\n"
		  "vips: [{name: n, address: 203.0.113.1, port: 80, mode: nat},\n"
		  " {name: v, address: 203.0.113.1, port: 81, mode: ipip}]",
		  1, 20, "those to a vip of another mode" },
		{ "dataplane: {max_concurrent: 1000}", 1, 29, "from 1024 to 4194304" },
		{ "dataplane: {cgroup: sluice.slice}", 1, 21, "absolute" },
	};
	struct conf *conf;

	(void)state;
	CHECK_WRONG(rows);
	conf_free(conf_fixture(
		"limits: [{name: a, concurrent: 5, vips: [n]}, {name: b, concurrent: 6}]\n"
		"vips: [{name: n, address: 203.0.113.1, port: 80, mode: nat},\n"
		" {name: m, address: 203.0.113.0/24, port: 81, mode: nat, limit: b}]"));
	conf = conf_fixture("limits: [{name: a, protocol: tcp, ports: [443], concurrent: 16777215},"
			    " {name: b, sources: [0.0.0.0/0], concurrent: 1}]\n"
			    "dataplane: {cgroup: /sys/fs/cgroup/web.slice}");
	assert_int_equal(conf->limits[0].concurrent, 16777215);
	assert_int_equal(conf->limits[1].concurrent, 1);
	assert_string_equal(conf->dataplane.cgroup, "/sys/fs/cgroup/web.slice");
	conf_free(conf);
}

#define EGRESS "name: a, direction: egress, packets: {rate: 1/s}"
#define DNS    "name: dns, address: 203.0.113.1, port: 53"

static void test_what_cannot_be_seen_going_out_is_refused(void **state)
{
	static const struct wrong rows[] = {
		{ "limits: [{" EGRESS ", kind: icmp}]", 0, 0, "of direction egress has no kind" },
		{ "limits: [{" EGRESS ", vips: [v]}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 80}]",
		  0, 0, "never passes this host" },
		{ "limits: [{" EGRESS "}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 80, limit: a}]",
		  0, 0, "limit a is of direction egress" },
		{ "responses: [{" DNS "}]", 0, 0, "factor" },
		{ "responses: [{" DNS ", factor: 0}]", 0, 0, "from 1 to 1000" },
		{ "responses: [{" DNS ", factor: 2}, {name: b, address: 203.0.113.1, port: 53, "
		  "factor: 3}]",
		  0, 0, "another response has this address and port" },
		{ "responses: [{name: a, address: 0.0.0.0, port: 53, factor: 2}]", 0, 0,
		  "give the address that clients are answered from" },
		{ "responses: [{" DNS ", factor: 2}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 53, protocol: udp}]",
		  0, 0, "this is vip v, whose backends answer clients directly" },
	};
	struct conf *conf;

	(void)state;
	CHECK_WRONG(rows);
	/* The same prefix, once in each direction; TCP at the address of a response. */
	conf = conf_fixture("limits: [{" EGRESS ", sources: [10.0.0.0/8]},\n"
			    " {" LIMIT_B ", sources: [10.0.0.0/8]}]\n"
			    "responses: [{" DNS ", factor: 2}]\n"
			    "vips: [{name: v, address: 203.0.113.1, port: 53}]");
	assert_int_equal(conf->limits[0].direction, CONF_EGRESS);
	assert_int_equal(conf->limits[1].direction, CONF_INGRESS);
	assert_int_equal(conf->responses[0].factor, 2);
	conf_free(conf);
}

static void test_what_a_limit_selects_is_read(void **state)
{
	struct conf *conf = conf_fixture(
		"dataplane: {amplification_ports: [53, 123]}\n"
		"limits:\n"
		"  - {name: a, protocol: udp, ports: [53, \"8000-8099\"], per: prefix, rows: 1024,\n"
		"     total: {packets: {rate: 100/s, burst: 50}}}\n"
		"  - {name: b, vips: [v], packets: {rate: 1/s}}\n"
		"  - {name: c, kind: other_l4, packets: {rate: 1/s}}\n"
		"vips: [{name: v, address: 203.0.113.1, port: 80}]\n");
	struct conf *defaults = conf_fixture("limits: [{" LIMIT_A "}]");
	const struct conf_limit *a = &conf->limits[0];

	(void)state;
	assert_int_equal(conf->dataplane.n_amplification_ports, 2);
	assert_int_equal(conf->dataplane.amplification_ports[1], 123);
	assert_int_equal(a->protocol, IPPROTO_UDP);
	assert_int_equal(a->n_ports, 2);
	assert_int_equal(a->ports[0].first, 53);
	assert_int_equal(a->ports[0].last, 53);
	assert_int_equal(a->ports[1].first, 8000);
	assert_int_equal(a->ports[1].last, 8099);
	assert_int_equal(a->per, CONF_PER_PREFIX);
	assert_int_equal(a->rows, 1024);
	assert_int_equal(a->unit[LIMIT_PACKETS].count, 0);
	assert_int_equal(a->total[LIMIT_PACKETS].burst, 50);
	assert_string_equal(conf->limits[1].vips[0], "v");
	assert_int_equal(conf->limits[2].kind, LIMIT_KIND_OTHER_L4);
	assert_int_equal(defaults->limits[0].rows, 16384);
	assert_int_equal(defaults->dataplane.n_amplification_ports, 24);
	assert_int_equal(defaults->dataplane.limit_rows, 262144);
	conf_free(conf);
	conf_free(defaults);
}

static void test_more_than_255_limits_are_refused(void **state)
{
	char *yaml = calloc(1, 65536), *at = yaml;
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	at += sprintf(at, "limits:\n");
	for (int i = 0; i < 255; i++)
		at += sprintf(at, "- {name: l%d, packets: {rate: 1/s}}\n", i);
	conf = conf_fixture(yaml);
	assert_int_equal(conf->n_limits, 255);
	conf_free(conf);
	sprintf(at, "- {name: l255, packets: {rate: 1/s}}\n");
	assert_int_equal(conf_parse(yaml, strlen(yaml), &conf, &errors), -EINVAL);
	assert_true(conf_fixture_says(&errors, 2, 1, "256 items; at most 255"));
	free(yaml);
}

#define DEVICE(settings) "dataplane: {devices: [{name: a, " settings "}]}\n"
#define BYTES(burst)	 "bytes: {rate: 1MB/s, burst: " burst "}"

/* A merged packet that is larger than the burst passes never, and nothing says so but its sender. */
static void test_what_is_seldom_meant_is_warned_of(void **state)
{
	static const struct {
		const char *yaml;
		uint32_t line, column;
		const char *says; /* NULL: nothing */
	} rows[] = {
		{ "limits: [{name: a, direction: egress, sources: [10.0.0.0/8], " BYTES(
			  "32KiB") "}]",
		  1, 10, "limits[a]: bytes.burst: 32768 is less than the packets of up to 64 KiB" },
		{ "limits:\n- {name: a, direction: egress, sources: [10.0.0.0/8], total: {" BYTES(
			  "64KiB") "}}",
		  2, 3, "total.bytes.burst: 65536 is less" },
		{ DEVICE("hook: tc") "limits: [{name: a, sources: [10.0.0.0/8], " BYTES(
			  "1514") "}]",
		  2, 10, "hook tc" },
		{ DEVICE("mode: generic") "limits: [{name: a, kind: icmp, " BYTES("1514") "}]", 2,
		  10, "mode generic" },
		/* One frame at a time is what the driver hands to XDP. */
		{ DEVICE("mode: native") "limits: [{name: a, kind: icmp, " BYTES("1514") "}]", 0, 0,
		  NULL },
		{ "limits: [{name: a, direction: egress, sources: [10.0.0.0/8], " BYTES(
			  "72KiB") "}]",
		  0, 0, NULL },
		/* The least burst that nobody asked for. */
		{ "limits: [{name: a, direction: egress, sources: [10.0.0.0/8], "
		  "bytes: {rate: 1kB/s}}]",
		  0, 0, NULL },
		{ "limits: [{name: a, direction: egress, sources: [10.0.0.0/8], "
		  "packets: {rate: 1/s, burst: 1}}]",
		  0, 0, NULL },
		{ "limits:\n- {name: a, packets: {rate: 1/s}}", 2, 3, "no packet meets it" },
		{ "limits: [{name: a, packets: {rate: 1/s}}]\n"
		  "vips: [{name: v, address: 203.0.113.1, port: 80, limit: a}]",
		  0, 0, NULL },
	};
	struct conf_errors *warnings = calloc(1, sizeof(*warnings));

	(void)state;
	assert_non_null(warnings);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *conf = conf_fixture(rows[i].yaml);

		conf_warn(conf, warnings);
		assert_int_equal(warnings->n, rows[i].says ? 1 : 0);
		if (rows[i].says)
			assert_true(conf_fixture_says(warnings, rows[i].line, rows[i].column,
						      rows[i].says));
		conf_free(conf);
	}
	free(warnings);
}

/* Workers get the configuration as a dump, which has every setting, also those that select nothing. */
static void test_limits_are_read_back_from_a_dump(void **state)
{
	static const char kinds[] = "limits:\n"
				    "  - {name: f, kind: fragment, packets: {rate: 1/s}}\n"
				    "  - {name: i, kind: icmp, packets: {rate: 1/s}}\n";
	static const char others[] =
		"limits: [{" LIMIT_A ", protocol: udp, ports: [53]}, {" LIMIT_B ", vips: [v]}]\n"
		"vips: [{name: v, address: 203.0.113.1, port: 80}]\n";
	static const char *const files[] = { kinds, others };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct conf *conf = conf_fixture(files[i]), *again;
		struct buf out;

		buf_init(&out, 1 << 20);
		assert_int_equal(conf_dump(conf, CONF_DUMP_FULL, &out), 0);
		buf_add(&out, "", 1);
		again = conf_fixture(buf_head(&out));
		assert_int_equal(conf_diff(conf, again, NULL), 0);
		buf_clear(&out);
		conf_free(again);
		conf_free(conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_that_cannot_be_held_are_refused),
		cmocka_unit_test(test_limits_of_the_same_traffic_are_refused),
		cmocka_unit_test(test_connections_that_are_not_seen_are_not_counted),
		cmocka_unit_test(test_what_cannot_be_seen_going_out_is_refused),
		cmocka_unit_test(test_what_a_limit_selects_is_read),
		cmocka_unit_test(test_limits_are_read_back_from_a_dump),
		cmocka_unit_test(test_more_than_255_limits_are_refused),
		cmocka_unit_test(test_what_is_seldom_meant_is_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
