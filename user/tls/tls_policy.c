/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>

#include "conf/conf.h"
#include "tls.h"
#include "tls_cache.h"
#include "tls_rules.h"

_Static_assert((int)CONF_CLIENT_AUTH_OPTIONAL == (int)TLS_CLIENT_AUTH_OPTIONAL &&
		       (int)CONF_CLIENT_AUTH_REQUIRED == (int)TLS_CLIENT_AUTH_REQUIRED,
	       "the words of client_auth.mode");

/* Names come from a short vocabulary, at most 16 of 29 bytes: they fit. */
static void join(char *const *names, size_t n, char ret[TLS_POLICY_LIST_MAX])
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n && at < TLS_POLICY_LIST_MAX; i++)
		at += (size_t)snprintf(ret + at, TLS_POLICY_LIST_MAX - at, "%s%s", i ? ":" : "",
				       names[i] ? names[i] : "");
}

void tls_policy_make(const struct conf_listener *conf, const struct tls_pair *authorities,
		     struct tls_policy_text *ret)
{
	const struct conf_tls *tls = &conf->tls;

	join(tls->ciphers, tls->n_ciphers, ret->ciphers);
	join(tls->suites, tls->n_suites, ret->suites);
	join(tls->groups, tls->n_groups, ret->groups);
	ret->policy = (struct tls_policy) {
		.min_version = tls->min_version,
		.max_version = tls->max_version,
		.ciphers = tls->n_ciphers ? ret->ciphers : NULL,
		.suites = tls->n_suites ? ret->suites : NULL,
		.groups = tls->n_groups ? ret->groups : NULL,
		.lifetime_s = (uint32_t)(tls->lifetime_ms / 1000),
		.strict_names = tls->strict_names,
		.client_auth = conf->client_auth.mode,
		.depth = (uint8_t)conf->client_auth.depth,
	};
	if (!authorities || ret->policy.client_auth == TLS_CLIENT_AUTH_OFF)
		return;
	ret->policy.ca = authorities->certificate;
	ret->policy.ca_len = authorities->certificate_len;
	ret->policy.crl = authorities->key;
	ret->policy.crl_len = authorities->key_len;
}

int tls_policy_check(const struct tls_policy *policy, struct errmsg *err)
{
	struct tls_cache none = { .refs = 1 };
	struct tls_rules *r;
	SSL_CTX *ctx;
	int code = tls_rules_get(&none, policy, &r, err);

	if (code)
		return code;
	/* one that ends while it is in force must not keep workers from starting */
	if (r->crl_over) {
		tls_rules_put(r);
		return errmsg_set(err, -EKEYREJECTED,
				  "a CRL is past its next update: nobody would get in");
	}
	ctx = SSL_CTX_new(TLS_server_method());
	code = ctx ? tls_rules_apply(r, ctx, err)
		   : errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	SSL_CTX_free(ctx);
	tls_rules_put(r);
	return code;
}
