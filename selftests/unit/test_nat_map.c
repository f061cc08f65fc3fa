/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs are told of a vip of mode nat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/nat_map.h"

/* The sanitizers look whether anything is copied from where there is nothing. */
static void test_a_routed_vip_has_no_addresses(void **state)
{
	const struct conf_vip v = { .name = "routed" };
	struct nat_vip is;

	(void)state;
	memset(&is, 0xff, sizeof(is));
	nat_map_compile_vip(&v, &is);
	assert_memory_equal(&is, &(struct nat_vip) { 0 }, sizeof(is));
}

static void test_addresses_are_those_configured_and_no_more(void **state)
{
	struct addr snat[2] = { { .b = { 10, 1 } }, { .b = { 10, 2 } } };
	const struct conf_vip v = { .name = "web", .snat = snat, .n_snat = 2 };
	const struct nat_vip want = { .n_sources = 2, .source = { snat[0], snat[1] } };
	struct nat_vip is;

	(void)state;
	memset(&is, 0xff, sizeof(is));
	nat_map_compile_vip(&v, &is);
	assert_memory_equal(&is, &want, sizeof(is));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_routed_vip_has_no_addresses),
		cmocka_unit_test(test_addresses_are_those_configured_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
