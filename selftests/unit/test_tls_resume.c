/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/metric.h"
#include "tls_peer.h"
#include "tls_pems.h"

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept_session);
	kept_session = session;
	return 1;
}

static bool resumes(struct tls_peer *f, SSL_SESSION *session)
{
	struct tls_info info;

	tls_peer_open(f);
	if (session) { /* OpenSSL's client marks a session that it has used */
		SSL_SESSION *copy = SSL_SESSION_dup(session);

		SSL_set_session(f->client, copy);
		SSL_SESSION_free(copy);
	}
	assert_int_equal(tls_peer_connect(f), 1);
	tls_peer_echo(f, "hello");
	tls_info(&f->stream, &info);
	assert_int_equal(info.resumed, SSL_session_reused(f->client));
	SSL_shutdown(f->client);
	tls_peer_close(f);
	return info.resumed;
}

static void check_resumption(struct tls_peer *f, int version)
{
	uint64_t before = metric_page->counter[METRIC_TLS_RESUMED];
	struct tls_tickets tickets;
	SSL_SESSION *session;

	SSL_CTX_set_min_proto_version(f->client_ctx, version);
	SSL_CTX_set_max_proto_version(f->client_ctx, version);
	SSL_CTX_set_session_cache_mode(f->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(f->client_ctx, keep_session);
	tls_peer_tickets(&tickets, 2, 'k');
	tls_context_set_tickets(f->ctx, &tickets);
	assert_false(resumes(f, NULL));
	session = kept_session;
	kept_session = NULL;
	assert_non_null(session);
	assert_true(resumes(f, session));
	assert_int_equal(metric_page->counter[METRIC_TLS_RESUMED], before + 1);
	/* TLS 1.3 tickets are used once: a resumed connection brings the next */
	assert_int_equal(kept_session != NULL, version == TLS1_3_VERSION);
	/* rotated: a new first key, the old one still opens */
	tls_peer_tickets(&tickets, 2, 'j');
	tls_context_set_tickets(f->ctx, &tickets);
	assert_true(resumes(f, session));
	/* rotated out: a full handshake, no error */
	tls_peer_tickets(&tickets, 3, 'x');
	tls_context_set_tickets(f->ctx, &tickets);
	assert_false(resumes(f, session));
	SSL_SESSION_free(session);
	SSL_SESSION_free(kept_session);
	kept_session = NULL;
}

static void test_tickets_resume_as_long_as_their_key_is_kept(void **state)
{
	check_resumption(*state, TLS1_3_VERSION);
	check_resumption(*state, TLS1_2_VERSION);
}

static void test_without_ticket_keys_nothing_is_resumed(void **state)
{
	struct tls_peer *f = *state;
	struct tls_pair pair = tls_pems_pair("ecdsa", tls_pems.ecdsa.cert, tls_pems.ecdsa.key);
	struct errmsg err;

	tls_context_unref(f->ctx);
	assert_int_equal(tls_context_new(&pair, 1, NULL, &f->ctx, &err), 0);
	SSL_CTX_set_session_cache_mode(f->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(f->client_ctx, keep_session);
	assert_false(resumes(f, NULL));
	assert_null(kept_session);
}

static void test_a_connection_keeps_the_context_it_began_with(void **state)
{
	struct tls_peer *f = *state;
	struct tls_context *old = f->ctx;
	struct tls_pair pair = tls_pems_pair("other", tls_pems.other.cert, tls_pems.other.key);
	struct errmsg err;

	tls_peer_open(f);
	assert_int_equal(tls_context_new(&pair, 1, NULL, &f->ctx, &err), 0);
	tls_context_unref(old); /* before the handshake: only the stream holds it */
	assert_int_equal(tls_peer_connect(f), 1);
	tls_peer_echo(f, "still here");
	tls_peer_close(f);
	tls_peer_expect(f, NULL, "O");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TLS_PEER_TEST(test_tickets_resume_as_long_as_their_key_is_kept),
		TLS_PEER_TEST(test_without_ticket_keys_nothing_is_resumed),
		TLS_PEER_TEST(test_a_connection_keeps_the_context_it_began_with),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
