/* SPDX-License-Identifier: BSD-2-Clause */
/* A reload tries the certificates that are new, and no others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/pem_checked.h"
#include "tls_pems.h"

#define MANY 12

static void assert_good(struct pem_checked *c, const struct tls_pair *pairs, size_t n)
{
	struct errmsg err = { "" };

	for (size_t i = 0; i < n; i++) {
		if (pem_checked_try(c, &pairs[i], &err))
			fail_msg("%s", err.text);
	}
}

static void of_many_only_the_one_that_changed_is_tried(void **state)
{
	struct tls_pem pems[MANY], renewed;
	struct tls_pair pairs[MANY];
	struct pem_checked c = { 0 };

	(void)state;
	for (int i = 0; i < MANY; i++) {
		pems[i] = tls_pems_make("DNS:h.example", "H", false, -DAY_S, DAY_S);
		pairs[i] = tls_pems_pair("h", pems[i].cert, pems[i].key);
	}
	assert_good(&c, pairs, MANY);
	pem_checked_settle(&c, true);
	assert_int_equal(c.tried, MANY);
	renewed = tls_pems_make("DNS:h.example", "H", false, -DAY_S, DAY_S);
	pairs[5] = tls_pems_pair("h", renewed.cert, renewed.key);
	assert_good(&c, pairs, MANY);
	pem_checked_settle(&c, true);
	assert_int_equal(c.tried, MANY + 1);
	assert_int_equal(c.n_known, MANY);
	/* the one that was replaced is not known any more: rows do not pile up */
	pairs[5] = tls_pems_pair("h", pems[5].cert, pems[5].key);
	assert_good(&c, pairs, MANY);
	assert_int_equal(c.tried, MANY + 2);
	pem_checked_clear(&c);
	for (int i = 0; i < MANY; i++)
		tls_pems_free(&pems[i]);
	tls_pems_free(&renewed);
}

static void a_key_of_another_certificate_is_not_known_by_its_certificate(void **state)
{
	struct tls_pair good = tls_pems_pair("a", tls_pems.ecdsa.cert, tls_pems.ecdsa.key);
	struct tls_pair mixed = tls_pems_pair("a", tls_pems.ecdsa.cert, tls_pems.other.key);
	struct pem_checked c = { 0 };
	struct errmsg err;

	(void)state;
	assert_good(&c, &good, 1);
	pem_checked_settle(&c, true);
	assert_true(pem_checked_try(&c, &mixed, &err) < 0);
	assert_non_null(strstr(err.text, "does not belong"));
	pem_checked_settle(&c, false);
	/* what was in force before the load that failed is known still */
	assert_good(&c, &good, 1);
	assert_int_equal(c.tried, 2);
	assert_true(pem_checked_try(NULL, &mixed, &err) < 0);
	assert_int_equal(pem_checked_try(NULL, &good, &err), 0);
	pem_checked_clear(&c);
}

static void one_that_expired_since_is_tried_and_named(void **state)
{
	struct tls_pem pem = tls_pems_make("DNS:soon.example", "S", false, -DAY_S, 1);
	struct tls_pair pair = tls_pems_pair("soon", pem.cert, pem.key);
	struct pem_checked c = { 0 };
	struct errmsg err = { "" };

	(void)state;
	assert_good(&c, &pair, 1);
	pem_checked_settle(&c, true);
	while (pem_checked_try(&c, &pair, &err) == 0) { /* until its second is over */
		pem_checked_settle(&c, true);
		usleep(50000);
	}
	assert_non_null(strstr(err.text, "soon: the certificate expired"));
	assert_in_range(c.tried, 2, 3); /* in the second that it ends with, it is tried and good */
	pem_checked_clear(&c);
	tls_pems_free(&pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_many_only_the_one_that_changed_is_tried),
		cmocka_unit_test(a_key_of_another_certificate_is_not_known_by_its_certificate),
		cmocka_unit_test(one_that_expired_since_is_tried_and_named),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
