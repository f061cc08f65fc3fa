/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "tls_cert.h"

#define CHAIN_MAX 16 /* certificates behind the leaf: real chains have one to three */

static void cleanup_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void cleanup_cert(struct tls_cert *cert)
{
	tls_cert_clear(cert);
}

int tls_cert_error(const struct tls_pair *pair, struct errmsg *err, const char *text)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	int code;

	code = errmsg_set(err, -EINVAL, "%s: %s%s%s", pair->name, text, reason ? ": " : "",
			  reason ? reason : "");
	ERR_clear_error();
	return code;
}

static int cert_error(const struct tls_pair *pair, struct errmsg *err, const char *text)
{
	ERR_clear_error();
	return errmsg_set(err, -EINVAL, "%s: %s", pair->name, text);
}

/* A prompt would block; what an encrypted key needs is said instead. */
static int refuse_passphrase(char *buf, int size, int rwflag, void *asked)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(bool *)asked = true;
	return -1;
}

static BIO *open_text(const char *text, size_t len)
{
	return len > INT_MAX ? NULL : BIO_new_mem_buf(text, (int)len);
}

static int load_chain(const struct tls_pair *pair, struct tls_cert *cert, struct errmsg *err)
{
	CLEANUP(cleanup_bio) BIO *bio = open_text(pair->certificate, pair->certificate_len);
	X509 *next;

	cert->chain = sk_X509_new_null();
	if (!bio || !cert->chain)
		return cert_error(pair, err, "no memory for the certificate");
	cert->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!cert->leaf) {
		if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
			return cert_error(pair, err,
					  "there is no certificate in it (PEM, -----BEGIN "
					  "CERTIFICATE-----, the leaf first)");
		return tls_cert_error(pair, err, "the certificate does not parse");
	}
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (sk_X509_num(cert->chain) == CHAIN_MAX || !sk_X509_push(cert->chain, next)) {
			X509_free(next);
			return cert_error(pair, err, "the chain has more than 17 certificates");
		}
	}
	/* the end of the text is where no further one starts; all else is damage */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_cert_error(pair, err, "a certificate of the chain does not parse");
	ERR_clear_error();
	return 0;
}

static int load_key(const struct tls_pair *pair, struct tls_cert *cert, struct errmsg *err)
{
	CLEANUP(cleanup_bio) BIO *bio = open_text(pair->key, pair->key_len);
	bool asked = false;

	if (!bio)
		return cert_error(pair, err, "no memory for the key");
	cert->key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &asked);
	if (asked)
		return cert_error(pair, err, "the key is encrypted; store it without a passphrase");
	if (!cert->key)
		return tls_cert_error(pair, err, "the private key does not parse");
	if (X509_check_private_key(cert->leaf, cert->key) != 1)
		return cert_error(pair, err, "the private key does not belong to the certificate");
	return 0;
}

static int format_time(const ASN1_TIME *at, char text[32], int64_t *ret_s)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(at, &tm) != 1)
		return -EINVAL;
	strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	*ret_s = timegm(&tm);
	return 0;
}

static int check_dates(const struct tls_pair *pair, struct tls_cert *cert, struct errmsg *err)
{
	int64_t from_s, until_s, now_s = time(NULL);
	char from[32], until[32];

	if (format_time(X509_get0_notBefore(cert->leaf), from, &from_s) ||
	    format_time(X509_get0_notAfter(cert->leaf), until, &until_s))
		return cert_error(pair, err, "the certificate's dates do not parse");
	if (now_s > until_s)
		return errmsg_set(err, -EINVAL, "%s: the certificate expired at %s", pair->name,
				  until);
	if (now_s < from_s)
		return errmsg_set(err, -EINVAL, "%s: the certificate is not valid before %s",
				  pair->name, from);
	cert->expires_s = until_s;
	return 0;
}

int tls_cert_load(const struct tls_pair *pair, struct tls_cert *ret, struct errmsg *err)
{
	CLEANUP(cleanup_cert) struct tls_cert cert = { 0 };
	int code;

	ERR_clear_error();
	code = load_chain(pair, &cert, err);
	if (!code)
		code = check_dates(pair, &cert, err);
	if (!code && load_key(pair, &cert, err))
		code = -EKEYREJECTED;
	if (code)
		return code;
	*ret = cert;
	cert = (struct tls_cert) { 0 };
	return 0;
}

void tls_cert_clear(struct tls_cert *cert)
{
	X509_free(cert->leaf);
	sk_X509_pop_free(cert->chain, X509_free);
	EVP_PKEY_free(cert->key);
	*cert = (struct tls_cert) { 0 };
}
