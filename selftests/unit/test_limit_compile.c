/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled limits against cases, and against a reading of the limits one by one. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "conf/limit_compile.h"
#include "conf_fixture.h"

#define NO_VIP (-1)

struct packet {
	struct addr src;
	int vip; /* index, or NO_VIP */
	uint8_t protocol;
	uint16_t dport; /* 0: a fragment */
};

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
static const uint8_t *met(const struct limit_compiled *c, const struct packet *p)
{
	uint8_t service = 0;

	if (p->vip != NO_VIP)
		service = c->vip[p->vip];
	else if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP)
		service = c->port[p->protocol == IPPROTO_TCP][p->dport];
	assert_in_range(service, 0, c->n_services - 1);
	return c->set[limit_compile_group(c, &p->src) * c->n_services + service];
}

static void expect(const struct conf *conf, const struct packet *p, const char *want)
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
		struct packet p = { addr(rows[i].src), rows[i].vip, rows[i].protocol,
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

/* ---- against a reading of the limits one by one ---- */

static uint64_t seed;

static uint32_t any(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

#define VIPS   4
#define LIMITS 12

struct world {
	struct conf conf;
	struct conf_vip vips[VIPS];
	struct conf_limit limits[LIMITS];
	struct prefix sources[LIMITS][3];
	struct conf_ports ports[LIMITS][2];
	char *names[LIMITS][2];
	char vip_name[VIPS][24];
	char limit_name[LIMITS][24];
};

/* Few addresses, nested deeply: 16 of each family, and their prefixes. */
static struct addr any_addr(void)
{
	struct addr a = addr(any(2) ? "10.0.0.0" : "2001:db8::");
	uint8_t *last = addr_is_v4(&a) ? &a.b[15] : &a.b[7];

	*last = (uint8_t)(any(16) << 4);
	return a;
}

static struct prefix any_prefix(void)
{
	struct prefix p = { .addr = any_addr() };
	bool v4 = addr_is_v4(&p.addr);

	p.len_bits = any(8) ? (v4 ? 120 : 56) + any(5) : v4 ? 96 : 0;
	p.addr = addr_mask(&p.addr, p.len_bits);
	return p;
}

static void make_limit(struct world *w, size_t i)
{
	struct conf_limit *l = &w->limits[i];

	snprintf(w->limit_name[i], sizeof(w->limit_name[i]), "l%zu", i);
	*l = (struct conf_limit) { .name = w->limit_name[i],
				   .sources = w->sources[i],
				   .n_sources = any(4),
				   .ports = w->ports[i],
				   .vips = w->names[i] };
	for (size_t s = 0; s < l->n_sources; s++)
		l->sources[s] = any_prefix();
	switch (any(5)) {
	case 0:
		for (l->n_vips = 0; l->n_vips < 1 + any(2); l->n_vips++)
			l->vips[l->n_vips] = w->vip_name[any(VIPS)];
		break;
	case 1:
		for (l->n_ports = 0; l->n_ports < 1 + any(2); l->n_ports++) {
			uint16_t first = (uint16_t)(1 + any(10));

			l->ports[l->n_ports] =
				(struct conf_ports) { first, (uint16_t)(first + any(4)) };
		}
		/* fall through */
	case 2:
		l->protocol = any(2) ? IPPROTO_TCP : IPPROTO_UDP;
		break;
	case 3:
		w->vips[any(VIPS)].limit = l->name;
		break;
	}
}

static void make_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->conf = (struct conf) { .limits = w->limits, .vips = w->vips, .n_vips = VIPS };
	for (size_t i = 0; i < VIPS; i++) {
		snprintf(w->vip_name[i], sizeof(w->vip_name[i]), "v%zu", i);
		w->vips[i] = (struct conf_vip) { .name = w->vip_name[i],
						 .port = (uint16_t)(1 + any(12)),
						 .protocol = any(2) ? IPPROTO_TCP : IPPROTO_UDP };
	}
	w->conf.n_limits = 1 + any(LIMITS);
	for (size_t i = 0; i < w->conf.n_limits; i++)
		make_limit(w, i);
}

/* Is a limit for the destination of a packet? By reading it, selector by selector. */
static bool is_to(const struct world *w, const struct conf_limit *l, const struct packet *p,
		  enum limit_selector *ret)
{
	bool has_vip = l->n_vips > 0, is_vip = false;

	for (size_t v = 0; v < VIPS; v++) {
		bool named = w->vips[v].limit && !strcmp(w->vips[v].limit, l->name);

		for (size_t i = 0; i < l->n_vips; i++)
			named = named || !strcmp(l->vips[i], w->vips[v].name);
		has_vip = has_vip || named;
		is_vip = is_vip || (named && p->vip == (int)v);
	}
	*ret = LIMIT_TO_VIP;
	if (has_vip)
		return is_vip;
	*ret = LIMIT_TO_PORTS;
	for (size_t i = 0; i < l->n_ports; i++)
		if (l->protocol == p->protocol && p->dport >= l->ports[i].first &&
		    p->dport <= l->ports[i].last)
			return true;
	if (l->n_ports)
		return false;
	*ret = LIMIT_TO_PROTOCOL;
	if (l->protocol)
		return l->protocol == p->protocol;
	*ret = LIMIT_TO_ALL;
	return l->n_sources > 0;
}

/* Length of the longest source that has the packet's, from 1; 0: none has it. */
static uint32_t length(const struct conf_limit *l, const struct addr *src)
{
	uint32_t longest = l->n_sources ? 0 : 1;

	for (size_t i = 0; i < l->n_sources; i++) {
		const struct prefix *s = &l->sources[i];
		uint32_t len = s->len_bits - (addr_is_v4(src) ? ADDR_V4_BITS : 0);

		if (addr_is_v4(&s->addr) == addr_is_v4(src) && prefix_contains(s, src) &&
		    len + 1 > longest)
			longest = len + 1;
	}
	return longest;
}

/* The limits that meet the packet; -1: two of a selector have the same prefix. */
static int read_one_by_one(const struct world *w, const struct packet *p,
			   uint8_t ret[LIMIT_SELECTORS])
{
	uint8_t best[LIMIT_SELECTORS] = { 0 };
	uint32_t longest[LIMIT_SELECTORS] = { 0 };
	bool tie[LIMIT_SELECTORS] = { false };
	int n = 0;

	for (size_t i = 0; i < w->conf.n_limits; i++) {
		enum limit_selector s;
		uint32_t len;

		if (!is_to(w, &w->limits[i], p, &s))
			continue;
		len = length(&w->limits[i], &p->src);
		if (len && len == longest[s])
			tie[s] = true;
		if (len <= longest[s])
			continue;
		tie[s] = false;
		longest[s] = len;
		best[s] = (uint8_t)(i + 1);
	}
	memset(ret, 0, LIMIT_SELECTORS);
	for (int s = 0; s < LIMIT_SELECTORS; s++) {
		if (tie[s])
			return -1;
		if (best[s])
			ret[n++] = best[s];
	}
	return n;
}

static struct packet any_packet(const struct world *w)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct packet p = { any_addr(), NO_VIP, protocols[any(3)], 0 };
	uint8_t *low = addr_is_v4(&p.src) ? &p.src.b[15] : &p.src.b[7];

	*low = (uint8_t)(*low | any(16));
	if (p.protocol != IPPROTO_ICMP)
		p.dport = (uint16_t)any(16);
	if (any(3) == 0) {
		p.vip = (int)any(VIPS);
		p.protocol = w->vips[p.vip].protocol;
		p.dport = w->vips[p.vip].port;
	}
	return p;
}

static void test_random_limits_meet_what_they_say(void **state)
{
	const char *given = getenv("SLUICE_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1;
	static struct world w;
	int accepted = 0, refused = 0, classes = 0;

	(void)state;
	for (uint64_t round = first; round < first + 1000; round++) {
		struct limit_compiled *c = NULL;
		struct limit_fault fault;
		struct errmsg err;
		int code;

		seed = round;
		make_world(&w);
		code = limit_compile(&w.conf, &c, &fault, &err);
		refused += code != 0;
		accepted += code == 0;
		for (int i = 0; i < 200 && !code; i++) {
			struct packet p = any_packet(&w);
			uint8_t want[LIMIT_SELECTORS];
			int n = read_one_by_one(&w, &p, want);

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
	static struct world w;
	int clashes = 0;

	(void)state;
	for (seed = 1; clashes < 200;) {
		struct limit_compiled *c = NULL;
		struct limit_fault fault = { 0 };
		struct errmsg err;
		const struct conf_limit *a, *b;

		make_world(&w);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packet_meets_the_longest_of_each_selector),
		cmocka_unit_test(test_prefixes_of_one_meaning_are_one_group),
		cmocka_unit_test(test_more_groups_than_there_are_ids_are_refused),
		cmocka_unit_test(test_more_services_than_there_are_ids_are_refused),
		cmocka_unit_test(test_random_limits_meet_what_they_say),
		cmocka_unit_test(test_a_refusal_names_limits_that_do_clash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
