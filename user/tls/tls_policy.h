/* SPDX-License-Identifier: BSD-2-Clause */
/* What a listener asks of TLS beside its certificates; borrowed texts, NULL for what is the default. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/errmsg.h"

enum tls_client_auth {
	TLS_CLIENT_AUTH_OFF,
	TLS_CLIENT_AUTH_OPTIONAL, /* none is fine, one that does not verify is not */
	TLS_CLIENT_AUTH_REQUIRED,
};

#define TLS_POLICY_LIST_MAX 512 /* bytes of a list of names */

struct tls_policy {
	uint16_t min_version, max_version; /* 0x0303, 0x0304; 0: 1.2 and 1.3 */
	/* OpenSSL's names with ':' between them, best first. */
	const char *ciphers; /* of TLS 1.2 */
	const char *suites;  /* of TLS 1.3 */
	const char *groups;
	uint32_t lifetime_s;  /* of sessions; 0: none is resumed */
	bool strict_names;    /* a client that names no host that a certificate has is refused */
	uint8_t client_auth;  /* enum tls_client_auth */
	uint8_t depth;	      /* certificates between the client's and an authority's */
	const char *ca, *crl; /* PEM; crl: NULL or empty: none */
	size_t ca_len, crl_len;
};

#define TLS_POLICY_DEFAULT ((struct tls_policy) { .lifetime_s = 7200 })

/* A policy with the lists that it points into. */
struct tls_policy_text {
	struct tls_policy policy;
	char ciphers[TLS_POLICY_LIST_MAX], suites[TLS_POLICY_LIST_MAX], groups[TLS_POLICY_LIST_MAX];
};

struct conf_listener;
struct tls_pair;

/*
 * What the configuration says of a listener.
 *   authorities  its PEM texts: authorities as the certificate, CRLs as the key; NULL: none
 */
void tls_policy_make(const struct conf_listener *conf, const struct tls_pair *authorities,
		     struct tls_policy_text *ret);

/*
 * Do the names exist, do authorities and CRLs parse? 0; -EINVAL or -EKEYREJECTED where it is the CRL
 * that is wrong, and *err.
 */
int tls_policy_check(const struct tls_policy *policy, struct errmsg *err);
