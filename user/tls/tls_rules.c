/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tls_cache.h"
#include "tls_rules.h"

#define GROUPS "X25519:P-256:P-384" /* the cheapest first */
#define CIPHERS_1_3                                            \
	"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:" \
	"TLS_AES_256_GCM_SHA384"
/* RFC 9325 s4.2: forward secrecy and AEAD only */
#define CIPHERS_1_2                                                  \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

#define AUTHORITIES_MAX 4096 /* certificates in a bundle; the system's has some 150 */

static void cleanup_bio(BIO **bio)
{
	BIO_free(*bio);
}

static int refuse(struct errmsg *err, int code, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	errmsg_set(err, code, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
	return code;
}

static bool ended_in_order(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static int add_authorities(struct tls_rules *r, const struct tls_policy *p, struct errmsg *err)
{
	CLEANUP(cleanup_bio)
	BIO *bio = p->ca_len > INT_MAX ? NULL : BIO_new_mem_buf(p->ca ? p->ca : "", (int)p->ca_len);
	X509 *x;
	int n = 0;

	if (!bio)
		return errmsg_set(err, -ENOMEM, "no memory for authorities");
	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));
		bool added = name && n++ < AUTHORITIES_MAX && X509_STORE_add_cert(r->store, x) == 1;

		X509_free(x);
		if (!added || !sk_X509_NAME_push(r->names, name)) {
			X509_NAME_free(name);
			return refuse(err, -EINVAL, "too many authorities, or no memory for them");
		}
	}
	if (!ended_in_order())
		return refuse(err, -EINVAL, "an authority does not parse");
	ERR_clear_error();
	return n ? 0 : errmsg_set(err, -EINVAL, "there is no certificate of an authority in it");
}

static int add_crls(struct tls_rules *r, const struct tls_policy *p, struct errmsg *err)
{
	CLEANUP(cleanup_bio) BIO *bio = NULL;
	X509_CRL *crl;
	int n = 0;

	if (!p->crl || !p->crl_len)
		return 0;
	bio = p->crl_len > INT_MAX ? NULL : BIO_new_mem_buf(p->crl, (int)p->crl_len);
	if (!bio)
		return errmsg_set(err, -ENOMEM, "no memory for the CRL");
	while ((crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
		bool added = n++ < AUTHORITIES_MAX && X509_STORE_add_crl(r->store, crl) == 1;
		const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

		r->crl_over |= next && X509_cmp_current_time(next) < 0;
		X509_CRL_free(crl);
		if (!added)
			return refuse(err, -EKEYREJECTED, "too many CRLs, or no memory for them");
	}
	if (!ended_in_order())
		return refuse(err, -EKEYREJECTED, "a CRL does not parse");
	ERR_clear_error();
	if (!n)
		return errmsg_set(err, -EKEYREJECTED, "there is no CRL in it");
	/* of the whole chain: an intermediate authority may be revoked too */
	X509_STORE_set_flags(r->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

static int make_store(struct tls_rules *r, const struct tls_policy *p, struct errmsg *err)
{
	int code;

	if (p->client_auth == TLS_CLIENT_AUTH_OFF)
		return 0;
	r->store = X509_STORE_new();
	r->names = sk_X509_NAME_new_null();
	if (!r->store || !r->names)
		return errmsg_set(err, -ENOMEM, "no memory for authorities");
	/* an authority in the file is trusted, whoever signed it */
	X509_STORE_set_flags(r->store, X509_V_FLAG_PARTIAL_CHAIN);
	code = add_authorities(r, p, err);
	return code ? code : add_crls(r, p, err);
}

/* Zeros for a text that is not there. */
static void hash_text(const char *text, size_t len, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	memset(ret, 0, SHA256_DIGEST_LENGTH);
	if (text)
		SHA256((const uint8_t *)text, len, ret);
}

static void hash(const struct tls_policy *p, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	const uint32_t numbers[] = { p->min_version,  p->max_version, p->lifetime_s,
				     p->strict_names, p->client_auth, p->depth };
	uint8_t parts[6][SHA256_DIGEST_LENGTH];

	hash_text((const char *)numbers, sizeof(numbers), parts[0]);
	hash_text(p->ciphers, p->ciphers ? strlen(p->ciphers) : 0, parts[1]);
	hash_text(p->suites, p->suites ? strlen(p->suites) : 0, parts[2]);
	hash_text(p->groups, p->groups ? strlen(p->groups) : 0, parts[3]);
	hash_text(p->client_auth ? p->ca : NULL, p->ca_len, parts[4]);
	hash_text(p->client_auth && p->crl_len ? p->crl : NULL, p->crl_len, parts[5]);
	SHA256(parts[0], sizeof(parts), ret);
}

static void rules_free(struct tls_rules *r)
{
	X509_STORE_free(r->store);
	sk_X509_NAME_pop_free(r->names, X509_NAME_free);
	free(r->ciphers);
	free(r->suites);
	free(r->groups);
	free(r);
}

static int copy_lists(struct tls_rules *r, const struct tls_policy *p, struct errmsg *err)
{
	r->policy = *p;
	r->policy.ca = r->policy.crl = NULL;
	r->policy.ciphers = r->ciphers = strdup(p->ciphers ? p->ciphers : CIPHERS_1_2);
	r->policy.suites = r->suites = strdup(p->suites ? p->suites : CIPHERS_1_3);
	r->policy.groups = r->groups = strdup(p->groups ? p->groups : GROUPS);
	if (!r->policy.min_version)
		r->policy.min_version = TLS1_2_VERSION;
	return r->ciphers && r->suites && r->groups
		       ? 0
		       : errmsg_set(err, -ENOMEM, "no memory for a TLS context");
}

static int rules_new(struct tls_cache *cache, const struct tls_policy *p, struct tls_rules **ret,
		     struct errmsg *err)
{
	struct tls_rules *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	ERR_clear_error();
	r->cache = cache;
	r->refs = 1;
	code = copy_lists(r, p, err);
	if (!code)
		code = make_store(r, p, err);
	if (code) {
		rules_free(r);
		return code;
	}
	*ret = r;
	return 0;
}

int tls_rules_get(struct tls_cache *cache, const struct tls_policy *policy, struct tls_rules **ret,
		  struct errmsg *err)
{
	uint8_t sha256[32];
	int code;

	hash(policy, sha256);
	for (struct tls_rules *r = cache->rules; r; r = r->next) {
		if (memcmp(r->sha256, sha256, sizeof(sha256)) == 0) {
			*ret = tls_rules_hold(r);
			return 0;
		}
	}
	code = rules_new(cache, policy, ret, err);
	if (code)
		return code;
	memcpy((*ret)->sha256, sha256, sizeof(sha256));
	(*ret)->next = cache->rules;
	cache->rules = *ret;
	return 0;
}

struct tls_rules *tls_rules_hold(struct tls_rules *rules)
{
	rules->refs++;
	return rules;
}

void tls_rules_put(struct tls_rules *rules)
{
	struct tls_rules **at;

	if (!rules || --rules->refs)
		return;
	at = &rules->cache->rules;
	while (*at && *at != rules)
		at = &(*at)->next;
	if (*at)
		*at = rules->next;
	rules_free(rules);
}

/* A client's certificate may have expired since its session began: then it shows the next one. */
static SSL_TICKET_RETURN on_session(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				    size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
	X509 *peer = session ? SSL_SESSION_get0_peer(session) : NULL;

	(void)ssl, (void)name, (void)name_len, (void)arg;
	if (peer && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	switch (status) { /* what OpenSSL does by itself */
	case SSL_TICKET_SUCCESS:
		return SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	case SSL_TICKET_EMPTY:
	case SSL_TICKET_NO_DECRYPT:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	default:
		return SSL_TICKET_RETURN_ABORT;
	}
}

static int on_ticket_made(SSL *ssl, void *arg)
{
	(void)ssl, (void)arg;
	return 1;
}

static int ask_clients(const struct tls_rules *r, SSL_CTX *ctx, struct errmsg *err)
{
	int mode = SSL_VERIFY_PEER;
	STACK_OF(X509_NAME) * names;

	if (!r->store)
		return 0;
	names = SSL_dup_CA_list(r->names);
	if (!names || SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_session, NULL) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return errmsg_set(err, -ENOMEM, "no memory for authorities");
	}
	if (r->policy.client_auth == TLS_CLIENT_AUTH_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, NULL);
	SSL_CTX_set_verify_depth(ctx, r->policy.depth);
	SSL_CTX_set1_cert_store(ctx, r->store);
	SSL_CTX_set_client_CA_list(ctx, names);
	return 0;
}

int tls_rules_apply(const struct tls_rules *r, SSL_CTX *ctx, struct errmsg *err)
{
	const struct tls_policy *p = &r->policy;

	SSL_CTX_set_timeout(ctx, p->lifetime_s);
	if (SSL_CTX_set_min_proto_version(ctx, p->min_version) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, p->max_version) != 1)
		return refuse(err, -EINVAL, "these versions are not possible");
	if (SSL_CTX_set_cipher_list(ctx, p->ciphers) != 1)
		return refuse(err, -EINVAL, "these ciphers are not possible");
	if (SSL_CTX_set_ciphersuites(ctx, p->suites) != 1)
		return refuse(err, -EINVAL, "these suites are not possible");
	if (SSL_CTX_set1_groups_list(ctx, p->groups) != 1)
		return refuse(err, -EINVAL, "these groups are not possible");
	if (SSL_CTX_set_session_id_context(ctx, r->sha256, sizeof(r->sha256)) != 1)
		return refuse(err, -ENOMEM, "no memory for a TLS context");
	return ask_clients(r, ctx, err);
}
