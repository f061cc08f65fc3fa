/* SPDX-License-Identifier: BSD-2-Clause */
#include "upstream_tls.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

static void setup_of(const struct conf_upstream_tls *conf, const struct upstream_tls_files *files,
		     struct tls_client_setup *ret)
{
	*ret = (struct tls_client_setup) {
		.verify = conf->verify,
		.alpn_http1 = conf->alpn == CONF_TLS_ALPN_HTTP1,
		.min_version = conf->min_version,
		.authority = conf->verify ? files->authority : NULL,
		.pair = files->pair,
	};
}

static void fingerprint(const struct conf_upstream_tls *conf, const struct tls_client_setup *setup,
			uint8_t ret[TLS_PAIR_HASH_BYTES])
{
	uint8_t all[TLS_PAIR_HASH_BYTES + 1 + CONF_HOST_MAX + 1] = { 0 };

	tls_client_sha256(setup, all);
	all[TLS_PAIR_HASH_BYTES] = conf->name_from;
	if (conf->server_name)
		strncpy((char *)all + TLS_PAIR_HASH_BYTES + 1, conf->server_name, CONF_HOST_MAX);
	SHA256(all, sizeof(all), ret);
}

static int tls_new(const struct conf_upstream_tls *conf, const struct tls_client_setup *setup,
		   struct upstream_tls **ret, struct errmsg *err)
{
	struct upstream_tls *t = calloc(1, sizeof(*t));
	int code;

	if (!t) {
		errmsg_set(err, -ENOMEM, "no memory for a TLS context");
		return -ENOMEM;
	}
	t->refs = 1;
	t->name_from_request = conf->name_from == CONF_TLS_NAME_REQUEST;
	code = tls_client_new_from(setup, &t->client, err);
	if (!code && conf->server_name) {
		t->server_name = strdup(conf->server_name);
		code = t->server_name ? 0 : errmsg_set(err, -ENOMEM, "no memory for a name");
	}
	if (code) {
		upstream_tls_unref(t);
		return code;
	}
	*ret = t;
	return 0;
}

int upstream_tls_get(struct upstream *u, const struct conf_upstream_tls *conf,
		     const struct upstream_tls_files *files, struct upstream_tls **ret,
		     struct errmsg *err)
{
	uint8_t sha256[TLS_PAIR_HASH_BYTES];
	struct tls_client_setup setup;
	struct upstream_tls *t, **head;
	int code;

	setup_of(conf, files, &setup);
	fingerprint(conf, &setup, sha256);
	head = &u->tls[sha256[0]];
	for (t = *head; t; t = t->next) {
		if (memcmp(t->sha256, sha256, sizeof(sha256)) == 0) {
			*ret = upstream_tls_ref(t);
			return 0;
		}
	}
	code = tls_new(conf, &setup, &t, err);
	if (code)
		return code;
	memcpy(t->sha256, sha256, sizeof(sha256));
	t->next = *head;
	t->prev = head;
	if (t->next)
		t->next->prev = &t->next;
	*head = t;
	*ret = t;
	return 0;
}

struct upstream_tls *upstream_tls_ref(struct upstream_tls *t)
{
	t->refs++;
	return t;
}

void upstream_tls_unref(struct upstream_tls *t)
{
	if (!t || --t->refs)
		return;
	if (t->prev)
		*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	tls_client_unref(t->client);
	free(t->server_name);
	free(t);
}
