/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS to endpoints: whom it trusts, what it shows, what is kept, and what is said when it fails. */
#include <errno.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway_world.h"
#include "tls_pems.h"

#define GET "GET /a HTTP/1.1\r\nHost: %s\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
/* A busy machine may be slow with a handshake: nothing here is about time. */
#define PATIENT "connect_timeout: 5m, response_timeout: 5m"
#define CONF(tls)                                                                               \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"                              \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], " PATIENT ", tls: {" tls "}}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define LARGE	   (24U << 20)
#define MEMORY_MAX (512U << 10)
#define A_EXAMPLE  CONF("ca: /ca.pem, server_name: a.example")

/* OpenSSL's server at an endpoint, one connection at a time. */
struct server {
	struct peer peer;
	SSL_CTX *ctx;
	SSL *ssl;
	char data[8192];
	size_t len;
};

static int choose_http1(SSL *ssl, const unsigned char **out, unsigned char *outlen,
			const unsigned char *in, unsigned int inlen, void *arg)
{
	(void)ssl;
	(void)arg;
	return SSL_select_next_proto((unsigned char **)out, outlen,
				     (const unsigned char *)"\x08http/1.1", 9, in,
				     inlen) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int take_any(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static void server_init(struct server *s, const struct tls_pem *pem)
{
	BIO *cert = BIO_new_mem_buf(pem->cert, -1), *key = BIO_new_mem_buf(pem->key, -1);
	X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	*s = (struct server) { .ctx = SSL_CTX_new(TLS_server_method()) };
	assert_int_equal(SSL_CTX_use_certificate(s->ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, k), 1);
	SSL_CTX_set_alpn_select_cb(s->ctx, choose_http1, NULL);
	SSL_CTX_set_session_id_context(s->ctx, (const unsigned char *)"t", 1);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(cert);
	BIO_free(key);
}

/* 1 done, 0 refused. */
static int server_shake(struct server *s, struct world *w)
{
	int ret = -1, why = SSL_ERROR_WANT_READ;

	s->ssl = SSL_new(s->ctx);
	SSL_set_fd(s->ssl, s->peer.fd);
	WORLD_WAIT(w, ({
			   ERR_clear_error();
			   ret = SSL_accept(s->ssl);
			   why = ret == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, ret);
			   why != SSL_ERROR_WANT_READ &&why != SSL_ERROR_WANT_WRITE;
		   }));
	s->len = 0;
	return ret == 1;
}

static int server_accept(struct server *s, struct world *w)
{
	peer_accept(&s->peer, w, 0);
	return server_shake(s, w);
}

static bool has_head(struct server *s)
{
	int n = SSL_read(s->ssl, s->data + s->len, (int)(sizeof(s->data) - s->len - 1));

	if (n > 0)
		s->len += (size_t)n;
	s->data[s->len] = 0;
	return strstr(s->data, "\r\n\r\n") != NULL;
}

static const char *server_head(struct server *s)
{
	s->len = 0;
	WORLD_WAIT(s->peer.w, has_head(s));
	return s->data;
}

static void server_say(struct server *s, const char *text)
{
	assert_int_equal(SSL_write(s->ssl, text, (int)strlen(text)), strlen(text));
}

static bool server_at_end(struct server *s)
{
	char c;
	int n = SSL_read(s->ssl, &c, 1), why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);

	return why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
}

static void server_close(struct server *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
	peer_close(&s->peer);
}

static void server_clear(struct server *s)
{
	if (s->ssl)
		server_close(s);
	SSL_CTX_free(s->ctx);
}

static void ask(struct peer *client, const char *host)
{
	char text[512];

	snprintf(text, sizeof(text), GET, host);
	peer_send(client, text);
}

static void expect_ok(struct peer *client)
{
	assert_memory_equal(peer_head(client), "HTTP/1.1 200", 12);
	peer_expect(client, "ok");
}

/* A whole request on the connection that the server has. */
static void exchange(struct peer *client, struct server *s, const char *host)
{
	ask(client, host);
	server_head(s);
	server_say(s, OK);
	expect_ok(client);
}

static struct tls_pair trust(const struct tls_pem *pem)
{
	return (struct tls_pair) { "/ca.pem", pem->cert, strlen(pem->cert), "", 0 };
}

static void a_trusted_endpoint_is_asked_by_name_and_kept(void **state)
{
	struct tls_pair ca = trust(&tls_pems.ecdsa);
	struct world w = { .authority = &ca };
	const unsigned char *alpn;
	unsigned int alpn_len;
	struct server s;
	struct peer client;

	(void)state;
	world_start(&w, A_EXAMPLE);
	server_init(&s, &tls_pems.ecdsa);
	peer_connect(&client, &w);
	ask(&client, "x.example");
	assert_int_equal(server_accept(&s, &w), 1);
	assert_string_equal(SSL_get_servername(s.ssl, TLSEXT_NAMETYPE_host_name), "a.example");
	SSL_get0_alpn_selected(s.ssl, &alpn, &alpn_len);
	assert_int_equal(alpn_len, 8);
	assert_string_equal(head_field(server_head(&s), "Host"), "x.example");
	server_say(&s, OK);
	expect_ok(&client);
	/* the tickets of TLS 1.3 are no answer that nobody asked for; a reload of the same keeps it */
	exchange(&client, &s, "x.example");
	assert_int_equal(world_apply(&w, A_EXAMPLE), 0);
	exchange(&client, &s, "x.example");
	peer_close(&client);
	server_clear(&s);
	world_stop(&w);
}

static void the_next_connection_resumes_the_session(void **state)
{
	struct tls_pair ca = trust(&tls_pems.ecdsa);

	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct world w = { .authority = &ca };
		struct server s;
		struct peer client;

		world_start(&w, A_EXAMPLE);
		server_init(&s, &tls_pems.ecdsa);
		SSL_CTX_set_max_proto_version(s.ctx, version);
		peer_connect(&client, &w);
		for (int i = 0; i < 3; i++) {
			ask(&client, "x");
			assert_int_equal(server_accept(&s, &w), 1);
			assert_int_equal(SSL_session_reused(s.ssl), i > 0);
			server_head(&s);
			server_say(&s, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
				       "Content-Length: 2\r\n\r\nok");
			SSL_shutdown(s.ssl);
			expect_ok(&client);
			server_close(&s);
		}
		peer_close(&client);
		server_clear(&s);
		world_stop(&w);
	}
}

/* One request that fails, what the client is told and what the log says. */
static void expect_refusal(struct world *w, const struct tls_pem *pem, int max_version,
			   const char *conf, const char *code, const char *error, const char *why)
{
	struct server s;
	struct peer client;
	char text[128];
	const char *head;

	world_start(w, conf);
	server_init(&s, pem);
	if (max_version)
		SSL_CTX_set_max_proto_version(s.ctx, max_version);
	peer_connect(&client, w);
	/* not idempotent: it may be tried again all the same, since nothing was sent */
	peer_send(&client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		if (server_accept(&s, w) == 1) /* TLS 1.3: our side of it may be done first */
			WORLD_WAIT(w, server_at_end(&s));
		server_close(&s);
	}
	head = peer_head(&client);
	assert_memory_equal(head, "HTTP/1.1 502", 12);
	snprintf(text, sizeof(text), "sluice; error=%s; details=\"%s\"", error, code);
	assert_string_equal(head_field(head, "Proxy-Status"), text);
	world_expect_log(w, "\"endpoint.tls\"");
	world_expect_log(w, why);
	snprintf(text, sizeof(text), "\"end\":\"%s\"", code);
	world_expect_log(w, text);
	peer_close(&client);
	server_clear(&s);
	world_stop(w);
}

static void an_endpoint_that_cannot_be_trusted_gets_no_byte_of_a_request(void **state)
{
	struct tls_pem old = tls_pems_make("DNS:a.example", "old", false, -3 * DAY_S, -DAY_S);
	struct tls_pair ca = trust(&tls_pems.ecdsa), old_ca = trust(&old);
	struct world w = { .authority = &ca };
	static const char code[] = "upstream_certificate", error[] = "tls_certificate_error";

	(void)state;
	expect_refusal(&w, &tls_pems.other, 0, A_EXAMPLE, code, error, "self-signed certificate");
	expect_refusal(&w, &tls_pems.ecdsa, 0, CONF("ca: /ca.pem, server_name: b.example"), code,
		       error, "hostname mismatch");
	expect_refusal(&w, &tls_pems.ecdsa, 0, CONF("ca: /ca.pem"), code, error,
		       "IP address mismatch"); /* by its address */
	w.authority = &old_ca;
	expect_refusal(&w, &old, 0, A_EXAMPLE, code, error, "certificate has expired");
	tls_pems_free(&old);
}

static void a_version_that_is_too_old_is_refused(void **state)
{
	struct tls_pair ca = trust(&tls_pems.ecdsa);
	struct world w = { .authority = &ca };

	(void)state;
	expect_refusal(&w, &tls_pems.ecdsa, TLS1_2_VERSION,
		       CONF("ca: /ca.pem, server_name: a.example, min_version: 1.3"),
		       "upstream_tls", "tls_protocol_error", "protocol version");
}

static void an_endpoint_without_tls_is_a_protocol_error(void **state)
{
	struct world w = { .authority = NULL };
	struct peer client, end;
	const char *head;

	(void)state;
	world_start(&w, CONF("verify: false"));
	peer_connect(&client, &w);
	ask(&client, "x");
	for (int i = 0; i < 3; i++) {
		peer_accept(&end, &w, 0);
		peer_send(&end, "HTTP/1.1 400 Bad Request\r\n\r\n");
		WORLD_WAIT(&w, (peer_receive(&end), end.ended || end.err));
		peer_close(&end);
	}
	head = peer_head(&client);
	assert_memory_equal(head, "HTTP/1.1 502", 12);
	assert_string_equal(head_field(head, "Proxy-Status"),
			    "sluice; error=tls_protocol_error; details=\"upstream_tls\"");
	world_expect_log(&w, "wrong version number");
	peer_close(&client);
	world_stop(&w);
}

static void without_verification_any_certificate_does(void **state)
{
	struct world w = { .authority = NULL };
	struct server s;
	struct peer client;

	(void)state;
	world_start(&w, CONF("verify: false"));
	server_init(&s, &tls_pems.other);
	peer_connect(&client, &w);
	ask(&client, "x");
	assert_int_equal(server_accept(&s, &w), 1);
	assert_null(SSL_get_servername(s.ssl, TLSEXT_NAMETYPE_host_name)); /* an address */
	server_head(&s);
	server_say(&s, OK);
	expect_ok(&client);
	peer_close(&client);
	server_clear(&s);
	world_stop(&w);
}

static void expect_shown(struct server *s, const char *cn)
{
	X509 *x = SSL_get1_peer_certificate(s->ssl);
	char text[64] = "";

	assert_non_null(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, text, sizeof(text));
	assert_string_equal(text, cn);
	X509_free(x);
}

static void our_certificate_is_shown_and_replaced_live(void **state)
{
	static const char conf[] =
		CONF("ca: /ca.pem, server_name: a.example, certificate: /c.pem, key: /k.pem");
	struct tls_pair ca = trust(&tls_pems.ecdsa);
	struct tls_pair shown = tls_pems_pair("c", tls_pems.other.cert, tls_pems.other.key);
	struct world w = { .authority = &ca, .shown = &shown };
	struct server s, before;
	struct peer client;

	(void)state;
	world_start(&w, conf);
	server_init(&s, &tls_pems.ecdsa);
	SSL_CTX_set_verify(s.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, take_any);
	peer_connect(&client, &w);
	ask(&client, "x");
	assert_int_equal(server_accept(&s, &w), 1);
	expect_shown(&s, "O");
	server_head(&s);
	server_say(&s, OK);
	expect_ok(&client);
	/* one that does not fit its key changes nothing */
	before = s;
	shown = tls_pems_pair("c", tls_pems.wild.cert, tls_pems.other.key);
	assert_int_not_equal(world_apply(&w, conf), 0);
	exchange(&client, &s, "x");
	/* the new one is shown from the next request on: nothing is kept or resumed of before */
	shown = tls_pems_pair("c", tls_pems.wild.cert, tls_pems.wild.key);
	assert_int_equal(world_apply(&w, conf), 0);
	WORLD_WAIT(&w, server_at_end(&before));
	s.ssl = NULL;
	ask(&client, "x");
	assert_int_equal(server_accept(&s, &w), 1);
	assert_int_equal(SSL_session_reused(s.ssl), 0);
	expect_shown(&s, "W");
	server_head(&s);
	server_say(&s, OK);
	expect_ok(&client);
	server_close(&before);
	peer_close(&client);
	server_clear(&s);
	world_stop(&w);
}

static void connections_are_used_again_only_for_the_host_they_were_made_for(void **state)
{
	struct tls_pair ca = trust(&tls_pems.ecdsa);
	struct world w = { .authority = &ca };
	struct server a, b;
	struct peer client;

	(void)state;
	world_start(&w, CONF("ca: /ca.pem, name_from: request"));
	server_init(&a, &tls_pems.ecdsa);
	server_init(&b, &tls_pems.ecdsa);
	peer_connect(&client, &w);
	ask(&client, "A.example:8443");
	assert_int_equal(server_accept(&a, &w), 1);
	assert_string_equal(SSL_get_servername(a.ssl, TLSEXT_NAMETYPE_host_name), "a.example");
	server_head(&a);
	server_say(&a, OK);
	expect_ok(&client);
	ask(&client, "www.a.example");
	assert_int_equal(server_accept(&b, &w), 1);
	assert_string_equal(SSL_get_servername(b.ssl, TLSEXT_NAMETYPE_host_name), "www.a.example");
	assert_int_equal(SSL_session_reused(b.ssl), 0);
	server_head(&b);
	server_say(&b, OK);
	expect_ok(&client);
	exchange(&client, &a, "a.example");
	exchange(&client, &b, "www.a.example");
	peer_close(&client);
	/* a host that the endpoint has no certificate for */
	peer_connect(&client, &w);
	ask(&client, "evil.example");
	server_close(&b);
	for (int i = 0; i < 3; i++) {
		server_accept(&b, &w);
		server_close(&b);
	}
	assert_string_equal(head_field(peer_head(&client), "Proxy-Status"),
			    "sluice; error=tls_certificate_error; "
			    "details=\"upstream_certificate\"");
	peer_close(&client);
	server_clear(&a);
	server_clear(&b);
	world_stop(&w);
}

static void an_end_without_a_good_bye_is_no_end_of_a_body(void **state)
{
	struct tls_pair ca = trust(&tls_pems.ecdsa);

	(void)state;
	for (int polite = 0; polite < 2; polite++) {
		struct world w = { .authority = &ca };
		struct server s;
		struct peer client;

		world_start(&w, A_EXAMPLE);
		server_init(&s, &tls_pems.ecdsa);
		peer_connect(&client, &w);
		ask(&client, "x");
		assert_int_equal(server_accept(&s, &w), 1);
		server_head(&s);
		server_say(&s, "HTTP/1.0 200 OK\r\n\r\nhalf");
		if (polite)
			SSL_shutdown(s.ssl);
		server_close(&s);
		assert_memory_equal(peer_head(&client), "HTTP/1.1 200", 12);
		peer_expect(&client, polite ? "4\r\nhalf\r\n0\r\n\r\n" : "4\r\nhalf\r\n");
		world_expect_log(&w, polite ? "\"end\":\"ok\"" : "\"end\":\"response_incomplete\"");
		peer_close(&client);
		server_clear(&s);
		world_stop(&w);
	}
}

/* Who the client is goes in front of the handshake, in clear. */
static void a_proxy_header_comes_before_tls(void **state)
{
	struct tls_pair ca = trust(&tls_pems.ecdsa);
	struct world w = { .authority = &ca };
	struct server s;
	struct peer client;
	char line[108];
	size_t n = 0;

	(void)state;
	world_start(
		&w,
		"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
		"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], proxy_protocol: v1, " PATIENT
		", tls: {ca: /ca.pem, server_name: a.example}}]\n"
		"routes: [{name: all, cluster: app}]\n");
	server_init(&s, &tls_pems.ecdsa);
	peer_connect(&client, &w);
	ask(&client, "x");
	peer_accept(&s.peer, &w, 0);
	WORLD_WAIT(&w, (n += recv(s.peer.fd, line + n, 1, 0) == 1, n && line[n - 1] == '\n'));
	assert_memory_equal(line, "PROXY TCP4 127.0.0.1 127.0.0.1 ", 31);
	assert_int_equal(server_shake(&s, &w), 1);
	server_head(&s);
	server_say(&s, OK);
	expect_ok(&client);
	exchange(&client, &s, "x");
	peer_close(&client);
	server_clear(&s);
	world_stop(&w);
}

static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/*
 * Two buffers of 64 KiB each way on either side, and what TLS keeps beside them: encrypted bytes of
 * one read, and those that wait for the socket.
 */
static void a_body_through_tls_takes_bounded_memory(void **state)
{
	struct tls_pair ca = trust(&tls_pems.ecdsa);
	struct world w = { .authority = &ca };
	static char piece[16384];
	size_t before, sent = 0, got = 0, most = 0;
	struct server s;
	struct peer client;
	char text[100];

	(void)state;
	world_start(&w, A_EXAMPLE);
	server_init(&s, &tls_pems.ecdsa);
	SSL_CTX_set_mode(s.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
	peer_connect(&client, &w);
	ask(&client, "x");
	assert_int_equal(server_accept(&s, &w), 1);
	server_head(&s);
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LARGE);
	server_say(&s, text);
	peer_head(&client);
	before = heap();
	/* nothing is read until the endpoint is stuck, then all of it */
	for (int stuck = 0; stuck < 50;) {
		int n = SSL_write(s.ssl, piece, sizeof(piece));

		stuck = n > 0 ? 0 : stuck + 1;
		sent += n > 0 ? (size_t)n : 0;
		world_turn(&w);
		assert_true(sent < LARGE);
		most = heap() > before + most ? heap() - before : most;
	}
	while (got < LARGE) {
		size_t left = LARGE - sent < sizeof(piece) ? LARGE - sent : sizeof(piece);
		int n = left ? SSL_write(s.ssl, piece, (int)left) : 0;
		ssize_t in = recv(client.fd, text, sizeof(text), MSG_TRUNC | MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		for (; in > 0; in = recv(client.fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT))
			got += (size_t)in;
		world_turn(&w);
		most = heap() > before + most ? heap() - before : most;
	}
	assert_int_equal(got, LARGE);
	if (most > MEMORY_MAX)
		fail_msg("%zu bytes", most);
	peer_close(&client);
	server_clear(&s);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trusted_endpoint_is_asked_by_name_and_kept),
		cmocka_unit_test(the_next_connection_resumes_the_session),
		cmocka_unit_test(an_endpoint_that_cannot_be_trusted_gets_no_byte_of_a_request),
		cmocka_unit_test(a_version_that_is_too_old_is_refused),
		cmocka_unit_test(an_endpoint_without_tls_is_a_protocol_error),
		cmocka_unit_test(without_verification_any_certificate_does),
		cmocka_unit_test(our_certificate_is_shown_and_replaced_live),
		cmocka_unit_test(connections_are_used_again_only_for_the_host_they_were_made_for),
		cmocka_unit_test(a_proxy_header_comes_before_tls),
		cmocka_unit_test(a_body_through_tls_takes_bounded_memory),
		cmocka_unit_test(an_end_without_a_good_bye_is_no_end_of_a_body),
	};

	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
