/* SPDX-License-Identifier: BSD-2-Clause */
/* A certificate chain and its key, parsed and checked. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "tls.h"

struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) * chain; /* without the leaf */
	EVP_PKEY *key;
	int64_t expires_s; /* of the leaf, seconds since 1970 */
};

/* -EINVAL, -EKEYREJECTED for the key, and *err that names the pair; *ret is untouched then. */
int tls_cert_load(const struct tls_pair *pair, struct tls_cert *ret, struct errmsg *err);
void tls_cert_clear(struct tls_cert *cert);

/* errmsg_set with the name of the pair and OpenSSL's reason behind the text; -EINVAL. */
int tls_cert_error(const struct tls_pair *pair, struct errmsg *err, const char *text);
