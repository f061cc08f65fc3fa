/* SPDX-License-Identifier: BSD-2-Clause */
/* What a new revision costs where certificates stay as they are. */
#include <stdlib.h>
#include <string.h>

#include "gateway_world.h"
#include "tls_pems.h"

#define SECURE                                                                        \
	"listeners: [{name: web, address: 127.0.0.1, port: 443,"                      \
	" certificates: [{certificate: /a, key: /b}, {certificate: /c, key: /d}]}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                    \
	"routes: [{name: all, cluster: app}]\n"

static void a_revision_parses_only_certificates_that_are_new(void **state)
{
	struct tls_pair pairs[] = {
		tls_pems_pair("a", tls_pems.ecdsa.cert, tls_pems.ecdsa.key),
		tls_pems_pair("c", tls_pems.other.cert, tls_pems.other.key),
	};
	struct world w = { .pair = pairs };
	const struct tls_cache_counts *counts;

	(void)state;
	world_start(&w, SECURE);
	counts = gateway_tls_counts(w.gateway);
	assert_int_equal(counts->pairs_parsed, 2);
	assert_int_equal(counts->groups_built, 2);
	assert_int_equal(world_apply(&w, SECURE), 0);
	assert_int_equal(counts->pairs_parsed, 2);
	assert_int_equal(counts->groups_built, 2);
	pairs[1] = tls_pems_pair("c", tls_pems.wild.cert, tls_pems.wild.key);
	assert_int_equal(world_apply(&w, SECURE), 0);
	assert_int_equal(counts->pairs_parsed, 3);
	assert_int_equal(counts->groups_built, 3);
	/* one that is refused costs the others nothing */
	pairs[1] = tls_pems_pair("c", tls_pems.wild.cert, tls_pems.other.key);
	assert_int_not_equal(world_apply(&w, SECURE), 0);
	assert_int_equal(counts->pairs_parsed, 3);
	assert_int_equal(counts->groups_built, 3);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_revision_parses_only_certificates_that_are_new),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
