/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy_set.h"

static int compile_plans(struct policy_set *s)
{
	const struct conf *conf = s->conf;

	for (size_t i = 0; i < conf->n_plans; i++) {
		const struct conf_plan *plan = &conf->plans[i];

		if (plan->n_limits > CONF_PLAN_LIMITS_MAX)
			return -EINVAL;
		for (size_t k = 0; k < plan->n_limits; k++) {
			int err = conf_rate_compile(&plan->limits[k].rate, &s->plans[i].rate[k]);

			if (err)
				return err;
		}
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const struct conf_plan *const *)a)->name,
		      (*(const struct conf_plan *const *)b)->name);
}

/* Consumers are many, plans may be: requests wait while a revision is applied. */
static const struct conf_plan *find_plan(const struct conf_plan **sorted, size_t n, char *name)
{
	const struct conf_plan wanted = { .name = name }, *key = &wanted;
	const struct conf_plan **found =
		bsearch(&key, sorted, n, sizeof(const struct conf_plan *), compare_names);

	return found ? *found : NULL;
}

static const struct conf_plan **sort_plans(const struct conf *conf)
{
	const struct conf_plan **sorted =
		calloc(conf->n_plans + 1, sizeof(const struct conf_plan *));

	for (size_t i = 0; sorted && i < conf->n_plans; i++)
		sorted[i] = &conf->plans[i];
	if (sorted)
		qsort(sorted, conf->n_plans, sizeof(const struct conf_plan *), compare_names);
	return sorted;
}

static int compile_consumers(struct policy_set *s, const uint32_t *ids)
{
	const struct conf *conf = s->conf;
	CLEANUP_FREE const struct conf_plan **sorted = sort_plans(conf);

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_consumers; i++) {
		const struct conf_plan *plan =
			find_plan(sorted, conf->n_plans, conf->consumers[i].plan);

		if (!plan)
			return -EINVAL;
		s->consumers[i] = (struct policy_consumer) {
			.conf = &conf->consumers[i],
			.plan = plan,
			.id = ids[i],
			.meter_slot = &s->meter_slots[i * CONF_PLAN_LIMITS_MAX],
			.rate = s->plans[plan - conf->plans].rate,
			.overflow = s->plans[plan - conf->plans].overflow,
		};
	}
	return 0;
}

/* The hash is its own hash: nobody but the operator, who chose the keys, decides what collides. */
static size_t key_slot(const struct policy_set *s, const uint8_t *sha256)
{
	uint64_t first;

	memcpy(&first, sha256, sizeof(first));
	return first & s->key_mask;
}

static int index_keys(struct policy_set *s)
{
	const struct conf *conf = s->conf;
	size_t n = 0, slots = 8;

	for (size_t i = 0; i < conf->n_consumers; i++)
		n += conf->consumers[i].n_keys;
	while (slots < 2 * n + 2)
		slots *= 2;
	s->keys = calloc(slots, sizeof(*s->keys));
	if (!s->keys)
		return -ENOMEM;
	s->key_mask = slots - 1;
	for (size_t i = 0; i < conf->n_consumers; i++) {
		for (size_t k = 0; k < conf->consumers[i].n_keys; k++) {
			const uint8_t *sha256 = conf->consumers[i].keys_sha256[k];
			size_t at = key_slot(s, sha256);

			while (s->keys[at].sha256)
				at = (at + 1) & s->key_mask;
			s->keys[at] = (struct policy_key) { sha256, &s->consumers[i] };
		}
	}
	return 0;
}

static int fetch_digest(struct policy_set *s)
{
	ERR_clear_error();
	s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->digest = EVP_MD_CTX_new();
	ERR_clear_error();
	return s->sha256 && s->digest ? 0 : -ENOMEM;
}

int policy_set_new(const struct conf *conf, const uint32_t *consumer_ids,
		   const uint32_t *meter_slots, struct policy_set **ret)
{
	size_t n_slots = conf->n_consumers * CONF_PLAN_LIMITS_MAX;
	struct policy_set *s = calloc(1, sizeof(*s));
	int err = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->conf = conf;
	/* + 1: calloc(0) may be NULL */
	s->plans = calloc(conf->n_plans + 1, sizeof(*s->plans));
	s->consumers = calloc(conf->n_consumers + 1, sizeof(*s->consumers));
	s->meter_slots = calloc(n_slots + 1, sizeof(*s->meter_slots));
	if (s->plans && s->consumers && s->meter_slots) {
		if (n_slots)
			memcpy(s->meter_slots, meter_slots, n_slots * sizeof(*meter_slots));
		err = compile_plans(s);
	}
	if (!err)
		err = compile_consumers(s, consumer_ids);
	if (!err)
		err = index_keys(s);
	if (!err)
		err = fetch_digest(s);
	if (err) {
		policy_set_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void policy_set_free(struct policy_set *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->digest);
	EVP_MD_free(s->sha256);
	free(s->keys);
	free(s->meter_slots);
	free(s->consumers);
	free(s->plans);
	free(s);
}

/* What a failure leaves in the error queue would break the next TLS record; a success leaves nothing. */
static int hash_key(const struct policy_set *s, struct str key, uint8_t ret[POLICY_HASH_BYTES])
{
	unsigned int len = 0;
	int ok;

	ok = EVP_DigestInit_ex(s->digest, s->sha256, NULL) == 1 &&
	     EVP_DigestUpdate(s->digest, key.ptr, key.len) == 1 &&
	     EVP_DigestFinal_ex(s->digest, ret, &len) == 1 && len == POLICY_HASH_BYTES;
	if (!ok)
		ERR_clear_error();
	return ok ? 0 : -EIO;
}

const struct policy_consumer *policy_set_find(const struct policy_set *s, struct str key)
{
	uint8_t sha256[POLICY_HASH_BYTES];

	if (hash_key(s, key, sha256))
		return NULL;
	for (size_t at = key_slot(s, sha256); s->keys[at].sha256; at = (at + 1) & s->key_mask) {
		if (CRYPTO_memcmp(s->keys[at].sha256, sha256, sizeof(sha256)) == 0)
			return s->keys[at].consumer;
	}
	return NULL;
}
