/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_identity.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tls_context.h"

#define SERIAL_MAX 64 /* hex digits; RFC 5280 s4.1.2.2: 20 octets */

static void cleanup_bio(BIO **bio)
{
	BIO_free(*bio);
}

static char *name_text(const X509_NAME *name)
{
	CLEANUP(cleanup_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	/* RFC 2253 with all escapes: no control and no byte above ASCII is left */
	if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0)
		return NULL;
	n = BIO_get_mem_data(bio, &text);
	return n > 0 && n <= TLS_IDENTITY_NAME_MAX ? strndup(text, (size_t)n) : NULL;
}

static char *serial_text(const X509 *x)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = n ? BN_bn2hex(n) : NULL;
	char *ret = hex && strlen(hex) <= SERIAL_MAX ? strdup(hex) : NULL;

	OPENSSL_free(hex);
	BN_free(n);
	return ret;
}

static int take_whole(struct tls_identity *id, const uint8_t *der, size_t n)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256(der, n, hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(id->sha256 + 2 * i, 3, "%02x", hash[i]);
	if (n > TLS_IDENTITY_DER_MAX)
		return 0;
	id->base64 = malloc((n + 2) / 3 * 4 + 1);
	if (!id->base64)
		return -ENOMEM;
	EVP_EncodeBlock((unsigned char *)id->base64, der, (int)n);
	return 0;
}

static int identity_new(X509 *x, struct tls_identity **ret)
{
	struct tls_identity *id = calloc(1, sizeof(*id));
	unsigned char *der = NULL;
	int n = id ? i2d_X509(x, &der) : -1, err;

	err = n > 0 ? take_whole(id, der, (size_t)n) : -ENOMEM;
	OPENSSL_free(der);
	if (err) {
		tls_identity_free(id);
		return err;
	}
	id->subject = name_text(X509_get_subject_name(x));
	id->issuer = name_text(X509_get_issuer_name(x));
	id->serial = serial_text(x);
	ERR_clear_error();
	*ret = id;
	return 0;
}

int tls_identity_get(struct stream *s, struct tls_identity **ret)
{
	SSL *ssl = tls_filter_ssl(s);
	X509 *x = ssl ? SSL_get0_peer_certificate(ssl) : NULL;

	*ret = NULL;
	return x ? identity_new(x, ret) : 0;
}

void tls_identity_free(struct tls_identity *id)
{
	if (!id)
		return;
	free(id->subject);
	free(id->issuer);
	free(id->serial);
	free(id->base64);
	free(id);
}
