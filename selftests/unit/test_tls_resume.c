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

/* What the client has to say goes in one piece; what is there for it comes. */
static void exchange_bytes(struct tls_peer *f, BIO *from_client, BIO *to_client)
{
	char bytes[16384];
	int n = BIO_read(from_client, bytes, sizeof(bytes));

	if (n > 0)
		assert_int_equal(send(f->client_fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
	loop_turn(f->loop, 1);
	n = (int)recv(f->client_fd, bytes, sizeof(bytes), 0);
	if (n > 0)
		BIO_write(to_client, bytes, n);
}

/* Handshake over buffers, until the client's last flight is in *ret_out. */
static void connect_over_buffers(struct tls_peer *f, BIO **ret_in, BIO **ret_out)
{
	*ret_in = BIO_new(BIO_s_mem());
	*ret_out = BIO_new(BIO_s_mem());
	tls_peer_open(f);
	f->echo = false;
	BIO_set_mem_eof_return(*ret_in, -1);
	SSL_set_bio(f->client, *ret_in, *ret_out);
	for (int i = 0; SSL_connect(f->client) != 1; i++) {
		assert_true(i < TLS_PEER_TURNS_MAX);
		exchange_bytes(f, *ret_out, *ret_in);
	}
}

static void test_a_ticket_goes_with_the_answer_to_a_request_that_is_here(void **state)
{
	struct tls_peer *f = *state;
	char bytes[16];
	BIO *in, *out;

	SSL_CTX_set_min_proto_version(f->client_ctx, TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(f->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(f->client_ctx, keep_session);
	connect_over_buffers(f, &in, &out);
	exchange_bytes(f, out, in);
	TLS_PEER_UNTIL(f, f->opens);
	while (SSL_read(f->client, bytes, sizeof(bytes)) <= 0 && !kept_session)
		exchange_bytes(f, out, in); /* nothing was asked: it comes by itself */
	SSL_SESSION_free(kept_session);
	kept_session = NULL;
	tls_peer_close(f);

	connect_over_buffers(f, &in, &out);
	SSL_write(f->client, "request", 7);
	exchange_bytes(f, out, in);
	TLS_PEER_UNTIL(f, f->received == 7);
	exchange_bytes(f, out, in);
	assert_int_equal(SSL_read(f->client, bytes, sizeof(bytes)), -1);
	assert_null(kept_session);
	assert_int_equal(stream_write(&f->stream, "answer", 6), 0);
	while (SSL_read(f->client, bytes, sizeof(bytes)) != 6)
		exchange_bytes(f, out, in);
	assert_memory_equal(bytes, "answer", 6);
	assert_non_null(kept_session);
	SSL_SESSION_free(kept_session);
	kept_session = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TLS_PEER_TEST(test_tickets_resume_as_long_as_their_key_is_kept),
		TLS_PEER_TEST(test_without_ticket_keys_nothing_is_resumed),
		TLS_PEER_TEST(test_a_ticket_goes_with_the_answer_to_a_request_that_is_here),
		TLS_PEER_TEST(test_a_connection_keeps_the_context_it_began_with),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
