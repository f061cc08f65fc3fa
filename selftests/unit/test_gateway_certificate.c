/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates of clients: what endpoints are told, and which requests need one. */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "gateway_world.h"
#include "tls_pems.h"

#define ASKING(mode)                                                                           \
	"listeners: [{name: web, address: 127.0.0.1, port: 443, client_auth: {mode: " mode     \
	", ca: /ca}, certificates: [{certificate: /a, key: /b}]}]\n"                           \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                             \
	"routes: [{name: all, cluster: app},\n"                                                \
	"  {name: known, paths: [/known], cluster: app, policies: {client_certificate: true}}" \
	"]\n"

/* OpenSSL's client on the peer's socket. */
struct secure {
	struct peer peer;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void start(struct world *w, struct tls_pair pairs[2], const char *yaml)
{
	pairs[0] = tls_pems_pair("a", tls_pems.ecdsa.cert, tls_pems.ecdsa.key);
	pairs[1] = (struct tls_pair) { .name = "/ca",
				       .certificate = tls_pems.other.cert,
				       .certificate_len = strlen(tls_pems.other.cert) };
	*w = (struct world) { .pair = &pairs[0], .client_auth = &pairs[1] };
	world_start(w, yaml);
}

static void show(SSL_CTX *ctx, const struct tls_pem *pem)
{
	BIO *cert = BIO_new_mem_buf(pem->cert, -1), *key = BIO_new_mem_buf(pem->key, -1);
	X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, k), 1);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(cert);
	BIO_free(key);
}

/* pem, sni: NULL for none. */
static void secure_open(struct secure *s, struct world *w, const struct tls_pem *pem,
			const char *sni)
{
	peer_connect(&s->peer, w);
	s->ctx = SSL_CTX_new(TLS_client_method());
	if (pem)
		show(s->ctx, pem);
	s->ssl = SSL_new(s->ctx);
	if (sni)
		SSL_set_tlsext_host_name(s->ssl, sni);
	assert_int_equal(SSL_set_fd(s->ssl, s->peer.fd), 1);
	WORLD_WAIT(w, SSL_connect(s->ssl) == 1);
}

static void secure_send(struct secure *s, const char *text)
{
	assert_int_equal(SSL_write(s->ssl, text, (int)strlen(text)), strlen(text));
}

/* The status of the next response; its head is read, and what came with it. */
static int secure_status(struct secure *s)
{
	char text[4096] = "";
	size_t n = 0, got;

	WORLD_WAIT(s->peer.w, ({
			   if (SSL_read_ex(s->ssl, text + n, sizeof(text) - 1 - n, &got))
				   n += got;
			   strstr(text, "\r\n\r\n") != NULL;
		   }));
	return atoi(text + 9);
}

static void secure_close(struct secure *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	peer_close(&s->peer);
}

static void endpoints_are_told_whose_certificate_it_is(void **state)
{
	struct tls_pair pairs[2];
	struct secure s;
	struct world w;
	struct peer e;
	const char *head;

	(void)state;
	start(&w, pairs, ASKING("required"));
	secure_open(&s, &w, &tls_pems.other, "other.example");
	/* what the client says of itself is not passed on, however it is spelt */
	secure_send(&s, "GET /known HTTP/1.1\r\nHost: other.example:443\r\n"
			"X-Client-Cert-Subject: CN=root\r\nx_client_cert_sha256: 00\r\n"
			"Client-Cert: :AA==:\r\nClient-Cert-Chain: :AA==:\r\n\r\n");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	assert_string_equal(head_field(head, "X-Client-Cert-Subject"), "CN=O");
	assert_string_equal(head_field(head, "X-Client-Cert-Issuer"), "CN=O");
	assert_string_equal(head_field(head, "X-Client-Cert-Serial"), "01");
	assert_int_equal(strlen(head_field(head, "X-Client-Cert-SHA256")), 64);
	assert_int_equal(head_count(head, "X-Client-Cert-Subject"), 1);
	assert_int_equal(head_count(head, "x_client_cert_sha256"), 0);
	assert_int_equal(head_count(head, "Client-Cert"), 1);
	assert_int_equal(head_count(head, "Client-Cert-Chain"), 0);
	assert_int_equal(strncmp(head_field(head, "Client-Cert"), ":MII", 4), 0);
	peer_send(&e, "HTTP/1.1 204 No Content\r\n\r\n");
	assert_int_equal(secure_status(&s), 204);
	world_expect_log(&w, "\"client_cert\":\"");
	secure_close(&s);
	peer_close(&e);
	world_stop(&w);
}

static void who_has_none_gets_no_fields_and_not_everywhere(void **state)
{
	struct tls_pair pairs[2];
	struct secure s;
	struct world w;
	struct peer e;

	(void)state;
	start(&w, pairs, ASKING("optional"));
	secure_open(&s, &w, NULL, "a.example");
	secure_send(&s, "GET / HTTP/1.1\r\nHost: a.example\r\nClient-Cert: :AA==:\r\n\r\n");
	peer_accept(&e, &w, 0);
	assert_int_equal(head_count(peer_head(&e), "Client-Cert"), 0);
	assert_int_equal(head_count(e.head, "X-Client-Cert-SHA256"), 0);
	peer_send(&e, "HTTP/1.1 204 No Content\r\n\r\n");
	assert_int_equal(secure_status(&s), 204);
	secure_send(&s, "GET /known HTTP/1.1\r\nHost: a.example\r\n\r\n");
	assert_int_equal(secure_status(&s), 403);
	world_expect_log(&w, "\"end\":\"certificate_missing\"");
	secure_close(&s);
	peer_close(&e);
	world_stop(&w);
}

static void a_request_for_another_host_is_misdirected(void **state)
{
	static const struct {
		const char *sni, *host;
		int status;
	} rows[] = {
		{ "a.example", "a.example", 204 },
		{ "a.example", "A.Example:443", 204 },
		{ "a.example", "a.example.", 204 },
		{ "a.example", "b.example", 421 },
		{ "a.example", "a.example.evil", 421 },
		{ "a.example", "127.0.0.1", 421 },
		{ NULL, "127.0.0.1", 204 },
		{ NULL, "[::1]:443", 204 },
		{ NULL, "a.example", 421 },
	};
	struct tls_pair pairs[2];
	struct world w;
	char request[128];

	(void)state;
	start(&w, pairs, ASKING("optional"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct secure s;
		struct peer e = { .fd = -1 };

		secure_open(&s, &w, &tls_pems.other, rows[i].sni);
		snprintf(request, sizeof(request), "GET /known HTTP/1.1\r\nHost: %s\r\n\r\n",
			 rows[i].host);
		secure_send(&s, request);
		if (rows[i].status == 204) {
			peer_accept(&e, &w, 0);
			peer_head(&e);
			peer_send(&e, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
		}
		assert_int_equal(secure_status(&s), rows[i].status);
		secure_close(&s);
		peer_close(&e);
	}
	world_stop(&w);
}

static void a_refused_handshake_is_logged_with_its_reason(void **state)
{
	uint64_t before = metric_page->counter[METRIC_TLS_CLIENT_CERTS_REFUSED];
	struct tls_pair pairs[2];
	struct secure s;
	struct world w;

	(void)state;
	start(&w, pairs, ASKING("required"));
	secure_open(&s, &w, &tls_pems.ecdsa, "a.example"); /* in TLS 1.3 the client is done first */
	world_expect_log(&w, "\"reason\":\"self-signed certificate\",\"sni\":\"a.example\"");
	assert_int_equal(metric_page->counter[METRIC_TLS_CLIENT_CERTS_REFUSED] - before, 1);
	secure_close(&s);
	world_stop(&w);
}

/* Other authorities: connections stay, new ones are checked by the new. */
static void authorities_change_without_touching_connections(void **state)
{
	struct tls_pair pairs[2];
	struct secure s, t;
	struct world w;
	struct peer e;

	(void)state;
	start(&w, pairs, ASKING("required"));
	secure_open(&s, &w, &tls_pems.other, "a.example");
	pairs[1].certificate = tls_pems.wild.cert;
	pairs[1].certificate_len = strlen(tls_pems.wild.cert);
	assert_int_equal(world_apply(&w, ASKING("required")), 0);
	secure_send(&s, "GET /known HTTP/1.1\r\nHost: a.example\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 204 No Content\r\n\r\n");
	assert_int_equal(secure_status(&s), 204);
	secure_open(&t, &w, &tls_pems.other, "a.example");
	world_expect_log(&w, "tls.refused");
	secure_close(&t);
	secure_close(&s);
	peer_close(&e);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_are_told_whose_certificate_it_is),
		cmocka_unit_test(who_has_none_gets_no_fields_and_not_everywhere),
		cmocka_unit_test(a_request_for_another_host_is_misdirected),
		cmocka_unit_test(a_refused_handshake_is_logged_with_its_reason),
		cmocka_unit_test(authorities_change_without_touching_connections),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
