/* SPDX-License-Identifier: BSD-2-Clause */
/* Which SSL_CTX serves a host name: exact names and wildcards of the leftmost label (RFC 6125). */
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>

#define TLS_NAME_MAX 255 /* a DNS name */

struct tls_name {
	char *text;   /* lower case */
	SSL_CTX *ctx; /* borrowed */
	size_t order; /* of adding: the first of equal names wins */
};

struct tls_names {
	struct tls_name *rows;
	size_t n, cap;
};

/*
 * Add every DNS name of the certificate; of one without any, its common name.
 * *ret_key (malloc): a text that is equal for certificates with the same names. 0 or -ENOMEM.
 */
int tls_names_add_cert(struct tls_names *names, X509 *leaf, SSL_CTX *ctx);
int tls_names_key(X509 *leaf, char **ret_key);
void tls_names_sort(struct tls_names *names); /* after adding, before finding */
SSL_CTX *tls_names_find(const struct tls_names *names, const char *host); /* NULL: none */
void tls_names_clear(struct tls_names *names);
