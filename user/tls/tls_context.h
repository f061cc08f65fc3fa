/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside a context: for tls_filter.c. */
#pragma once

#include <openssl/ssl.h>

#include "tls.h"
#include "tls_names.h"

/* What serves a set of names: one certificate of each kind of key. */
struct tls_group {
	SSL_CTX *ctx;
	char *names_key;
	int key_types[4]; /* EVP_PKEY_get_base_id, 0 unused */
};

struct tls_context {
	unsigned int refs; /* not atomic: a process has one thread */
	size_t group_count;
	struct tls_names names;
	struct tls_tickets tickets;
	int64_t expires_s;
	struct tls_group groups[]; /* the first serves clients without a known name */
};
