/* SPDX-License-Identifier: BSD-2-Clause */
/* The client side of the filter: for the files of user/tls. */
#pragma once

#include <openssl/ssl.h>

#include "tls.h"

/*
 * A new connection that checks the server's name, where c does, and resumes session where it can
 * (NULL: none). NULL: no memory, or no name.
 */
SSL *tls_client_ssl(struct tls_client *c, const char *name, struct tls_session *session);
/* tls_session.c: a callback of OpenSSL's, and what a connection offers and fills. */
int tls_session_on_new(SSL *ssl, SSL_SESSION *session);
void tls_session_use(struct tls_session *t, SSL *ssl);
/* That of *slot if it is of this client and name, else a new one there; counted. NULL: no memory. */
struct tls_session *tls_session_get(struct tls_session **slot, struct tls_client *c,
				    const char *name);
