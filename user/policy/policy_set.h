/* SPDX-License-Identifier: BSD-2-Clause */
/* What the policies of one snapshot share: consumers by the hash of their keys, plans as rates. */
#pragma once

#include <openssl/evp.h>

#include "policy.h"

#define POLICY_HASH_BYTES 32 /* SHA-256 */

/* A plan as the meters spend it; rate[i] with tolerance_fp 0 does not limit. */
struct policy_plan {
	struct gcra_rate rate[CONF_PLAN_LIMITS_MAX];
	/* This worker's own words, one for all consumers whose limit came without a meter: of one
	 * rate each, for a word that limits of several rates spend enforces none of them. */
	uint64_t overflow[CONF_PLAN_LIMITS_MAX];
};

struct policy_key {
	const uint8_t *sha256; /* in conf; NULL: free */
	const struct policy_consumer *consumer;
};

struct policy_set {
	const struct conf *conf;
	struct policy_plan *plans;	   /* parallel to conf->plans */
	struct policy_consumer *consumers; /* parallel to conf->consumers */
	uint32_t *meter_slots;
	struct policy_key *keys; /* open addressing, at most half full */
	size_t key_mask;
	EVP_MD *sha256; /* fetched once: a fetch by name takes locks and a search */
	EVP_MD_CTX *digest;
};

/* The consumer that has this key; NULL: none, or OpenSSL failed. */
const struct policy_consumer *policy_set_find(const struct policy_set *s, struct str key);

/* Fill x->refusal from the taxonomy; POLICY_RESPOND. */
enum policy_answer policy_refuse(struct policy_exchange *x, enum termination end,
				 enum verdict_reason reason);

/* The policies, in the order of the chain. Each leaves its facts in *x. */
enum policy_answer identify_run(const struct policy_set *s, const struct conf_policies *p,
				struct policy_exchange *x);
enum policy_answer authorise_run(const struct conf_policies *p, struct policy_exchange *x);
enum policy_answer limit_run(const struct conf_policies *p, struct policy_exchange *x);
