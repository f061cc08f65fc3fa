/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "tls_context.h"

struct tls_context *tls_context_of(SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* The pairs of a context on their way to groups. */
struct plan {
	struct tls_parsed **parsed; /* counted; NULL from where none was parsed yet */
	size_t n_parsed;
	struct tls_group_plan *groups;
	size_t n_groups;
};

static void plan_clear(struct plan *p)
{
	for (size_t i = 0; i < p->n_parsed; i++)
		tls_cache_put(p->parsed[i]);
	free(p->parsed);
	free(p->groups);
}

/* ECDSA and RSA certificates for the same names go together: the client's algorithms choose. */
static struct tls_group_plan *find_group(struct plan *p, const struct tls_parsed *parsed)
{
	for (size_t i = 0; i < p->n_groups; i++) {
		struct tls_group_plan *g = &p->groups[i];

		if (strcmp(g->pairs[0]->names_key, parsed->names_key) == 0 &&
		    g->n < TLS_GROUP_PAIRS_MAX && !tls_group_has(g, parsed->key_type))
			return g;
	}
	return &p->groups[p->n_groups++];
}

static int plan_make(struct plan *p, struct tls_cache *cache, const struct tls_pair *pairs,
		     size_t n, struct errmsg *err)
{
	p->parsed = calloc(n, sizeof(struct tls_parsed *));
	p->groups = calloc(n, sizeof(*p->groups));
	if (!p->parsed || !p->groups)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	for (size_t i = 0; i < n; i++) {
		struct tls_group_plan *g;
		int code = tls_cache_get(cache, &pairs[i], &p->parsed[i], err);

		if (code)
			return code;
		p->n_parsed++;
		g = find_group(p, p->parsed[i]);
		g->pairs[g->n] = p->parsed[i];
		g->source[g->n++] = &pairs[i];
	}
	return 0;
}

static int add_group(struct tls_context *c, const struct tls_group_plan *plan, struct errmsg *err)
{
	struct tls_group **g = &c->groups[c->n_groups];
	int code = tls_group_get(plan, c->rules, c->tickets.n != 0, g, err);

	if (code)
		return code;
	c->n_groups++;
	code = tls_names_add_cert(&c->names, plan->pairs[0]->cert.leaf, (*g)->ctx);
	if (code)
		return errmsg_set(err, code, "%s: no memory for its names", plan->source[0]->name);
	for (size_t i = 0; i < plan->n; i++) {
		int64_t expires_s = plan->pairs[i]->cert.expires_s;

		if (!c->expires_s || expires_s < c->expires_s)
			c->expires_s = expires_s;
	}
	return 0;
}

static int check(size_t n, const struct tls_tickets *tickets, struct errmsg *err)
{
	if (!n || n > TLS_PAIRS_MAX)
		return errmsg_set(err, -EINVAL, "%zu certificates; a listener has 1 to %d", n,
				  TLS_PAIRS_MAX);
	if (tickets && tickets->n > TLS_TICKET_KEYS_MAX)
		return errmsg_set(err, -EINVAL, "%u ticket keys; there are at most %d", tickets->n,
				  TLS_TICKET_KEYS_MAX);
	return 0;
}

static int context_make(const struct plan *plan, struct tls_cache *cache,
			const struct tls_policy *policy, const struct tls_tickets *tickets,
			struct tls_context **ret, struct errmsg *err)
{
	struct tls_context *c = calloc(1, sizeof(*c) + plan->n_groups * sizeof(struct tls_group *));
	int code;

	if (!c)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	c->refs = 1;
	c->cache = tls_cache_ref(cache);
	if (tickets && policy->lifetime_s)
		c->tickets = *tickets;
	code = tls_rules_get(cache, policy, &c->rules, err);
	for (size_t i = 0; !code && i < plan->n_groups; i++)
		code = add_group(c, &plan->groups[i], err);
	if (code) {
		tls_context_unref(c);
		return code;
	}
	tls_names_sort(&c->names);
	*ret = c;
	return 0;
}

int tls_context_new_from(struct tls_cache *cache, const struct tls_pair *pairs, size_t n,
			 const struct tls_policy *policy, const struct tls_tickets *tickets,
			 struct tls_context **ret, struct errmsg *err)
{
	const struct tls_policy usual = TLS_POLICY_DEFAULT;
	struct plan plan = { 0 };
	int code = check(n, tickets, err);

	if (!code)
		code = plan_make(&plan, cache, pairs, n, err);
	if (!code)
		code = context_make(&plan, cache, policy ? policy : &usual, tickets, ret, err);
	plan_clear(&plan);
	return code;
}

int tls_context_new(const struct tls_pair *pairs, size_t n, const struct tls_tickets *tickets,
		    struct tls_context **ret, struct errmsg *err)
{
	struct tls_cache *cache;
	int code = tls_cache_new(&cache);

	if (code)
		return errmsg_set(err, code, "no memory for a TLS context");
	code = tls_context_new_from(cache, pairs, n, NULL, tickets, ret, err);
	tls_cache_unref(cache); /* the context's now, or nobody's */
	return code;
}

void tls_context_set_tickets(struct tls_context *ctx, const struct tls_tickets *tickets)
{
	/* OpenSSL cannot stop making TLS 1.3 tickets halfway: without new keys the old ones stay */
	if (!tickets || !tickets->n || tickets->n > TLS_TICKET_KEYS_MAX)
		return;
	OPENSSL_cleanse(&ctx->tickets, sizeof(ctx->tickets));
	ctx->tickets = *tickets;
}

void tls_context_offer_http2(struct tls_context *ctx, bool offer)
{
	ctx->http2 = offer;
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
	for (size_t i = 0; i < ctx->n_groups; i++)
		tls_group_put(ctx->groups[i]);
	tls_names_clear(&ctx->names);
	tls_rules_put(ctx->rules);
	OPENSSL_cleanse(&ctx->tickets, sizeof(ctx->tickets));
	tls_cache_unref(ctx->cache); /* after what is in it */
	free(ctx);
}

int64_t tls_context_expires(const struct tls_context *ctx)
{
	return ctx->expires_s;
}
