/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "tls_cache.h"
#include "tls_names.h"

int tls_cache_new(struct tls_cache **ret)
{
	struct tls_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->refs = 1;
	*ret = cache;
	return 0;
}

struct tls_cache *tls_cache_ref(struct tls_cache *cache)
{
	cache->refs++;
	return cache;
}

void tls_cache_unref(struct tls_cache *cache)
{
	if (cache && --cache->refs == 0)
		free(cache);
}

const struct tls_cache_counts *tls_cache_counts(const struct tls_cache *cache)
{
	return &cache->counts;
}

void tls_pair_sha256(const struct tls_pair *pair, uint8_t ret[TLS_PAIR_HASH_BYTES])
{
	uint8_t both[2][TLS_PAIR_HASH_BYTES];

	SHA256((const uint8_t *)pair->certificate, pair->certificate_len, both[0]);
	SHA256((const uint8_t *)pair->key, pair->key_len, both[1]);
	SHA256(both[0], sizeof(both), ret);
	explicit_bzero(both, sizeof(both));
}

static struct tls_parsed **bucket_of(struct tls_cache *cache, const uint8_t *sha256)
{
	uint32_t first;

	memcpy(&first, sha256, sizeof(first));
	return &cache->bucket[first % TLS_CACHE_BUCKETS];
}

static void parsed_free(struct tls_parsed *p)
{
	tls_cert_clear(&p->cert);
	free(p->names_key);
	free(p);
}

static int parse(struct tls_cache *cache, const struct tls_pair *pair, struct tls_parsed **ret,
		 struct errmsg *err)
{
	struct tls_parsed *p = calloc(1, sizeof(*p));
	int code;

	if (!p)
		return errmsg_set(err, -ENOMEM, "%s: no memory for a certificate", pair->name);
	p->cache = cache;
	p->refs = 1;
	code = tls_cert_load(pair, &p->cert, err);
	if (!code && tls_names_key(p->cert.leaf, &p->names_key))
		code = errmsg_set(err, -ENOMEM, "%s: no memory for its names", pair->name);
	if (code) {
		parsed_free(p);
		return code;
	}
	p->key_type = EVP_PKEY_get_base_id(p->cert.key);
	cache->counts.pairs_parsed++;
	*ret = p;
	return 0;
}

int tls_cache_get(struct tls_cache *cache, const struct tls_pair *pair, struct tls_parsed **ret,
		  struct errmsg *err)
{
	uint8_t sha256[TLS_PAIR_HASH_BYTES];
	struct tls_parsed **at;
	int code;

	tls_pair_sha256(pair, sha256);
	at = bucket_of(cache, sha256);
	for (struct tls_parsed *p = *at; p; p = p->next) {
		if (memcmp(p->sha256, sha256, sizeof(sha256)) == 0) {
			*ret = tls_cache_hold(p);
			return 0;
		}
	}
	code = parse(cache, pair, ret, err);
	if (code)
		return code;
	memcpy((*ret)->sha256, sha256, sizeof(sha256));
	(*ret)->next = *at;
	*at = *ret;
	return 0;
}

struct tls_parsed *tls_cache_hold(struct tls_parsed *parsed)
{
	parsed->refs++;
	return parsed;
}

void tls_cache_put(struct tls_parsed *parsed)
{
	struct tls_parsed **at;

	if (--parsed->refs)
		return;
	at = bucket_of(parsed->cache, parsed->sha256);
	while (*at != parsed)
		at = &(*at)->next;
	*at = parsed->next;
	parsed_free(parsed);
}
