/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "tls_context.h"
#include "tls_group.h"
#include "tls_ticket.h"

/* Ours, the one we prefer first; without HTTP/2 from ALPN_HTTP1_AT on. */
static const unsigned char alpn_ours[] = "\x02h2\x08http/1.1";
#define ALPN_HTTP1_AT 3

static const struct tls_tickets *tickets_of(SSL *ssl)
{
	return &tls_context_of(ssl)->tickets;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_context *c = tls_context_of(ssl);
	SSL_CTX *ctx = host ? tls_names_find(&c->names, host) : NULL;

	(void)arg;
	if (!ctx && c->rules->policy.strict_names) { /* RFC 6066 s3 */
		metric_add(METRIC_TLS_UNKNOWN_NAMES, 1);
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
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

/* Settings that hold for every group. */
static int new_ssl_ctx(const struct tls_rules *rules, bool tickets, SSL_CTX **ret,
		       struct errmsg *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int code;

	if (!ctx)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only: no memory here */
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (!tickets)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	code = tls_rules_apply(rules, ctx, err);
	if (!code &&
	    (SSL_CTX_set_num_tickets(ctx, tickets ? 1 : 0) != 1 || tls_ticket_use(ctx, tickets_of)))
		code = errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	if (code) {
		SSL_CTX_free(ctx);
		ERR_clear_error();
		return code;
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

static bool is_made_of(const struct tls_group *g, const struct tls_group_plan *plan,
		       const struct tls_rules *rules, bool tickets)
{
	return g->tickets == tickets && g->rules == rules && g->n == plan->n &&
	       memcmp(g->pairs, plan->pairs, plan->n * sizeof(plan->pairs[0])) == 0;
}

int tls_group_get(const struct tls_group_plan *plan, struct tls_rules *rules, bool tickets,
		  struct tls_group **ret, struct errmsg *err)
{
	struct tls_parsed *first = plan->pairs[0];
	struct tls_group *g = first->group;
	int code;

	if (g && is_made_of(g, plan, rules, tickets)) {
		g->refs++;
		*ret = g;
		return 0;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	g->refs = 1;
	g->tickets = tickets;
	g->rules = tls_rules_hold(rules);
	code = new_ssl_ctx(rules, tickets, &g->ctx, err);
	if (!code)
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
	tls_rules_put(g->rules);
	for (size_t i = 0; i < g->n; i++)
		tls_cache_put(g->pairs[i]);
	free(g);
}
