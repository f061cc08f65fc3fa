/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLS 1.2 and 1.3 as a filter below a byte stream, by OpenSSL over one custom BIO per process that
 * moves bytes between the socket and our buffers. A context is counted and, its ticket keys aside,
 * immutable: connections keep the one they began with, a reload makes another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/errmsg.h"
#include "../net/stream.h"
#include "tls_policy.h"

#define TLS_TICKET_KEY_BYTES 80 /* name 16, AES-256 32, HMAC-SHA256 32 */
#define TLS_TICKET_KEYS_MAX  3
#define TLS_PAIRS_MAX	     256
#define TLS_PAIR_HASH_BYTES  32 /* SHA-256 */

/* One certificate chain and its key, PEM text. */
struct tls_pair {
	const char *name; /* the path, for messages */
	const char *certificate;
	size_t certificate_len;
	const char *key;
	size_t key_len;
};

/* The first key makes tickets, all of them open tickets. None: sessions are not resumed. */
struct tls_tickets {
	uint8_t key[TLS_TICKET_KEYS_MAX][TLS_TICKET_KEY_BYTES];
	uint32_t n;
};

struct tls_context;
struct tls_cache;

/* Work that a cache could not spare, since it was made. */
struct tls_cache_counts {
	uint64_t pairs_parsed;
	uint64_t groups_built; /* SSL_CTX: one for certificates of the same names */
};

/*
 * What contexts of a process share: pairs with equal bytes are parsed, checked and set up once while
 * any context has them. Counted: contexts keep it.
 */
int tls_cache_new(struct tls_cache **ret);
struct tls_cache *tls_cache_ref(struct tls_cache *cache);
void tls_cache_unref(struct tls_cache *cache); /* NULL is fine */
const struct tls_cache_counts *tls_cache_counts(const struct tls_cache *cache);
/* Equal for pairs with equal bytes; the name does not matter. */
void tls_pair_sha256(const struct tls_pair *pair, uint8_t ret[TLS_PAIR_HASH_BYTES]);

/*
 * Load, match and check: the chain parses, the key fits it, it is not expired. The first pair is
 * what clients without SNI, or with a name that none has, get; names match exactly or by wildcard.
 * -EINVAL, or -EKEYREJECTED where it is the key that is wrong, and *err that names the pair; nothing
 * is left behind.
 */
int tls_context_new(const struct tls_pair *pairs, size_t n, const struct tls_tickets *tickets,
		    struct tls_context **ret, struct errmsg *err);
/*
 * The same with a cache and a policy (NULL: TLS_POLICY_DEFAULT); what another context of the cache has
 * is not checked again, nor its dates.
 */
int tls_context_new_from(struct tls_cache *cache, const struct tls_pair *pairs, size_t n,
			 const struct tls_policy *policy, const struct tls_tickets *tickets,
			 struct tls_context **ret, struct errmsg *err);
struct tls_context *tls_context_ref(struct tls_context *ctx);
void tls_context_unref(struct tls_context *ctx);
/* Choose "h2" where a client offers it (ALPN); otherwise, and at first, only "http/1.1". */
void tls_context_offer_http2(struct tls_context *ctx, bool offer);
/* Rotation, without parsing certificates again. A context made without keys stays without. */
void tls_context_set_tickets(struct tls_context *ctx, const struct tls_tickets *tickets);

/* Expiry of the pair that ends first, seconds since 1970: for status and metrics. */
int64_t tls_context_expires(const struct tls_context *ctx);

/*
 * Put TLS (server side) below a stream that was just accepted. Negative errno. The stream fails with
 *   -EPROTO        the peer or its bytes are not acceptable; tls_info says why
 *   -ECONNABORTED  the connection ended without close_notify: what came may be cut short
 */
int tls_accept(struct stream *s, struct tls_context *ctx);

/* What a client checks servers by; counted. */
struct tls_client;

/*
 * verify: check certificates by the authorities of ca (PEM text of len bytes), or by the system's
 * where ca is NULL. -EINVAL and *err: no certificate in it, or one that does not parse.
 */
int tls_client_new(bool verify, const char *ca, size_t len, struct tls_client **ret,
		   struct errmsg *err);

struct tls_client_setup {
	bool verify;			  /* certificates, by authority */
	bool alpn_http1;		  /* offer http/1.1 */
	uint16_t min_version;		  /* as on the wire; 0: TLS 1.2 */
	const struct tls_pair *authority; /* its chain is PEM text of authorities, its key empty */
	const struct tls_pair *pair;	  /* what we show; NULL: nothing */
};

/* The same with more to say; -EINVAL, -EKEYREJECTED and *err, which names no file. */
int tls_client_new_from(const struct tls_client_setup *setup, struct tls_client **ret,
			struct errmsg *err);
/* Equal for setups with equal bytes: what a client that is the same need not be built again for. */
void tls_client_sha256(const struct tls_client_setup *setup, uint8_t ret[TLS_PAIR_HASH_BYTES]);
struct tls_client *tls_client_ref(struct tls_client *c);
void tls_client_unref(struct tls_client *c); /* NULL is fine */

/*
 * The last session with a server by one client and name, for the next such connection; counted. It
 * is never offered under another name: a resumed server shows no certificate to check.
 */
struct tls_session;
void tls_session_unref(struct tls_session *t); /* NULL is fine */

/*
 * Put TLS (client side) below a stream that is connecting. name: of the server, for SNI and its
 * certificate; an address is no SNI, and looked for among the certificate's addresses. session (NULL:
 * none is kept): where the caller keeps that of this server, NULL at first; replaced where client or
 * name are others. Negative errno, -EINVAL: no such name; the stream fails as with tls_accept.
 */
int tls_connect(struct stream *s, struct tls_client *c, const char *name,
		struct tls_session **session);

/* After on_open; failure after on_end too, until the stream is closed. All zero: not TLS. */
struct tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher;
	const char *sni;     /* NULL: none sent */
	const char *alpn;    /* "h2", "http/1.1"; NULL: the client did not offer any */
	const char *failure; /* OpenSSL's reason, NULL: none */
	bool resumed;
	bool distrusted; /* it failed for the other side's certificate */
};
void tls_info(struct stream *s, struct tls_info *ret);
