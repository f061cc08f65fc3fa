/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy made ready: what is expensive of it, authorities and CRLs, is parsed once while any context
 * of a cache has it. Its hash is what sessions are bound by: no ticket opens under another policy.
 * Inside user/tls.
 */
#pragma once

#include <openssl/ssl.h>

#include "tls_policy.h"

struct tls_cache;

struct tls_rules {
	struct tls_rules *next; /* in its cache */
	struct tls_cache *cache;
	unsigned int refs;
	uint8_t sha256[32];
	struct tls_policy policy; /* its texts are the copies below; ca and crl are NULL */
	char *ciphers, *suites, *groups;
	X509_STORE *store; /* NULL: no client is asked for a certificate */
	STACK_OF(X509_NAME) * names;
	bool crl_over; /* past its next update */
};

/* The rules with these contents, counted; made if they are new. Errors as tls_policy_check. */
int tls_rules_get(struct tls_cache *cache, const struct tls_policy *policy, struct tls_rules **ret,
		  struct errmsg *err);
struct tls_rules *tls_rules_hold(struct tls_rules *rules);
void tls_rules_put(struct tls_rules *rules); /* NULL is fine */
/* Set what holds for every certificate; 0, or -EINVAL and *err that says which list. */
int tls_rules_apply(const struct tls_rules *rules, SSL_CTX *ctx, struct errmsg *err);
