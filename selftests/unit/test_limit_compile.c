/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled limits against cases, and against a reading of the limits one by one. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/addr.h"
#include "conf_fixture.h"
#include "limit_world.h"

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct limit_compiled *compiled(const struct conf *conf)
{
	struct limit_compiled *c = NULL;
	struct limit_fault fault;
	struct errmsg err;

	if (limit_compile(conf, &c, &fault, &err))
		fail_msg("limit_compile: %s", err.text);
	return c;
}

/* What the kernel does: bpf/stage/limit_set.h. */
static const uint8_t *met(const struct limit_compiled *c, const struct limit_packet *p)
{
	uint8_t service = 0;

	if (p->vip != NO_VIP)
		service = c->vip[p->vip];
	else if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP)
		service = c->port[p->protocol == IPPROTO_TCP][p->dport];
	assert_in_range(service, 0, c->n_services - 1);
	return c->set[limit_compile_group(c, &p->src) * c->n_services + service];
}

static void expect(const struct conf *conf, const struct limit_packet *p, const char *want)
{
	struct limit_compiled *c = compiled(conf);
	const uint8_t *set = met(c, p);
	char text[256] = "";

	for (size_t i = 0; i < LIMIT_SET_CLASSES && set[i]; i++) {
		strcat(text, i ? " " : "");
		strcat(text, conf->limits[set[i] - 1].name);
	}
	assert_string_equal(text, want);
	limit_compile_free(c);
}

#define RATE "packets: {rate: 1/s}}\n"

static const char *const lists =
	"limits:\n"
	"  - {name: all, sources: [0.0.0.0/0, '::/0'], " RATE
	"  - {name: net, sources: [10.0.0.0/8, '2001:db8::/32'], " RATE
	"  - {name: host, sources: [10.1.2.3], " RATE
	"  - {name: dns, protocol: udp, ports: [53, \"5000-5100\"], " RATE
	"  - {name: dns-net, protocol: udp, ports: [53], sources: [10.1.0.0/16], " RATE
	"  - {name: web, " RATE "  - {name: web-net, vips: [v], sources: [10.0.0.0/8], " RATE
	"  - {name: ping, kind: icmp, " RATE "  - {name: nothing, " RATE "vips:\n"
	"  - {name: v, address: 203.0.113.1, port: 80, limit: web}\n"
	"  - {name: w, address: 203.0.113.1, port: 53, protocol: udp}\n";

static void test_each_packet_meets_the_longest_of_each_selector(void **state)
{
	static const struct {
		const char *src;
		int vip;
		uint8_t protocol;
		uint16_t dport;
		const char *want;
	} rows[] = {
		{ "192.0.2.1", NO_VIP, IPPROTO_TCP, 80, "all" },
		{ "10.9.9.9", NO_VIP, IPPROTO_TCP, 80, "net" },
		{ "10.1.2.3", NO_VIP, IPPROTO_TCP, 80, "host" },
		{ "10.1.2.4", NO_VIP, IPPROTO_TCP, 80, "net" },
		{ "2001:db8::1", NO_VIP, IPPROTO_TCP, 80, "net" },
		{ "2001:db9::1", NO_VIP, IPPROTO_TCP, 80, "all" },
		{ "192.0.2.1", NO_VIP, IPPROTO_UDP, 53, "dns all" },
		{ "192.0.2.1", NO_VIP, IPPROTO_UDP, 5100, "dns all" },
		{ "192.0.2.1", NO_VIP, IPPROTO_UDP, 5101, "all" },
		{ "192.0.2.1", NO_VIP, IPPROTO_TCP, 53, "all" },
		{ "10.1.2.3", NO_VIP, IPPROTO_UDP, 53, "dns-net host" },
		{ "10.1.2.3", NO_VIP, IPPROTO_UDP, 5000, "dns host" },
		{ "10.2.2.3", NO_VIP, IPPROTO_UDP, 53, "dns net" },
		{ "192.0.2.1", NO_VIP, IPPROTO_UDP, 0, "all" },
		{ "192.0.2.1", NO_VIP, IPPROTO_ICMP, 0, "all" },
		{ "192.0.2.1", 0, IPPROTO_TCP, 80, "web all" },
		{ "10.1.2.3", 0, IPPROTO_TCP, 80, "web-net host" },
		{ "192.0.2.1", 1, IPPROTO_UDP, 53, "dns all" },
	};
	struct conf *conf = conf_fixture(lists);
	struct limit_compiled *c = compiled(conf);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct limit_packet p = { addr(rows[i].src), rows[i].vip, rows[i].protocol,
					  rows[i].dport };

		expect(conf, &p, rows[i].want);
	}
	assert_int_equal(c->kind[LIMIT_KIND_ICMP], 8);
	assert_int_equal(c->kind[LIMIT_KIND_FRAGMENT], 0);
	assert_true(c->has_ports);
	limit_compile_free(c);
	conf_free(conf);
}

static void test_prefixes_of_one_meaning_are_one_group(void **state)
{
	struct conf *conf =
		conf_fixture("limits:\n"
			     "  - {name: a, sources: [10.0.0.0/8, 10.1.0.0/16, 192.0.2.0/24], " RATE
			     "  - {name: b, sources: [10.1.2.0/24, 198.51.100.0/24], " RATE);
	struct limit_compiled *c = compiled(conf);

	(void)state;
	assert_int_equal(c->n_groups, 3);
	/* 10.1.0.0/16 says what 10.0.0.0/8 says. */
	assert_int_equal(c->n_sources, 4);
	assert_int_equal(c->n_services, 1);
	assert_false(c->has_ports);
	limit_compile_free(c);
	conf_free(conf);
}

static void test_more_groups_than_there_are_ids_are_refused(void **state)
{
	static char text[64 << 10];
	struct conf_errors errors;
	struct conf *conf = NULL;
	char *at = text;

	(void)state;
	at += sprintf(at, "dataplane: {limit_rows: 1000000}\nlimits:\n");
	for (int i = 0; i < 251; i++)
		at += sprintf(at, "  - {name: n%d, sources: [10.%d.0.0/16], rows: 256, " RATE, i,
			      i);
	assert_int_equal(conf_parse(text, strlen(text), &conf, &errors), -EINVAL);
	assert_non_null(strstr(errors.error[0].text, "more than 250 groups"));
	at = strrchr(text, '-') - 2;
	*at = '\0';
	conf_free(conf_fixture(text));
}

static void test_more_services_than_there_are_ids_are_refused(void **state)
{
	static char text[128 << 10];
	struct conf_errors errors;
	struct conf *conf = NULL;
	char *at = text;

	(void)state;
	/* 128 limits whose ranges overlap at both ends: one combination for each limit and overlap. */
	at += sprintf(at, "dataplane: {limit_rows: 1000000}\nlimits:\n");
	for (int i = 0; i < 129; i++)
		at += sprintf(at,
			      "  - {name: n%d, protocol: udp, ports: [\"%d-%d\"], rows: 256, "
			      "sources: [10.%d.0.0/16], " RATE,
			      i, 100 + 10 * i, 115 + 10 * i, i);
	assert_int_equal(conf_parse(text, strlen(text), &conf, &errors), -EINVAL);
	assert_non_null(strstr(errors.error[0].text, "more than 255 combinations"));
	at = strrchr(text, '-') - 60;
	*strstr(at, "  - {name: n128") = '\0';
	conf_free(conf_fixture(text));
}

/* As many ranges as the file may have, each of all ports: not a pass over all ports for each. */
static void test_many_wide_ranges_are_compiled_in_no_time(void **state)
{
	static struct conf_ports ports[1024];
	static struct conf_limit limits[1];
	struct conf conf = { .limits = limits, .n_limits = 1 };
	struct limit_compiled *c;
	clock_t begin = clock();

	(void)state;
	for (size_t i = 0; i < 1024; i++)
		ports[i] = (struct conf_ports) { 1, 65535 };
	limits[0] = (struct conf_limit) {
		.name = (char[]) { "a" }, .protocol = IPPROTO_UDP, .ports = ports, .n_ports = 1024
	};
	for (int i = 0; i < 20; i++) {
		c = compiled(&conf);
		assert_int_equal(c->port[LIMIT_PORT_UDP][0], 0);
		assert_int_equal(c->port[LIMIT_PORT_UDP][1], c->port[LIMIT_PORT_UDP][65535]);
		assert_int_not_equal(c->port[LIMIT_PORT_UDP][1], 0);
		limit_compile_free(c);
	}
	/* A step for each port of each range would be 1.3 billion: seconds. */
	assert_true(clock() - begin < CLOCKS_PER_SEC);
}

/* ---- against a reading of the limits one by one ---- */

static void test_random_limits_meet_what_they_say(void **state)
{
	const char *given = getenv("SLUICE_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1;
	static struct limit_world w;
	int accepted = 0, refused = 0, classes = 0;

	(void)state;
	for (uint64_t round = first; round < first + 400; round++) {
		struct limit_compiled *c = NULL;
		struct limit_fault fault;
		struct errmsg err;
		int code;

		w.seed = round;
		limit_world_make(&w);
		code = limit_compile(&w.conf, &c, &fault, &err);
		refused += code != 0;
		accepted += code == 0;
		for (int i = 0; i < 200 && !code; i++) {
			struct limit_packet p = limit_world_packet(&w);
			uint8_t want[LIMIT_SELECTORS];
			int n = limit_world_met(&w, &p, want);

			classes += n == 3;
			if (n < 0 || n > LIMIT_SET_CLASSES ||
			    memcmp(met(c, &p), want, LIMIT_SET_CLASSES) != 0)
				fail_msg("seed %llu, packet %d: %d limits are meant",
					 (unsigned long long)round, i, n);
		}
		limit_compile_free(c);
	}
	/* Both ways, and packets of three limits, were really met. */
	if (!given)
		assert_true(accepted > 100 && refused > 100 && classes > 100);
}

static void test_a_refusal_names_limits_that_do_clash(void **state)
{
	static struct limit_world w;
	int clashes = 0;

	(void)state;
	for (w.seed = 1; clashes < 100;) {
		struct limit_compiled *c = NULL;
		struct limit_fault fault = { 0 };
		struct errmsg err;
		const struct conf_limit *a, *b;

		limit_world_make(&w);
		if (limit_compile(&w.conf, &c, &fault, &err) != -EEXIST) {
			limit_compile_free(c);
			continue;
		}
		clashes++;
		a = &w.limits[fault.limit];
		b = &w.limits[fault.other];
		assert_ptr_not_equal(a, b);
		assert_int_equal(limit_compile_selector(&w.conf, a),
				 limit_compile_selector(&w.conf, b));
		assert_non_null(strstr(err.text, a->name));
		assert_non_null(strstr(err.text, b->name));
		if (fault.source != SIZE_MAX && fault.other_source != SIZE_MAX)
			assert_memory_equal(&a->sources[fault.source],
					    &b->sources[fault.other_source], sizeof(struct prefix));
	}
}

static const char *const both_ways =
	"limits:\n"
	"  - {name: in, sources: [0.0.0.0/0], " RATE
	"  - {name: out, direction: egress, sources: [0.0.0.0/0], " RATE
	"  - {name: out-net, direction: egress, sources: [10.0.0.0/8], " RATE
	"  - {name: web-in, protocol: tcp, ports: [80], " RATE
	"  - {name: web-out, direction: egress, protocol: tcp, ports: [80], " RATE
	"  - {name: tcp-out, direction: egress, protocol: tcp, " RATE;

static void expect_at(const struct limit_compiled *c, const struct conf *conf, const char *source,
		      uint8_t service, const char *want)
{
	struct addr a = addr(source);
	const uint8_t *set = c->set[limit_compile_group(c, &a) * c->n_services + service];
	char text[256] = "";

	for (size_t i = 0; i < LIMIT_SET_CLASSES && set[i]; i++) {
		strcat(text, i ? " " : "");
		strcat(text, conf->limits[set[i] - 1].name);
	}
	assert_string_equal(text, want);
}

static void test_no_limit_meets_both_directions(void **state)
{
	static const struct {
		const char *source;
		enum limit_port_table table;
		uint16_t port;
		const char *want;
	} rows[] = {
		{ "192.0.2.1", LIMIT_PORT_TCP, 80, "web-in in" },
		{ "192.0.2.1", LIMIT_PORT_UDP, 80, "in" },
		{ "192.0.2.1", LIMIT_PORT_EGRESS_TCP, 80, "web-out tcp-out out" },
		{ "192.0.2.1", LIMIT_PORT_EGRESS_TCP, 81, "tcp-out out" },
		{ "10.0.0.1", LIMIT_PORT_EGRESS_TCP, 0, "tcp-out out-net" },
		{ "192.0.2.1", LIMIT_PORT_EGRESS_UDP, 80, "out" },
		{ "10.0.0.1", LIMIT_PORT_EGRESS_OTHER, 0, "out-net" },
		{ "2001:db8::1", LIMIT_PORT_EGRESS_UDP, 53, "" },
		{ "10.0.0.1", LIMIT_PORT_TCP, 81, "in" },
	};
	struct conf *conf = conf_fixture(both_ways);
	struct limit_compiled *c = compiled(conf);

	(void)state;
	assert_true(c->has_egress);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_at(c, conf, rows[i].source, c->port[rows[i].table][rows[i].port],
			  rows[i].want);
	limit_compile_free(c);
	conf_free(conf);
}

static void test_without_egress_there_are_no_services_of_it(void **state)
{
	struct conf *conf = conf_fixture(lists);
	struct limit_compiled *c = compiled(conf);

	(void)state;
	assert_false(c->has_egress);
	for (size_t p = 0; p < 65536; p++)
		assert_int_equal(c->port[LIMIT_PORT_EGRESS_TCP][p], 0);
	limit_compile_free(c);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit_meets_both_directions),
		cmocka_unit_test(test_without_egress_there_are_no_services_of_it),
		cmocka_unit_test(test_each_packet_meets_the_longest_of_each_selector),
		cmocka_unit_test(test_prefixes_of_one_meaning_are_one_group),
		cmocka_unit_test(test_more_groups_than_there_are_ids_are_refused),
		cmocka_unit_test(test_more_services_than_there_are_ids_are_refused),
		cmocka_unit_test(test_many_wide_ranges_are_compiled_in_no_time),
		cmocka_unit_test(test_random_limits_meet_what_they_say),
		cmocka_unit_test(test_a_refusal_names_limits_that_do_clash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
