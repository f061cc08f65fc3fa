/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static void test_addresses_that_parse_are_printed_in_their_usual_form(void **state)
{
	static const struct {
		const char *text, *printed;
		bool v4;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "0.0.0.0", "0.0.0.0", true },
		{ "::ffff:192.0.2.1", "192.0.2.1", true },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", false },
		{ "::", "::", false },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", false },
	};
	char buf[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse(rows[i].text, &a), 0);
		assert_string_equal(addr_format(&a, buf), rows[i].printed);
		assert_int_equal(addr_is_v4(&a), rows[i].v4);
	}
}

static void test_what_is_no_address_is_refused_and_writes_nothing(void **state)
{
	static const char *const rows[] = {
		"",	     "1.2.3",	 "1.2.3.4.5", "1.2.3.256", "01.2.3.4",	 "[::1]",
		"fe80::1%1", "1.2.3.4 ", ":::",	      "12345::",   "1.2.3.4/32", "host",
	};
	struct addr a, before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a = before;
		assert_int_equal(addr_parse(rows[i], &a), -EINVAL);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint32_t len_bits;
		const char *printed;
	} rows[] = {
		{ "192.0.2.0/24", 0, 120, "192.0.2.0/24" },
		{ "0.0.0.0/0", 0, 96, "0.0.0.0/0" },
		{ "192.0.2.1", 0, 128, "192.0.2.1/32" },
		{ "2001:db8::/32", 0, 32, "2001:db8::/32" },
		{ "2001:db8::1", 0, 128, "2001:db8::1/128" },
		{ "::/0", 0, 0, "::/0" },
		{ "::ffff:192.0.2.0/120", 0, 120, "192.0.2.0/24" },
		{ "192.0.2.1/24", -ERANGE, 0, NULL },
		{ "2001:db8::1/64", -ERANGE, 0, NULL },
		{ "192.0.2.0/33", -EINVAL, 0, NULL },
		{ "2001:db8::/129", -EINVAL, 0, NULL },
		{ "192.0.2.0/", -EINVAL, 0, NULL },
		{ "192.0.2.0/024", -EINVAL, 0, NULL },
		{ "192.0.2.0/+24", -EINVAL, 0, NULL },
		{ "192.0.2.0/24/24", -EINVAL, 0, NULL },
		{ "/24", -EINVAL, 0, NULL },
	};
	char buf[ADDR_TEXT_MAX];
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(prefix_parse(rows[i].text, &p), rows[i].err);
		if (rows[i].err)
			continue;
		assert_int_equal(p.len_bits, rows[i].len_bits);
		assert_string_equal(prefix_format(&p, buf), rows[i].printed);
	}
}

static void test_address_and_port(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint16_t port;
	} rows[] = {
		{ "192.0.2.1:80", 0, 80 },
		{ "[2001:db8::1]:65535", 0, 65535 },
		{ "192.0.2.1:0", -EINVAL, 0 },
		{ "192.0.2.1:65536", -EINVAL, 0 },
		{ "192.0.2.1:080", -EINVAL, 0 },
		{ "192.0.2.1", -EINVAL, 0 },
		{ "2001:db8::1:80", -EINVAL, 0 },
		{ "[192.0.2.1]:80", -EINVAL, 0 },
		{ "[2001:db8::1]", -EINVAL, 0 },
		{ "[]:80", -EINVAL, 0 },
		{ "[:80", -EINVAL, 0 },
		{ ":80", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};
	char buf[ADDR_TEXT_MAX];
	struct addr a;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse_port(rows[i].text, &a, &port), rows[i].err);
		if (rows[i].err)
			continue;
		assert_int_equal(port, rows[i].port);
		assert_string_equal(addr_format_port(&a, port, buf), rows[i].text);
	}
}

static void test_masking_and_containing(void **state)
{
	struct addr a, masked;
	struct prefix p;
	char buf[ADDR_TEXT_MAX];

	(void)state;
	addr_parse("2001:db8:ffff:ffff:ffff::1", &a);
	masked = addr_mask(&a, 35);
	assert_string_equal(addr_format(&masked, buf), "2001:db8:e000::");
	masked = addr_unit(&a);
	assert_string_equal(addr_format(&masked, buf), "2001:db8:ffff:ffff::");
	masked = addr_mask(&a, 128);
	assert_true(addr_eq(&masked, &a));
	prefix_parse("::/0", &p);
	assert_true(prefix_contains(&p, &a));
	prefix_parse("192.0.2.0/24", &p);
	assert_false(prefix_contains(&p, &a));
	addr_parse("192.0.2.255", &a);
	assert_true(prefix_contains(&p, &a));
	masked = addr_unit(&a);
	assert_true(addr_eq(&masked, &a));
	addr_parse("192.0.3.0", &a);
	assert_false(prefix_contains(&p, &a));
}

static void test_socket_addresses_go_both_ways(void **state)
{
	static const char *const rows[] = { "192.0.2.1", "2001:db8::1" };
	struct sockaddr_storage ss;
	struct sockaddr unix_sa = { .sa_family = AF_UNIX };
	struct addr a, back;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		addr_parse(rows[i], &a);
		assert_int_equal(addr_to_sockaddr(&a, 8080, &ss),
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_int_equal(addr_from_sockaddr((struct sockaddr *)&ss, &back, &port), 0);
		assert_true(addr_eq(&a, &back));
		assert_int_equal(port, 8080);
	}
	assert_int_equal(addr_from_sockaddr(&unix_sa, &back, NULL), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_that_parse_are_printed_in_their_usual_form),
		cmocka_unit_test(test_what_is_no_address_is_refused_and_writes_nothing),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_address_and_port),
		cmocka_unit_test(test_masking_and_containing),
		cmocka_unit_test(test_socket_addresses_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
