/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside a context: for the files of user/tls. */
#pragma once

#include <openssl/ssl.h>

#include "tls.h"
#include "tls_group.h"
#include "tls_names.h"
#include "tls_rules.h"

struct tls_context {
	unsigned int refs; /* not atomic: a process has one thread */
	struct tls_cache *cache;
	struct tls_rules *rules; /* counted */
	struct tls_names names;
	struct tls_tickets tickets;
	int64_t expires_s;
	bool http2; /* offered by ALPN */
	size_t n_groups;
	struct tls_group *groups[]; /* counted; the first serves clients without a known name */
};

/* Of a stream with TLS below it; NULL: another's. */
SSL *tls_filter_ssl(struct stream *s);
/* Of a connection: its SSL_CTX may be many contexts'. */
struct tls_context *tls_context_of(SSL *ssl);
