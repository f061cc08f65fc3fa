/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled places of vips against cases, and against a reading of the rules one by one. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/buf.h"
#include "conf/conf_dump.h"
#include "conf/vip_compile.h"
#include "conf/vip_place.h"
#include "conf_fixture.h"

#define NOBODY (-1)
#define ROUNDS 400
#define PROBES 200

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void no_fault(const struct vip_fault *f, void *ctx)
{
	(void)ctx;
	fail_msg("fault %d of vip %zu", f->kind, f->vip);
}

static void count_fault(const struct vip_fault *f, void *ctx)
{
	(void)f;
	++*(int *)ctx;
}

static int vip_with(const struct conf *conf, const struct vip_key *key)
{
	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct vip_key k = vip_place_key(&conf->vips[i]);

		if (memcmp(&k, key, sizeof(k)) == 0)
			return (int)i;
	}
	return NOBODY;
}

/* What the kernel does with a packet, of port 0 with a fragment: bpf/stage/vip.h, vip_wide.h. */
static int look_up(const struct conf *conf, const struct vip_compiled *c, const struct addr *a,
		   uint16_t port, uint8_t proto)
{
	const struct vip_key plain = { .addr = *a,
				       .port = __builtin_bswap16(port),
				       .proto = proto };
	const struct vip_wide_entry *best = NULL;
	int found = port ? vip_with(conf, &plain) : NOBODY;

	if (found != NOBODY)
		return found;
	for (size_t i = 0; i < c->n; i++) {
		const struct prefix p = { c->entry[i].key.len_bits - VIP_WIDE_PROTO_BITS,
					  c->entry[i].key.addr };

		if (c->entry[i].key.proto == proto && prefix_contains(&p, a) &&
		    (!best || c->entry[i].key.len_bits > best->key.len_bits))
			best = &c->entry[i];
	}
	if (!best)
		return NOBODY;
	if (!port)
		return vip_with(conf, &best->record.fragments);
	for (uint32_t k = 0; k < best->record.n; k++) {
		const struct vip_span *s = &best->record.span[k];

		if (port >= s->first && port <= s->last)
			return vip_with(conf, &s->key);
	}
	return NOBODY;
}

struct want {
	const char *address;
	uint16_t port; /* 0: a fragment */
	int vip;
};

static void expect(const char *yaml, const struct want *want, size_t n)
{
	struct conf *conf = conf_fixture(yaml);
	struct vip_compiled c;

	assert_int_equal(vip_compile(conf, NULL, &c, no_fault, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		struct addr a = addr(want[i].address);
		int got = look_up(conf, &c, &a, want[i].port, IPPROTO_TCP);

		if (got != want[i].vip)
			fail_msg("%s port %u is of %d, not %d, in:\n%s", want[i].address,
				 want[i].port, got, want[i].vip, yaml);
	}
	for (size_t i = 0; i < c.n; i++) /* in order, and apart */
		for (uint32_t k = 1; k < c.entry[i].record.n; k++)
			assert_true(c.entry[i].record.span[k - 1].last <
				    c.entry[i].record.span[k].first);
	vip_compiled_clear(&c);
	conf_free(conf);
}

#define EXPECT(yaml, ...)                                                        \
	do {                                                                     \
		static const struct want want_[] = { __VA_ARGS__ };              \
		expect("vips:\n" yaml, want_, sizeof(want_) / sizeof(want_[0])); \
	} while (0)

static void test_the_longest_prefix_wins_whatever_its_ports(void **state)
{
	(void)state;
	EXPECT("  - {name: a, address: 192.0.2.0/24, port: 80}\n"
	       "  - {name: b, address: 192.0.2.128/25, port: any}\n"
	       "  - {name: c, address: 192.0.2.200, port: 80-89}\n"
	       "  - {name: d, address: 192.0.2.200, port: 85}\n",
	       { "192.0.2.1", 80, 0 }, { "192.0.2.1", 81, NOBODY }, { "192.0.2.129", 80, 1 },
	       { "192.0.2.129", 65535, 1 }, { "192.0.2.200", 84, 2 }, { "192.0.2.200", 85, 3 },
	       { "192.0.2.200", 86, 2 }, { "192.0.2.200", 90, 1 }, { "192.0.3.0", 80, NOBODY });
}

static void test_in_one_prefix_a_port_wins_before_a_range_before_any(void **state)
{
	(void)state;
	EXPECT("  - {name: a, address: 192.0.2.0/24, port: any}\n"
	       "  - {name: b, address: 192.0.2.0/24, port: 100-200}\n"
	       "  - {name: c, address: 192.0.2.0/24, port: 150}\n"
	       "  - {name: d, address: 192.0.2.0/24, port: 201-300}\n",
	       { "192.0.2.1", 99, 0 }, { "192.0.2.1", 100, 1 }, { "192.0.2.1", 149, 1 },
	       { "192.0.2.1", 150, 2 }, { "192.0.2.1", 151, 1 }, { "192.0.2.1", 200, 1 },
	       { "192.0.2.1", 201, 3 }, { "192.0.2.1", 301, 0 });
}

static void test_fragments_are_of_the_vip_with_most_ports_of_the_longest_prefix(void **state)
{
	(void)state;
	EXPECT("  - {name: a, address: 192.0.2.0/24, port: any}\n"
	       "  - {name: b, address: 192.0.2.1, port: 443}\n"
	       "  - {name: c, address: 192.0.2.1, port: 80}\n"
	       "  - {name: d, address: 192.0.2.2, port: 80}\n"
	       "  - {name: e, address: 192.0.2.2, port: 100-101}\n"
	       "  - {name: f, address: 198.51.100.1, port: 80}\n",
	       { "192.0.2.9", 0, 0 }, { "192.0.2.1", 0, 2 }, { "192.0.2.2", 0, 4 },
	       { "198.51.100.1", 0, 5 }, { "198.51.100.2", 0, NOBODY });
}

static void test_a_listener_keeps_its_own_place_inside_of_a_vip(void **state)
{
	static const struct want want[] = { { "192.0.2.1", 8080, NOBODY }, { "192.0.2.1", 8081, 0 },
					    { "192.0.2.2", 8080, 0 },	   { "192.0.2.3", 443, 0 },
					    { "192.0.2.1", 0, 0 },	   { "192.0.2.4", 9000, 1 },
					    { "192.0.2.4", 9001, NOBODY } };

	(void)state;
	expect("listeners:\n"
	       "  - {name: l, address: 192.0.2.1, port: 8080}\n"
	       "  - {name: m, address: 0.0.0.0, port: 443}\n"
	       "  - {name: n, address: 192.0.2.4, port: 9001}\n"
	       "  - {name: o, address: 203.0.113.1, port: 9001}\n"
	       "vips:\n"
	       "  - {name: a, address: 192.0.2.0/24, port: any}\n"
	       "  - {name: b, address: 192.0.2.4, port: 9000-9002}\n",
	       want, sizeof(want) / sizeof(want[0]));
}

static void test_without_a_wide_one_packets_need_not_ask(void **state)
{
	struct conf *conf = conf_fixture("vips: [{name: a, address: 192.0.2.1, port: 80}]\n"
					 "listeners: [{name: l, address: 192.0.2.1, port: 81}]");
	struct vip_compiled c;

	(void)state;
	assert_int_equal(vip_compile(conf, NULL, &c, no_fault, NULL), 0);
	assert_false(c.has_wide);
	vip_compiled_clear(&c);
	conf_free(conf);
	conf = conf_fixture("vips: [{name: a, address: 192.0.2.1, port: 80-81}]");
	assert_int_equal(vip_compile(conf, NULL, &c, no_fault, NULL), 0);
	assert_true(c.has_wide);
	vip_compiled_clear(&c);
	conf_free(conf);
}

/* Few values, so that they meet. */
static void some_vip(struct conf_vip *v)
{
	static const uint8_t bits[] = { 0, 0, 127, 126, 125 };
	static const uint16_t ports[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const uint8_t len = bits[rand() % 5];

	*v = (struct conf_vip) { .protocol = rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP };
	v->address = addr("192.0.2.0");
	v->address.b[15] = (uint8_t)(rand() % 8);
	v->address_bits = len;
	if (len)
		v->address = addr_mask(&v->address, len - 1U);
	if (rand() % 4 == 0) {
		v->port_last = UINT16_MAX;
		return;
	}
	v->port = ports[rand() % 8];
	if (rand() % 2 && v->port < 8)
		v->port_last = (uint16_t)(v->port + 1 + rand() % 3);
}

static void test_records_say_what_the_rules_say(void **state)
{
	struct conf_vip vips[12];
	int compiled = 0, wide = 0;

	(void)state;
	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct conf conf = { .vips = vips, .n_vips = 1 + (size_t)rand() % 6 };
		struct vip_compiled c;
		int faults = 0;

		for (size_t i = 0; i < conf.n_vips; i++)
			some_vip(&vips[i]);
		if (vip_compile(&conf, NULL, &c, count_fault, &faults)) {
			assert_true(faults > 0);
			continue;
		}
		compiled++;
		wide += c.has_wide;
		for (int i = 0; i < PROBES; i++) {
			struct addr a = addr("192.0.2.0");
			const uint16_t port = (uint16_t)(rand() % 12);
			const uint8_t proto = rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
			const struct conf_vip *v;

			a.b[15] = (uint8_t)(rand() % 9);
			v = vip_place_find(&conf, &a, port, proto);
			assert_int_equal(look_up(&conf, &c, &a, port, proto),
					 v ? (int)(v - vips) : NOBODY);
		}
		vip_compiled_clear(&c);
	}
	assert_true(compiled > ROUNDS / 4 && wide > ROUNDS / 4);
}

static void test_too_many_ranges_in_one_prefix_are_a_fault(void **state)
{
	struct conf_vip vips[VIP_SPANS_MAX + 1];
	struct conf conf = { .vips = vips, .n_vips = VIP_SPANS_MAX + 1 };
	struct vip_compiled c;
	int faults = 0;

	(void)state;
	for (size_t i = 0; i < conf.n_vips; i++)
		vips[i] = (struct conf_vip) { .address = addr("192.0.2.0"),
					      .protocol = IPPROTO_TCP,
					      .port = (uint16_t)(1 + 3 * i),
					      .port_last = (uint16_t)(2 + 3 * i) };
	assert_int_equal(vip_compile(&conf, NULL, &c, count_fault, &faults), -EINVAL);
	assert_int_equal(faults, 1);
	conf.n_vips--;
	assert_int_equal(vip_compile(&conf, NULL, &c, no_fault, NULL), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.entry[0].record.n, VIP_SPANS_MAX);
	vip_compiled_clear(&c);
	/* A listener in the middle of one cuts it in two. */
	conf.listeners = &(struct conf_listener) { .address = addr("192.0.2.1"), .port = 2 };
	conf.n_listeners = 1;
	vips[0].port_last = 3;
	for (size_t i = 0; i < conf.n_vips; i++)
		vips[i].address_bits = 128;
	assert_int_equal(vip_compile(&conf, NULL, &c, count_fault, &faults), -EINVAL);
	assert_int_equal(faults, 2);
}

/* Ports of one kind overlap in the middle of many others, in every order. */
static void test_two_that_are_equally_specific_are_a_fault(void **state)
{
	static const struct {
		uint16_t first[3], last[3];
		int faults;
	} rows[] = {
		{ { 1, 5, 9 }, { 4, 8, 12 }, 0 },	 { { 1, 4, 9 }, { 4, 8, 12 }, 1 },
		{ { 1, 2, 9 }, { 20, 3, 12 }, 2 },	 { { 9, 1, 5 }, { 12, 9, 8 }, 2 },
		{ { 0, 0, 5 }, { 65535, 65535, 6 }, 1 }, { { 1, 1, 1 }, { 2, 2, 2 }, 2 },
		{ { 1, 3, 0 }, { 9, 0, 65535 }, 0 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct conf_vip vips[3];
		struct conf conf = { .vips = vips, .n_vips = 3 };
		struct vip_compiled c = { 0 };
		int faults = 0;

		for (size_t i = 0; i < 3; i++)
			vips[i] = (struct conf_vip) { .address = addr("192.0.2.0"),
						      .address_bits = 121,
						      .protocol = IPPROTO_TCP,
						      .port = rows[r].first[i],
						      .port_last = rows[r].last[i] };
		vip_compile(&conf, NULL, &c, count_fault, &faults);
		if (faults != rows[r].faults)
			fail_msg("row %zu has %d faults", r, faults);
		vip_compiled_clear(&c);
	}
}

static void test_a_place_is_written_as_it_is_read(void **state)
{
	static const struct {
		const char *address, *port, *text;
	} rows[] = {
		{ "192.0.2.1", "80", "192.0.2.1:80" },
		{ "'2001:db8::1'", "80", "[2001:db8::1]:80" },
		{ "192.0.2.0/24", "80", "192.0.2.0/24:80" },
		{ "192.0.2.1", "8000-8100", "192.0.2.1:8000-8100" },
		{ "'2001:db8::/64'", "any", "[2001:db8::/64]:any" },
		{ "192.0.2.1/32", "7-7", "192.0.2.1:7" },
	};
	char yaml[256], text[VIP_PLACE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *conf, *again;
		struct buf out;

		snprintf(yaml, sizeof(yaml), "vips: [{name: v, address: %s, port: %s}]",
			 rows[i].address, rows[i].port);
		conf = conf_fixture(yaml);
		assert_string_equal(vip_place_format(&conf->vips[0], text), rows[i].text);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_longest_prefix_wins_whatever_its_ports),
		cmocka_unit_test(test_in_one_prefix_a_port_wins_before_a_range_before_any),
		cmocka_unit_test(
			test_fragments_are_of_the_vip_with_most_ports_of_the_longest_prefix),
		cmocka_unit_test(test_a_listener_keeps_its_own_place_inside_of_a_vip),
		cmocka_unit_test(test_without_a_wide_one_packets_need_not_ask),
		cmocka_unit_test(test_records_say_what_the_rules_say),
		cmocka_unit_test(test_too_many_ranges_in_one_prefix_are_a_fault),
		cmocka_unit_test(test_two_that_are_equally_specific_are_a_fault),
		cmocka_unit_test(test_a_place_is_written_as_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
