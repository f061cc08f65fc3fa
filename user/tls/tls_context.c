/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tls_cert.h"
#include "tls_context.h"
#include "tls_ticket.h"

#define TICKET_LIFETIME_S 7200
#define GROUPS		  "X25519:P-256:P-384" /* the cheapest first */
#define CIPHERS_1_3                                            \
	"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:" \
	"TLS_AES_256_GCM_SHA384"
/* RFC 9325 s4.2: forward secrecy and AEAD only */
#define CIPHERS_1_2                                                  \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

static const unsigned char alpn_http1[] = "\x08http/1.1";
static const unsigned char session_id_context[] = "sluice";

static struct tls_context *context_of(SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)); /* the same for all groups */
}

static const struct tls_tickets *tickets_of(SSL *ssl)
{
	return &context_of(ssl)->tickets;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *ctx = host ? tls_names_find(&context_of(ssl)->names, host) : NULL;

	(void)alert;
	(void)arg;
	if (!ctx)
		return SSL_TLSEXT_ERR_NOACK; /* the first pair serves */
	SSL_set_SSL_CTX(ssl, ctx);
	return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301 s3.2: a client that offers protocols, none of them ours, is told so and refused. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned int in_len, void *arg)
{
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, alpn_http1, sizeof(alpn_http1) - 1, in,
				  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Settings that hold for every group; 0 or -ENOMEM. */
static int new_ssl_ctx(struct tls_context *c, SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return -ENOMEM;
	SSL_CTX_set_app_data(ctx, c);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only: no memory here */
	SSL_CTX_set_timeout(ctx, TICKET_LIFETIME_S);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (!c->tickets.n)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, CIPHERS_1_3) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, c->tickets.n ? 1 : 0) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, session_id_context,
					   sizeof(session_id_context) - 1) != 1 ||
	    tls_ticket_use(ctx, tickets_of)) {
		SSL_CTX_free(ctx);
		ERR_clear_error();
		return -ENOMEM;
	}
	*ret = ctx;
	return 0;
}

/* Where to note the kind of key; NULL when the group has one of it already. */
static int *key_type_slot(struct tls_group *g, int type)
{
	for (size_t i = 0; i < sizeof(g->key_types) / sizeof(g->key_types[0]); i++) {
		if (g->key_types[i] == type)
			return NULL;
		if (!g->key_types[i])
			return &g->key_types[i];
	}
	return NULL;
}

/* ECDSA and RSA certificates for the same names go together: the client's algorithms choose. */
static struct tls_group *find_group(struct tls_context *c, const char *names_key, int type)
{
	for (size_t i = 0; i < c->group_count; i++) {
		struct tls_group *g = &c->groups[i];

		if (strcmp(g->names_key, names_key) == 0 && key_type_slot(g, type))
			return g;
	}
	return NULL;
}

/* A group that serves the names of this certificate. c->groups has room for one a pair. */
static int new_group(struct tls_context *c, const char *names_key, X509 *leaf,
		     struct tls_group **ret)
{
	struct tls_group *g = &c->groups[c->group_count];
	int err;

	g->names_key = strdup(names_key);
	if (!g->names_key)
		return -ENOMEM;
	err = new_ssl_ctx(c, &g->ctx);
	if (err) {
		free(g->names_key);
		return err;
	}
	c->group_count++;
	*ret = g;
	return tls_names_add_cert(&c->names, leaf, g->ctx);
}

static int add_pair(struct tls_context *c, const struct tls_pair *pair, const struct tls_cert *cert,
		    struct errmsg *err)
{
	int type = EVP_PKEY_get_base_id(cert->key), code;
	CLEANUP_FREE char *names_key = NULL;
	struct tls_group *group = NULL;

	code = tls_names_key(cert->leaf, &names_key);
	if (!code)
		group = find_group(c, names_key, type);
	if (!code && !group)
		code = new_group(c, names_key, cert->leaf, &group);
	if (code) {
		errmsg_set(err, code, "%s: no memory for a TLS context", pair->name);
		return code;
	}
	*key_type_slot(group, type) = type;
	ERR_clear_error();
	if (SSL_CTX_use_cert_and_key(group->ctx, cert->leaf, cert->key, cert->chain, 1) != 1)
		return tls_cert_error(pair, err, "OpenSSL refuses the pair");
	if (!c->expires_s || cert->expires_s < c->expires_s)
		c->expires_s = cert->expires_s;
	return 0;
}

int tls_context_new(const struct tls_pair *pairs, size_t n, const struct tls_tickets *tickets,
		    struct tls_context **ret, struct errmsg *err)
{
	struct tls_context *c;
	int code = 0;

	if (!n || n > TLS_PAIRS_MAX)
		return errmsg_set(err, -EINVAL, "%zu certificates; a listener has 1 to %d", n,
				  TLS_PAIRS_MAX);
	if (tickets && tickets->n > TLS_TICKET_KEYS_MAX)
		return errmsg_set(err, -EINVAL, "%u ticket keys; there are at most %d", tickets->n,
				  TLS_TICKET_KEYS_MAX);
	c = calloc(1, sizeof(*c) + n * sizeof(c->groups[0]));
	if (!c)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	c->refs = 1;
	if (tickets)
		c->tickets = *tickets;
	for (size_t i = 0; !code && i < n; i++) {
		struct tls_cert cert = { 0 };

		code = tls_cert_load(&pairs[i], &cert, err);
		if (!code)
			code = add_pair(c, &pairs[i], &cert, err);
		tls_cert_clear(&cert);
	}
	if (code) {
		tls_context_unref(c);
		return code;
	}
	tls_names_sort(&c->names);
	*ret = c;
	return 0;
}

void tls_context_set_tickets(struct tls_context *ctx, const struct tls_tickets *tickets)
{
	/* OpenSSL cannot stop making TLS 1.3 tickets halfway: without new keys the old ones stay */
	if (!tickets || !tickets->n || tickets->n > TLS_TICKET_KEYS_MAX)
		return;
	OPENSSL_cleanse(&ctx->tickets, sizeof(ctx->tickets));
	ctx->tickets = *tickets;
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
	ctx->refs++;
	return ctx;
}

void tls_context_unref(struct tls_context *ctx)
{
	if (!ctx || --ctx->refs)
		return;
	for (size_t i = 0; i < ctx->group_count; i++) {
		SSL_CTX_free(ctx->groups[i].ctx);
		free(ctx->groups[i].names_key);
	}
	tls_names_clear(&ctx->names);
	OPENSSL_cleanse(&ctx->tickets, sizeof(ctx->tickets));
	free(ctx);
}

int64_t tls_context_expires(const struct tls_context *ctx)
{
	return ctx->expires_s;
}
