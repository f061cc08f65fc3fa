/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/addr.h"
#include "base/metric.h"
#include "event/loop.h"
#include "net/sock.h"
#include "net/stream.h"
#include "tls/tls.h"

#define DAY_S	  86400
#define BUF_MAX	  65536U
#define TURNS_MAX 200000
#define WAIT_MS	  20000

/* --- certificates --- */

struct pem {
	char *cert, *key;
};

static char *bio_text(BIO *bio)
{
	char *data, *copy;
	long n = BIO_get_mem_data(bio, &data);

	copy = strndup(data, (size_t)n);
	BIO_free(bio);
	return copy;
}

static void set_dates(X509 *x, long from_s, long until_s)
{
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), until_s);
}

/* names: "DNS:a.example,DNS:b.example", or NULL for a common name only. */
static struct pem make_pair(const char *names, const char *cn, bool rsa, long from_s, long until_s)
{
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048U) : EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	X509_NAME *subject = X509_get_subject_name(x);

	assert_non_null(key);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	set_dates(x, from_s, until_s);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1,
				   0);
	X509_set_issuer_name(x, subject);
	X509_set_pubkey(x, key);
	if (names) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

		X509_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(cert_bio, x);
	PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
	X509_free(x);
	EVP_PKEY_free(key);
	return (struct pem) { bio_text(cert_bio), bio_text(key_bio) };
}

static void free_pem(struct pem *p)
{
	free(p->cert);
	free(p->key);
}

static struct tls_pair pair_of(const char *name, const char *cert, const char *key)
{
	return (struct tls_pair) { name, cert, strlen(cert), key, strlen(key) };
}

static struct pem ecdsa, rsa_same, wild, other, only_cn;

static int make_certificates(void **state)
{
	(void)state;
	ecdsa = make_pair("DNS:a.example,DNS:www.a.example", "A ec", false, -DAY_S, 30 * DAY_S);
	rsa_same = make_pair("DNS:WWW.a.example,DNS:a.example", "A rsa", true, -DAY_S, 20 * DAY_S);
	wild = make_pair("DNS:*.wild.example", "W", false, -DAY_S, 10 * DAY_S);
	other = make_pair("DNS:other.example", "O", false, -DAY_S, 40 * DAY_S);
	only_cn = make_pair(NULL, "cn.example", false, -DAY_S, 40 * DAY_S);
	return 0;
}

static int free_certificates(void **state)
{
	(void)state;
	free_pem(&ecdsa);
	free_pem(&rsa_same);
	free_pem(&wild);
	free_pem(&other);
	free_pem(&only_cn);
	return 0;
}

/* --- loading --- */

static void expect_refused(const char *cert, const char *key, const char *part)
{
	struct tls_pair pairs[2] = { pair_of("/good", ecdsa.cert, ecdsa.key),
				     pair_of("/etc/x.pem", cert, key) };
	struct tls_context *ctx = (void *)0x1;
	struct errmsg err = { "" };

	assert_int_equal(tls_context_new(pairs, 2, NULL, &ctx, &err), -EINVAL);
	assert_ptr_equal(ctx, (void *)0x1);
	assert_non_null(strstr(err.text, "/etc/x.pem: "));
	if (!strstr(err.text, part))
		fail_msg("'%s' does not say '%s'", err.text, part);
	assert_int_equal(ERR_peek_error(), 0); /* the queue is the process's */
}

static char *encrypted_key(void)
{
	BIO *in = BIO_new_mem_buf(ecdsa.key, -1), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);

	PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
	EVP_PKEY_free(key);
	BIO_free(in);
	return bio_text(out);
}

static void test_a_bad_pair_is_refused_with_its_name_and_reason(void **state)
{
	struct pem expired = make_pair(NULL, "x", false, -2 * DAY_S, -DAY_S);
	struct pem early = make_pair(NULL, "x", false, DAY_S, 2 * DAY_S);
	char *locked = encrypted_key(), *broken = strdup(ecdsa.cert), damaged_chain[8192];

	(void)state;
	expect_refused(expired.cert, expired.key, "expired at 20");
	expect_refused(early.cert, early.key, "not valid before 20");
	expect_refused(ecdsa.cert, other.key, "does not belong to the certificate");
	expect_refused(ecdsa.cert, rsa_same.key, "does not belong to the certificate");
	expect_refused("", ecdsa.key, "no certificate in it");
	expect_refused(ecdsa.key, ecdsa.key, "no certificate in it");
	expect_refused(ecdsa.cert, "", "private key does not parse");
	expect_refused(ecdsa.cert, ecdsa.cert, "private key does not parse");
	expect_refused(ecdsa.cert, locked, "encrypted");
	memset(broken + 60, '#', 20);
	expect_refused(broken, ecdsa.key, "certificate does not parse");
	snprintf(damaged_chain, sizeof(damaged_chain), "%s%s", ecdsa.cert, broken);
	expect_refused(damaged_chain, ecdsa.key, "certificate of the chain does not parse");
	free(locked);
	free(broken);
	free_pem(&expired);
	free_pem(&early);
}

static void test_a_weak_key_is_refused(void **state)
{
	EVP_PKEY *key = EVP_RSA_gen(1024U);
	X509 *x = X509_new();
	BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	char *cert, *key_text;

	(void)state;
	set_dates(x, -DAY_S, DAY_S);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	PEM_write_bio_X509(cert_bio, x);
	PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
	cert = bio_text(cert_bio);
	key_text = bio_text(key_bio);
	expect_refused(cert, key_text, "key too small");
	free(cert);
	free(key_text);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void test_a_chain_behind_the_leaf_is_taken_and_the_first_expiry_told(void **state)
{
	char chain[8192];
	struct tls_pair pairs[2];
	struct tls_context *ctx;
	struct errmsg err;
	int64_t days;

	(void)state;
	snprintf(chain, sizeof(chain), "comment\n%s\n%s", ecdsa.cert, other.cert);
	pairs[0] = pair_of("chain", chain, ecdsa.key);
	pairs[1] = pair_of("wild", wild.cert, wild.key);
	assert_int_equal(tls_context_new(pairs, 2, NULL, &ctx, &err), 0);
	days = (tls_context_expires(ctx) - time(NULL) + DAY_S / 2) / DAY_S;
	assert_int_equal(days, 10);
	tls_context_unref(ctx);
	assert_int_equal(tls_context_new(pairs, 0, NULL, &ctx, &err), -EINVAL);
	assert_int_equal(tls_context_new(pairs, TLS_PAIRS_MAX + 1, NULL, &ctx, &err), -EINVAL);
}

/* --- over a loopback connection: our stream, and OpenSSL's client over its own descriptor --- */

struct fixture {
	struct loop *loop;
	struct timer guard;
	struct tls_context *ctx;
	struct stream stream;
	SSL_CTX *client_ctx;
	SSL *client;
	int client_fd;
	unsigned int opens, ends, closes;
	int end_err;
	size_t received;
	bool echo, hold;
};

static void on_open(struct stream *s)
{
	container_of(s, struct fixture, stream)->opens++;
}

static void on_readable(struct stream *s)
{
	struct fixture *f = container_of(s, struct fixture, stream);

	if (f->hold)
		return;
	f->received += buf_len(&s->in);
	if (f->echo)
		assert_int_equal(stream_write(s, buf_head(&s->in), buf_len(&s->in)), 0);
	buf_consume(&s->in, buf_len(&s->in));
}

static void on_end(struct stream *s, int err)
{
	struct fixture *f = container_of(s, struct fixture, stream);

	f->ends++;
	f->end_err = err;
}

static void on_closed(struct stream *s)
{
	container_of(s, struct fixture, stream)->closes++;
}

static const struct stream_events events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_end = on_end,
	.on_closed = on_closed,
};

static void stuck(struct timer *t)
{
	(void)t;
	fail_msg("what the test waits for does not come");
}

#define TURN_UNTIL(f, condition)                              \
	for (int t_ = 0; !(condition); t_++) {                \
		assert_true(t_ < TURNS_MAX);                  \
		assert_int_equal(loop_turn((f)->loop, 1), 0); \
	}

static void make_tickets(struct tls_tickets *t, uint32_t n, uint8_t first)
{
	t->n = n;
	for (uint32_t i = 0; i < n; i++)
		memset(t->key[i], first + (int)i, sizeof(t->key[i]));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct tls_pair pairs[] = {
		pair_of("ecdsa", ecdsa.cert, ecdsa.key),
		pair_of("rsa", rsa_same.cert, rsa_same.key),
		pair_of("wild", wild.cert, wild.key),
		pair_of("other", other.cert, other.key),
		pair_of("cn", only_cn.cert, only_cn.key),
	};
	struct tls_tickets tickets;
	struct errmsg err;

	make_tickets(&tickets, 2, 'k');
	if (tls_context_new(pairs, 5, &tickets, &f->ctx, &err))
		fail_msg("%s", err.text);
	assert_int_equal(loop_new(&f->loop), 0);
	f->guard.on_due = stuck;
	timer_start(f->loop, &f->guard, WAIT_MS);
	f->client_ctx = SSL_CTX_new(TLS_client_method());
	f->client_fd = -1;
	f->stream.watch.fd = -1;
	f->echo = true;
	*state = f;
	return 0;
}

static void hang_up(struct fixture *f)
{
	stream_close(&f->stream);
	SSL_free(f->client);
	f->client = NULL;
	if (f->client_fd >= 0)
		close(f->client_fd);
	f->client_fd = -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hang_up(f);
	SSL_CTX_free(f->client_ctx);
	loop_free(f->loop);
	tls_context_unref(f->ctx);
	free(f);
	return 0;
}

static void open_connection(struct fixture *f)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr loopback, peer;
	uint16_t port;
	int listening, fd;

	addr_parse("127.0.0.1", &loopback);
	listening = sock_listen(&loopback, 0, 1);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr((struct sockaddr *)&ss, &loopback, &port);
	f->client_fd = sock_connect(&loopback, port);
	while ((fd = sock_accept(listening, &peer, &port)) == -EAGAIN)
		;
	close(listening);
	f->opens = f->ends = f->closes = 0;
	f->received = 0;
	assert_int_equal(stream_open(&f->stream, f->loop, fd, &events, BUF_MAX, BUF_MAX, false), 0);
	assert_int_equal(tls_accept(&f->stream, f->ctx), 0);
	f->client = SSL_new(f->client_ctx);
	SSL_set_fd(f->client, f->client_fd);
}

static bool wants(SSL *ssl, int ret)
{
	int err = SSL_get_error(ssl, ret);

	return err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE;
}

/* 1 done, 0 refused. */
static int shake_hands(struct fixture *f)
{
	for (int i = 0; i < TURNS_MAX; i++) {
		int ret = SSL_connect(f->client);

		if (ret != 1 && !wants(f->client, ret)) {
			ERR_clear_error();
			TURN_UNTIL(f, f->ends);
			return 0;
		}
		loop_turn(f->loop, 1);
		if (f->ends)
			return 0;
		if (ret == 1 && f->opens)
			return 1;
	}
	return 0;
}

static size_t client_read(struct fixture *f, void *data, size_t n)
{
	size_t got = 0;

	for (int i = 0; i < TURNS_MAX; i++) {
		int ret = SSL_read_ex(f->client, data, n, &got);

		if (ret == 1)
			return got;
		if (!wants(f->client, ret))
			return 0;
		loop_turn(f->loop, 1);
	}
	return 0;
}

/* Send and get it back; also lets the client see its tickets. */
static void echo_once(struct fixture *f, const char *text)
{
	char back[64];

	assert_int_equal(SSL_write(f->client, text, (int)strlen(text)), strlen(text));
	assert_int_equal(client_read(f, back, sizeof(back)), strlen(text));
	assert_memory_equal(back, text, strlen(text));
}

static void expect_names(struct fixture *f, const char *sni, const char *cn)
{
	char got[64] = "";
	X509 *cert;

	open_connection(f);
	if (sni)
		SSL_set_tlsext_host_name(f->client, sni);
	assert_int_equal(shake_hands(f), 1);
	cert = SSL_get1_peer_certificate(f->client);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, got, sizeof(got));
	assert_string_equal(got, cn);
	X509_free(cert);
	hang_up(f);
}

static void test_the_name_that_is_asked_for_chooses_the_certificate(void **state)
{
	struct fixture *f = *state;

	expect_names(f, NULL, "A ec");
	expect_names(f, "unknown.example", "A ec");
	expect_names(f, "a.example", "A ec");
	expect_names(f, "OTHER.Example", "O");
	expect_names(f, "x.wild.example", "W");
	expect_names(f, "wild.example", "A ec");     /* not the wildcard's */
	expect_names(f, "x.y.wild.example", "A ec"); /* one label only */
	expect_names(f, "cn.example", "cn.example"); /* no alternative name: the common one */
	SSL_CTX_set1_sigalgs_list(f->client_ctx, "rsa_pss_rsae_sha256");
	expect_names(f, "www.a.example", "A rsa"); /* same names: the client's algorithms choose */
}

static void echo_over(struct fixture *f, int version, const char *name)
{
	uint64_t before = metric_page->counter[METRIC_TLS_HANDSHAKES];
	struct tls_info info;

	SSL_CTX_set_min_proto_version(f->client_ctx, version);
	SSL_CTX_set_max_proto_version(f->client_ctx, version);
	open_connection(f);
	SSL_set_tlsext_host_name(f->client, "a.example");
	SSL_set_alpn_protos(f->client, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	assert_int_equal(shake_hands(f), 1);
	echo_once(f, "hello");
	tls_info(&f->stream, &info);
	assert_string_equal(info.version, name);
	assert_string_equal(info.sni, "a.example");
	assert_string_equal(info.alpn, "http/1.1");
	assert_non_null(info.cipher);
	assert_null(info.failure);
	assert_false(info.resumed);
	assert_int_equal(metric_page->counter[METRIC_TLS_HANDSHAKES], before + 1);
	/* an orderly end, both ways */
	SSL_shutdown(f->client);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, 0);
	stream_close_after_flush(&f->stream);
	assert_int_equal(client_read(f, &info, 1), 0);
	assert_int_equal(SSL_get_shutdown(f->client) & SSL_RECEIVED_SHUTDOWN,
			 SSL_RECEIVED_SHUTDOWN);
	hang_up(f);
}

static void test_both_versions_carry_bytes_and_end_in_order(void **state)
{
	echo_over(*state, TLS1_3_VERSION, "TLSv1.3");
	echo_over(*state, TLS1_2_VERSION, "TLSv1.2");
}

static void test_the_server_prefers_x25519(void **state)
{
	struct fixture *f = *state;

	/* the client likes P-384 best, the server decides (in TLS 1.3 that would cost a retry) */
	SSL_CTX_set1_groups_list(f->client_ctx, "P-384:X25519");
	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	assert_int_equal(SSL_get_negotiated_group(f->client), NID_X25519);
}

static void expect_handshake_failure(struct fixture *f)
{
	uint64_t before = metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES];

	assert_int_equal(shake_hands(f), 0);
	assert_int_equal(f->end_err, -EPROTO);
	assert_int_equal(f->opens, 0);
	assert_int_equal(metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES], before + 1);
	assert_int_equal(ERR_peek_error(), 0);
}

static void test_a_client_that_offers_only_other_protocols_is_refused(void **state)
{
	struct fixture *f = *state;

	open_connection(f);
	SSL_set_alpn_protos(f->client, (const unsigned char *)"\x02h2", 3);
	expect_handshake_failure(f);
}

static void test_an_old_version_is_refused_and_the_reason_told(void **state)
{
	struct fixture *f = *state;
	struct tls_info info;

	SSL_CTX_set_security_level(f->client_ctx, 0);
	SSL_CTX_set_min_proto_version(f->client_ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_1_VERSION);
	open_connection(f);
	expect_handshake_failure(f);
	tls_info(&f->stream, &info);
	assert_string_equal(info.failure, "unsupported protocol");
}

static void test_plain_text_to_a_tls_port_is_refused(void **state)
{
	struct fixture *f = *state;
	struct tls_info info;

	open_connection(f);
	assert_int_equal(send(f->client_fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -EPROTO);
	tls_info(&f->stream, &info);
	assert_string_equal(info.failure, "http request");
}

static void test_an_endless_handshake_is_cut(void **state)
{
	struct fixture *f = *state;
	/* handshake records of a ClientHello that says it has 131,000 bytes, then some */
	unsigned char record[5 + 16384] = { 22, 3, 1, 0x40, 0 };
	size_t sent = 0;

	open_connection(f);
	record[5] = 1;
	record[6] = 1;
	while (!f->ends) {
		ssize_t n = send(f->client_fd, record, sizeof(record), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 8U << 20);
		loop_turn(f->loop, 1);
		if (sent)
			memset(record + 5, 0, 16);
	}
	assert_int_equal(f->end_err, -EPROTO);
}

static void test_a_peer_that_only_connects_counts_as_no_failure(void **state)
{
	struct fixture *f = *state;
	uint64_t before = metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES];

	open_connection(f);
	shutdown(f->client_fd, SHUT_WR);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -ECONNABORTED);
	assert_int_equal(metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES], before);
}

static void test_an_end_without_close_notify_is_abnormal(void **state)
{
	struct fixture *f = *state;

	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	echo_once(f, "part of something");
	shutdown(f->client_fd, SHUT_WR);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -ECONNABORTED);
}

static void test_a_half_closed_client_gets_its_answer(void **state)
{
	struct fixture *f = *state;
	char back[16];

	f->echo = false;
	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	SSL_write(f->client, "request", 7);
	SSL_shutdown(f->client);
	shutdown(f->client_fd, SHUT_WR);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, 0);
	assert_int_equal(f->received, 7);
	assert_int_equal(stream_write(&f->stream, "answer", 6), 0);
	assert_int_equal(client_read(f, back, sizeof(back)), 6);
}

static void test_a_damaged_record_fails_that_connection_only(void **state)
{
	struct fixture *f = *state;
	unsigned char junk[] = { 23, 3, 3, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4,
				 5,  6, 7, 8, 9,  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2 };

	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	echo_once(f, "fine");
	assert_int_equal(send(f->client_fd, junk, sizeof(junk), 0), sizeof(junk));
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -EPROTO);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	assert_int_equal(ERR_peek_error(), 0);
	hang_up(f);
	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	echo_once(f, "fine again");
}

/* The client's wire bytes, one by one: our side sees every possible split. */
static void move_bytes(BIO *from_client, BIO *to_client, int fd)
{
	char c, bytes[4096];
	ssize_t n;

	if (BIO_read(from_client, &c, 1) == 1)
		assert_int_equal(send(fd, &c, 1, MSG_NOSIGNAL), 1);
	n = recv(fd, bytes, sizeof(bytes), 0);
	if (n > 0)
		BIO_write(to_client, bytes, (int)n);
}

static void test_a_client_that_sends_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	BIO *in, *out;
	char back[16];
	int step = 0;

	open_connection(f);
	in = BIO_new(BIO_s_mem());
	out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(f->client, in, out);
	for (int i = 0; i < TURNS_MAX && step < 2; i++) {
		if (step == 0 && SSL_connect(f->client) == 1) {
			SSL_write(f->client, "drop by drop", 12);
			step = 1;
		}
		if (step == 1 && SSL_read(f->client, back, sizeof(back)) == 12)
			step = 2;
		ERR_clear_error();
		move_bytes(out, in, f->client_fd);
		loop_turn(f->loop, 0);
	}
	assert_int_equal(step, 2);
	assert_memory_equal(back, "drop by drop", 12);
	assert_int_equal(f->received, 12);
}

static void test_megabytes_both_ways_through_small_buffers(void **state)
{
	struct fixture *f = *state;
	const size_t total = 3U << 20;
	unsigned char chunk[10000], back[10000];
	size_t sent = 0, got = 0;
	uint32_t out_value = 1, in_value = 1;
	size_t pending = 0;

	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	SSL_set_mode(f->client, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (got < total) {
		size_t n = 0;

		for (; sent + pending < total && pending < sizeof(chunk); pending++) {
			out_value = out_value * 1664525U + 1013904223U;
			chunk[pending] = (unsigned char)(out_value >> 24);
		}
		/* no more than the stream can hold on its way back: it must not refuse */
		if (pending && sent - got < BUF_MAX - 20000 &&
		    SSL_write_ex(f->client, chunk, pending, &n) == 1) {
			memmove(chunk, chunk + n, pending - n);
			pending -= n;
			sent += n;
		}
		loop_turn(f->loop, 0);
		if (SSL_read_ex(f->client, back, sizeof(back), &n) == 1) {
			for (size_t i = 0; i < n; i++) {
				in_value = in_value * 1664525U + 1013904223U;
				assert_int_equal(back[i], (unsigned char)(in_value >> 24));
			}
			got += n;
		}
	}
	assert_int_equal(f->stream.bytes_in, total);
	assert_int_equal(f->stream.bytes_out, total);
}

static void test_a_client_that_does_not_read_is_waited_for(void **state)
{
	struct fixture *f = *state;
	char chunk[8000], back[16384];
	size_t written = 0, got = 0, n;

	memset(chunk, 'c', sizeof(chunk));
	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	for (int idle = 0; idle < 20;) { /* until the socket, our wire buffer and `out` are full */
		if (stream_write(&f->stream, chunk, sizeof(chunk)) == 0) {
			written += sizeof(chunk);
			idle = 0;
		} else {
			idle++;
		}
		loop_turn(f->loop, 0);
	}
	assert_true(f->stream.write_blocked);
	while (got < written) {
		n = client_read(f, back, sizeof(back));
		assert_true(n > 0);
		got += n;
	}
	assert_int_equal(got, written);
	assert_null(f->stream.out.data);
}

static void test_a_full_buffer_holds_what_is_behind_it(void **state)
{
	struct fixture *f = *state;
	static char bytes[100000];
	size_t sent = 0, n;

	f->hold = true;
	f->echo = false;
	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	SSL_set_mode(f->client, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (sent < sizeof(bytes)) {
		if (SSL_write_ex(f->client, bytes, sizeof(bytes) - sent, &n) == 1)
			sent += n;
		loop_turn(f->loop, 0);
	}
	SSL_shutdown(f->client);
	TURN_UNTIL(f, buf_len(&f->stream.in) == BUF_MAX);
	/* from here no event comes: resuming alone brings the rest, byte for byte */
	f->hold = false;
	f->received = buf_len(&f->stream.in);
	buf_consume(&f->stream.in, f->received);
	stream_resume(&f->stream);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->received, sizeof(bytes));
	assert_int_equal(f->end_err, 0);
}

static void test_key_updates_are_answered(void **state)
{
	struct fixture *f = *state;

	open_connection(f);
	assert_int_equal(shake_hands(f), 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(SSL_key_update(f->client, SSL_KEY_UPDATE_REQUESTED), 1);
		echo_once(f, "under a new key");
	}
}

/* --- resumption --- */

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept_session);
	kept_session = session;
	return 1;
}

static bool resumes(struct fixture *f, SSL_SESSION *session)
{
	struct tls_info info;

	open_connection(f);
	if (session) { /* OpenSSL's client marks a session that it has used */
		SSL_SESSION *copy = SSL_SESSION_dup(session);

		SSL_set_session(f->client, copy);
		SSL_SESSION_free(copy);
	}
	assert_int_equal(shake_hands(f), 1);
	echo_once(f, "hello");
	tls_info(&f->stream, &info);
	assert_int_equal(info.resumed, SSL_session_reused(f->client));
	SSL_shutdown(f->client);
	hang_up(f);
	return info.resumed;
}

static void check_resumption(struct fixture *f, int version)
{
	uint64_t before = metric_page->counter[METRIC_TLS_RESUMED];
	struct tls_tickets tickets;
	SSL_SESSION *session;

	SSL_CTX_set_min_proto_version(f->client_ctx, version);
	SSL_CTX_set_max_proto_version(f->client_ctx, version);
	SSL_CTX_set_session_cache_mode(f->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(f->client_ctx, keep_session);
	make_tickets(&tickets, 2, 'k');
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
	make_tickets(&tickets, 2, 'j');
	tls_context_set_tickets(f->ctx, &tickets);
	assert_true(resumes(f, session));
	/* rotated out: a full handshake, no error */
	make_tickets(&tickets, 3, 'x');
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
	struct fixture *f = *state;
	struct tls_pair pair = pair_of("ecdsa", ecdsa.cert, ecdsa.key);
	struct errmsg err;

	tls_context_unref(f->ctx);
	assert_int_equal(tls_context_new(&pair, 1, NULL, &f->ctx, &err), 0);
	SSL_CTX_set_session_cache_mode(f->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(f->client_ctx, keep_session);
	assert_false(resumes(f, NULL));
	assert_null(kept_session);
}

/* --- a context outlives its replacement as long as connections need it --- */

static void test_a_connection_keeps_the_context_it_began_with(void **state)
{
	struct fixture *f = *state;
	struct tls_context *old = f->ctx;
	struct tls_pair pair = pair_of("other", other.cert, other.key);
	struct errmsg err;

	open_connection(f);
	assert_int_equal(tls_context_new(&pair, 1, NULL, &f->ctx, &err), 0);
	tls_context_unref(old); /* before the handshake: only the stream holds it */
	assert_int_equal(shake_hands(f), 1);
	echo_once(f, "still here");
	hang_up(f);
	expect_names(f, NULL, "O");
}

/* Many at once share the one BIO: their bytes must not meet. */
static void test_connections_that_alternate_do_not_mix(void **state)
{
	enum { COUNT = 8 };
	struct fixture *f = *state, *each[COUNT];
	bool done[COUNT] = { false };
	char text[16];
	int left = COUNT;

	for (int i = 0; i < COUNT; i++) {
		each[i] = calloc(1, sizeof(**each));
		*each[i] = (struct fixture) {
			.loop = f->loop, .ctx = f->ctx, .client_ctx = f->client_ctx, .echo = true
		};
		open_connection(each[i]);
	}
	for (int turn = 0; left && turn < TURNS_MAX; turn++) { /* handshakes, interleaved */
		for (int i = 0; i < COUNT; i++) {
			if (!done[i] && SSL_connect(each[i]->client) == 1) {
				done[i] = true;
				left--;
			}
			loop_turn(f->loop, 0);
		}
	}
	assert_int_equal(left, 0);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < COUNT; i++) {
			int n = snprintf(text, sizeof(text), "%d says %d", i, round);

			assert_int_equal(SSL_write(each[i]->client, text, n), n);
		}
		for (int i = 0; i < COUNT; i++) {
			int n = snprintf(text, sizeof(text), "%d says %d", i, round);
			char back[16];

			assert_int_equal(client_read(each[i], back, sizeof(back)), n);
			assert_memory_equal(back, text, n);
		}
	}
	for (int i = 0; i < COUNT; i++) {
		hang_up(each[i]);
		free(each[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bad_pair_is_refused_with_its_name_and_reason),
		cmocka_unit_test(test_a_weak_key_is_refused),
		cmocka_unit_test(test_a_chain_behind_the_leaf_is_taken_and_the_first_expiry_told),
#define TLS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TLS_TEST(test_the_name_that_is_asked_for_chooses_the_certificate),
		TLS_TEST(test_both_versions_carry_bytes_and_end_in_order),
		TLS_TEST(test_the_server_prefers_x25519),
		TLS_TEST(test_a_client_that_offers_only_other_protocols_is_refused),
		TLS_TEST(test_an_old_version_is_refused_and_the_reason_told),
		TLS_TEST(test_plain_text_to_a_tls_port_is_refused),
		TLS_TEST(test_an_endless_handshake_is_cut),
		TLS_TEST(test_a_peer_that_only_connects_counts_as_no_failure),
		TLS_TEST(test_an_end_without_close_notify_is_abnormal),
		TLS_TEST(test_a_half_closed_client_gets_its_answer),
		TLS_TEST(test_a_damaged_record_fails_that_connection_only),
		TLS_TEST(test_a_client_that_sends_byte_by_byte),
		TLS_TEST(test_megabytes_both_ways_through_small_buffers),
		TLS_TEST(test_a_client_that_does_not_read_is_waited_for),
		TLS_TEST(test_a_full_buffer_holds_what_is_behind_it),
		TLS_TEST(test_key_updates_are_answered),
		TLS_TEST(test_tickets_resume_as_long_as_their_key_is_kept),
		TLS_TEST(test_without_ticket_keys_nothing_is_resumed),
		TLS_TEST(test_a_connection_keeps_the_context_it_began_with),
		TLS_TEST(test_connections_that_alternate_do_not_mix),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
