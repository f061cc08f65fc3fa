/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions of our client side, one per server: the newest. TLS 1.3 servers send tickets behind the
 * handshake, so it is taken whenever one comes. A session older than an hour is not offered: it was
 * made with a certificate that may have ended since.
 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tls_client.h"

#define SESSION_MAX_S 3600

struct tls_session {
	unsigned int refs; /* the slot's and those of connections */
	SSL_SESSION *session;
	struct tls_client *client;
	char name[];
};

void tls_session_unref(struct tls_session *t)
{
	if (!t || --t->refs)
		return;
	SSL_SESSION_free(t->session);
	tls_client_unref(t->client);
	free(t);
}

static struct tls_session *session_new(struct tls_client *c, const char *name)
{
	size_t n = strlen(name) + 1;
	struct tls_session *t = calloc(1, sizeof(*t) + n);

	if (!t)
		return NULL;
	t->refs = 1;
	t->client = tls_client_ref(c);
	memcpy(t->name, name, n);
	return t;
}

struct tls_session *tls_session_get(struct tls_session **slot, struct tls_client *c,
				    const char *name)
{
	if (!*slot || (*slot)->client != c || strcmp((*slot)->name, name) != 0) {
		struct tls_session *t = session_new(c, name);

		if (!t)
			return NULL;
		tls_session_unref(*slot);
		*slot = t;
	}
	(*slot)->refs++;
	return *slot;
}

int tls_session_on_new(SSL *ssl, SSL_SESSION *session)
{
	struct tls_session *t = SSL_get_app_data(ssl);

	if (!t)
		return 0;
	SSL_SESSION_free(t->session);
	t->session = session;
	return 1; /* the reference is ours */
}

static bool is_fresh(const SSL_SESSION *session)
{
	int64_t age_s = (int64_t)(clock_wall_ns() / NS_PER_S) - SSL_SESSION_get_time(session);

	return age_s >= 0 && age_s < SESSION_MAX_S;
}

void tls_session_use(struct tls_session *t, SSL *ssl)
{
	SSL_set_app_data(ssl, t);
	if (!t->session || !is_fresh(t->session) || !SSL_SESSION_is_resumable(t->session))
		return;
	if (SSL_set_session(ssl, t->session) != 1)
		ERR_clear_error(); /* a full handshake then */
}
