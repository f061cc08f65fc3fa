/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_pems.h"

char *tls_pems_text(BIO *bio)
{
	char *data, *copy;
	long n = BIO_get_mem_data(bio, &data);

	copy = strndup(data, (size_t)n);
	BIO_free(bio);
	return copy;
}

void tls_pems_set_dates(X509 *x, long from_s, long until_s)
{
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), until_s);
}

/* names: "DNS:a.example,DNS:b.example", or NULL for a common name only. */
struct tls_pem tls_pems_make(const char *names, const char *cn, bool rsa, long from_s, long until_s)
{
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048U) : EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	X509_NAME *subject = X509_get_subject_name(x);

	assert_non_null(key);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	tls_pems_set_dates(x, from_s, until_s);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
				   0);
	X509_set_issuer_name(x, subject);
	X509_set_pubkey(x, key);
	if (names) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(cert_bio, x);
	PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
	X509_free(x);
	EVP_PKEY_free(key);
	return (struct tls_pem) { tls_pems_text(cert_bio), tls_pems_text(key_bio) };
}

void tls_pems_free(struct tls_pem *p)
{
	free(p->cert);
	free(p->key);
}

struct tls_pair tls_pems_pair(const char *name, const char *cert, const char *key)
{
	return (struct tls_pair) { name, cert, strlen(cert), key, strlen(key) };
}

struct tls_pems tls_pems;

int tls_pems_setup(void **state)
{
	(void)state;
	tls_pems.ecdsa =
		tls_pems_make("DNS:a.example,DNS:www.a.example", "A ec", false, -DAY_S, 30 * DAY_S);
	tls_pems.rsa_same =
		tls_pems_make("DNS:WWW.a.example,DNS:a.example", "A rsa", true, -DAY_S, 20 * DAY_S);
	tls_pems.wild = tls_pems_make("DNS:*.wild.example", "W", false, -DAY_S, 10 * DAY_S);
	tls_pems.other = tls_pems_make("DNS:other.example", "O", false, -DAY_S, 40 * DAY_S);
	tls_pems.only_cn = tls_pems_make(NULL, "cn.example", false, -DAY_S, 40 * DAY_S);
	return 0;
}

int tls_pems_teardown(void **state)
{
	(void)state;
	tls_pems_free(&tls_pems.ecdsa);
	tls_pems_free(&tls_pems.rsa_same);
	tls_pems_free(&tls_pems.wild);
	tls_pems_free(&tls_pems.other);
	tls_pems_free(&tls_pems.only_cn);
	return 0;
}
