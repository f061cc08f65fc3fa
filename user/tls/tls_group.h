/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What serves a set of names: one certificate of each kind of key in one SSL_CTX. Shared by the
 * contexts that have the same pairs for these names, of this revision and the last. Inside user/tls.
 */
#pragma once

#include <openssl/ssl.h>

#include "tls_cache.h"
#include "tls_rules.h"

#define TLS_GROUP_PAIRS_MAX 4 /* kinds of keys */

struct tls_group {
	unsigned int refs; /* not atomic: a process has one thread */
	SSL_CTX *ctx;
	struct tls_rules *rules; /* counted */
	bool tickets;		 /* it makes them: OpenSSL cannot change its mind halfway */
	size_t n;
	struct tls_parsed *pairs[TLS_GROUP_PAIRS_MAX];
};

/* What a group is to be made of; the pairs are borrowed. */
struct tls_group_plan {
	size_t n;
	struct tls_parsed *pairs[TLS_GROUP_PAIRS_MAX];
	const struct tls_pair *source[TLS_GROUP_PAIRS_MAX]; /* for messages */
};

/* Does one of the plan's pairs have a key of this kind? */
bool tls_group_has(const struct tls_group_plan *plan, int key_type);
/* The group that there is, or a new one; counted. -ENOMEM; -EINVAL and *err that names the pair. */
int tls_group_get(const struct tls_group_plan *plan, struct tls_rules *rules, bool tickets,
		  struct tls_group **ret, struct errmsg *err);
void tls_group_put(struct tls_group *g);
