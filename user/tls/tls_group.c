/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls_context.h"
#include "tls_group.h"
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

/* Ours, the one we prefer first; without HTTP/2 from ALPN_HTTP1_AT on. */
static const unsigned char alpn_ours[] = "\x02h2\x08http/1.1";
#define ALPN_HTTP1_AT 3
static const unsigned char session_id_context[] = "sluice";

static const struct tls_tickets *tickets_of(SSL *ssl)
{
	return &tls_context_of(ssl)->tickets;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *ctx = host ? tls_names_find(&tls_context_of(ssl)->names, host) : NULL;

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
	unsigned int skip = tls_context_of(ssl)->http2 ? 0 : ALPN_HTTP1_AT;
	unsigned char *chosen;

	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, alpn_ours + skip, sizeof(alpn_ours) - 1 - skip,
				  in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Settings that hold for every group; 0 or -ENOMEM. */
static int new_ssl_ctx(bool tickets, SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return -ENOMEM;
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only: no memory here */
	SSL_CTX_set_timeout(ctx, TICKET_LIFETIME_S);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (!tickets)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, CIPHERS_1_3) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, tickets ? 1 : 0) != 1 ||
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

bool tls_group_has(const struct tls_group_plan *plan, int key_type)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->pairs[i]->key_type == key_type)
			return true;
	}
	return false;
}

static int use_pairs(struct tls_group *g, const struct tls_group_plan *plan, struct errmsg *err)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct tls_cert *cert = &plan->pairs[i]->cert;

		ERR_clear_error();
		if (SSL_CTX_use_cert_and_key(g->ctx, cert->leaf, cert->key, cert->chain, 1) != 1)
			return tls_cert_error(plan->source[i], err, "OpenSSL refuses the pair");
		g->pairs[g->n++] = tls_cache_hold(plan->pairs[i]);
	}
	return 0;
}

static bool is_made_of(const struct tls_group *g, const struct tls_group_plan *plan, bool tickets)
{
	return g->tickets == tickets && g->n == plan->n &&
	       memcmp(g->pairs, plan->pairs, plan->n * sizeof(plan->pairs[0])) == 0;
}

int tls_group_get(const struct tls_group_plan *plan, bool tickets, struct tls_group **ret,
		  struct errmsg *err)
{
	struct tls_parsed *first = plan->pairs[0];
	struct tls_group *g = first->group;
	int code;

	if (g && is_made_of(g, plan, tickets)) {
		g->refs++;
		*ret = g;
		return 0;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	g->refs = 1;
	g->tickets = tickets;
	code = new_ssl_ctx(tickets, &g->ctx);
	if (code)
		errmsg_set(err, code, "no memory for a TLS context");
	else
		code = use_pairs(g, plan, err);
	if (code) {
		tls_group_put(g);
		return code;
	}
	first->group = g;
	first->cache->counts.groups_built++;
	*ret = g;
	return 0;
}

void tls_group_put(struct tls_group *g)
{
	if (--g->refs)
		return;
	if (g->n && g->pairs[0]->group == g)
		g->pairs[0]->group = NULL;
	SSL_CTX_free(g->ctx);
	for (size_t i = 0; i < g->n; i++)
		tls_cache_put(g->pairs[i]);
	free(g);
}
