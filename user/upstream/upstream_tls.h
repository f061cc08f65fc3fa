/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How endpoints of clusters are spoken to by TLS. Found by what it says and counted, so that a reload
 * which changes nothing of it keeps connections and sessions, and one that does keeps none.
 */
#pragma once

#include <stdbool.h>

#include "base/errmsg.h"
#include "conf/conf.h"
#include "tls/tls.h"

struct upstream;

struct upstream_tls {
	struct upstream_tls *next, **prev; /* in its bucket */
	unsigned int refs;
	uint8_t sha256[TLS_PAIR_HASH_BYTES];
	struct tls_client *client;
	bool name_from_request;
	char *server_name; /* NULL: the endpoint's */
};

/* The files of a cluster's tls; NULL: it names none. */
struct upstream_tls_files {
	const struct tls_pair *authority; /* its key is empty */
	const struct tls_pair *pair;
};

/* The one that says the same, or a new one. -EINVAL, -EKEYREJECTED, -ENOMEM and *err. */
int upstream_tls_get(struct upstream *u, const struct conf_upstream_tls *conf,
		     const struct upstream_tls_files *files, struct upstream_tls **ret,
		     struct errmsg *err);
struct upstream_tls *upstream_tls_ref(struct upstream_tls *t);
void upstream_tls_unref(struct upstream_tls *t); /* NULL is fine */
