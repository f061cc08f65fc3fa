/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pairs as they were parsed, found again by their bytes while any context uses them: of 2,000
 * certificates a reload parses those that are new. Inside user/tls.
 */
#pragma once

#include "tls_cert.h"

#define TLS_CACHE_BUCKETS 1024U

struct tls_group;
struct tls_rules;

struct tls_parsed {
	struct tls_parsed *next; /* in its bucket */
	struct tls_cache *cache;
	unsigned int refs; /* of groups, and of contexts in the making */
	uint8_t sha256[32];
	struct tls_cert cert;
	char *names_key;	 /* equal for certificates with the same names */
	int key_type;		 /* EVP_PKEY_get_base_id */
	struct tls_group *group; /* the newest that begins with this pair; not counted */
};

struct tls_cache {
	unsigned int refs; /* its owner's, and one of each context */
	struct tls_cache_counts counts;
	struct tls_rules *rules;
	struct tls_parsed *bucket[TLS_CACHE_BUCKETS];
};

/*
 * The pair with these bytes, counted; parsed and checked if it is new. One that is known is not checked
 * again: it was good when it came, and what serves it now does not stop on the day it expires.
 * Errors as tls_cert_load.
 */
int tls_cache_get(struct tls_cache *cache, const struct tls_pair *pair, struct tls_parsed **ret,
		  struct errmsg *err);
struct tls_parsed *tls_cache_hold(struct tls_parsed *parsed);
void tls_cache_put(struct tls_parsed *parsed);
