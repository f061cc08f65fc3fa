/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls_pems.h"

static void expect_code(int code, const char *cert, const char *key, const char *part)
{
	struct tls_pair pairs[2] = { tls_pems_pair("/good", tls_pems.ecdsa.cert,
						   tls_pems.ecdsa.key),
				     tls_pems_pair("/etc/x.pem", cert, key) };
	struct tls_context *ctx = (void *)0x1;
	struct errmsg err = { "" };

	assert_int_equal(tls_context_new(pairs, 2, NULL, &ctx, &err), code);
	assert_ptr_equal(ctx, (void *)0x1);
	assert_non_null(strstr(err.text, "/etc/x.pem: "));
	if (!strstr(err.text, part))
		fail_msg("'%s' does not say '%s'", err.text, part);
	assert_int_equal(ERR_peek_error(), 0); /* the queue is the process's */
}

static void expect_refused(const char *cert, const char *key, const char *part)
{
	expect_code(-EINVAL, cert, key, part);
}

static void expect_key_refused(const char *cert, const char *key, const char *part)
{
	expect_code(-EKEYREJECTED, cert, key, part);
}

static char *encrypted_key(void)
{
	BIO *in = BIO_new_mem_buf(tls_pems.ecdsa.key, -1), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);

	PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
	EVP_PKEY_free(key);
	BIO_free(in);
	return tls_pems_text(out);
}

static void test_a_bad_pair_is_refused_with_its_name_and_reason(void **state)
{
	struct tls_pem expired = tls_pems_make(NULL, "x", false, -2 * DAY_S, -DAY_S);
	struct tls_pem early = tls_pems_make(NULL, "x", false, DAY_S, 2 * DAY_S);
	char *locked = encrypted_key(), *broken = strdup(tls_pems.ecdsa.cert), damaged_chain[8192];

	(void)state;
	expect_refused(expired.cert, expired.key, "expired at 20");
	expect_refused(early.cert, early.key, "not valid before 20");
	expect_key_refused(tls_pems.ecdsa.cert, tls_pems.other.key,
			   "does not belong to the certificate");
	expect_key_refused(tls_pems.ecdsa.cert, tls_pems.rsa_same.key,
			   "does not belong to the certificate");
	expect_refused("", tls_pems.ecdsa.key, "no certificate in it");
	expect_refused(tls_pems.ecdsa.key, tls_pems.ecdsa.key, "no certificate in it");
	expect_key_refused(tls_pems.ecdsa.cert, "", "private key does not parse");
	expect_key_refused(tls_pems.ecdsa.cert, tls_pems.ecdsa.cert, "private key does not parse");
	expect_key_refused(tls_pems.ecdsa.cert, locked, "encrypted");
	memset(broken + 60, '#', 20);
	expect_refused(broken, tls_pems.ecdsa.key, "certificate does not parse");
	snprintf(damaged_chain, sizeof(damaged_chain), "%s%s", tls_pems.ecdsa.cert, broken);
	expect_refused(damaged_chain, tls_pems.ecdsa.key,
		       "certificate of the chain does not parse");
	free(locked);
	free(broken);
	tls_pems_free(&expired);
	tls_pems_free(&early);
}

static void test_a_weak_key_is_refused(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(1024U);
	X509 *x = X509_new();
	BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	char *cert, *key_text;

	(void)state;
	tls_pems_set_dates(x, -DAY_S, DAY_S);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	PEM_write_bio_X509(cert_bio, x);
	PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
	cert = tls_pems_text(cert_bio);
	key_text = tls_pems_text(key_bio);
	expect_refused(cert, key_text, "key too small");
	free(cert);
	free(key_text);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void test_a_chain_behind_the_leaf_is_taken_and_the_first_expiry_told(void **state)
{
	char chain[8192];
	struct tls_pair pairs[2];
	struct tls_context *ctx;
	struct errmsg err;
	int64_t days;

	(void)state;
	snprintf(chain, sizeof(chain), "comment\n%s\n%s", tls_pems.ecdsa.cert, tls_pems.other.cert);
	pairs[0] = tls_pems_pair("chain", chain, tls_pems.ecdsa.key);
	pairs[1] = tls_pems_pair("wild", tls_pems.wild.cert, tls_pems.wild.key);
	assert_int_equal(tls_context_new(pairs, 2, NULL, &ctx, &err), 0);
	days = (tls_context_expires(ctx) - time(NULL) + DAY_S / 2) / DAY_S;
	assert_int_equal(days, 10);
	tls_context_unref(ctx);
	assert_int_equal(tls_context_new(pairs, 0, NULL, &ctx, &err), -EINVAL);
	assert_int_equal(tls_context_new(pairs, TLS_PAIRS_MAX + 1, NULL, &ctx, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bad_pair_is_refused_with_its_name_and_reason),
		cmocka_unit_test(test_a_weak_key_is_refused),
		cmocka_unit_test(test_a_chain_behind_the_leaf_is_taken_and_the_first_expiry_told),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
