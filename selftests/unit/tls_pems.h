/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates for the tests of tls/, made on the spot. */
#pragma once

#include <openssl/bio.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "tls/tls.h"

#define DAY_S 86400

struct tls_pem {
	char *cert, *key;
};

struct tls_pems {
	struct tls_pem ecdsa;	 /* a.example and www.a.example */
	struct tls_pem rsa_same; /* the same names */
	struct tls_pem wild;	 /* *.wild.example */
	struct tls_pem other;	 /* other.example */
	struct tls_pem only_cn;	 /* cn.example as its common name */
};

extern struct tls_pems tls_pems;

/* Group setup and teardown of cmocka. */
int tls_pems_setup(void **state);
int tls_pems_teardown(void **state);

/* names: "DNS:a.example,DNS:b.example", or NULL for a common name only. Dates relative to now. */
struct tls_pem tls_pems_make(const char *names, const char *cn, bool rsa, long from_s,
			     long until_s);
void tls_pems_free(struct tls_pem *p);
struct tls_pair tls_pems_pair(const char *name, const char *cert, const char *key);
void tls_pems_set_dates(X509 *x, long from_s, long until_s);
char *tls_pems_text(BIO *bio); /* what was written to it; frees it */
