/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/metric.h"
#include "tls_peer.h"
#include "tls_pems.h"

static void test_the_name_that_is_asked_for_chooses_the_certificate(void **state)
{
	struct tls_peer *f = *state;

	tls_peer_expect(f, NULL, "A ec");
	tls_peer_expect(f, "unknown.example", "A ec");
	tls_peer_expect(f, "a.example", "A ec");
	tls_peer_expect(f, "OTHER.Example", "O");
	tls_peer_expect(f, "x.wild.example", "W");
	tls_peer_expect(f, "wild.example", "A ec");	/* not the wildcard's */
	tls_peer_expect(f, "x.y.wild.example", "A ec"); /* one label only */
	tls_peer_expect(f, "cn.example", "cn.example"); /* no alternative name: the common one */
	SSL_CTX_set1_sigalgs_list(f->client_ctx, "rsa_pss_rsae_sha256");
	tls_peer_expect(f, "www.a.example",
			"A rsa"); /* same names: the client's algorithms choose */
}

static void echo_over(struct tls_peer *f, int version, const char *name)
{
	uint64_t before = metric_page->counter[METRIC_TLS_HANDSHAKES];
	struct tls_info info;

	SSL_CTX_set_min_proto_version(f->client_ctx, version);
	SSL_CTX_set_max_proto_version(f->client_ctx, version);
	tls_peer_open(f);
	SSL_set_tlsext_host_name(f->client, "a.example");
	SSL_set_alpn_protos(f->client, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	assert_int_equal(tls_peer_connect(f), 1);
	tls_peer_echo(f, "hello");
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
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, 0);
	stream_close_after_flush(&f->stream);
	assert_int_equal(tls_peer_read(f, &info, 1), 0);
	assert_int_equal(SSL_get_shutdown(f->client) & SSL_RECEIVED_SHUTDOWN,
			 SSL_RECEIVED_SHUTDOWN);
	tls_peer_close(f);
}

static void test_both_versions_carry_bytes_and_end_in_order(void **state)
{
	echo_over(*state, TLS1_3_VERSION, "TLSv1.3");
	echo_over(*state, TLS1_2_VERSION, "TLSv1.2");
}

static void test_the_server_prefers_x25519(void **state)
{
	struct tls_peer *f = *state;

	/* the client likes P-384 best, the server decides (in TLS 1.3 that would cost a retry) */
	SSL_CTX_set1_groups_list(f->client_ctx, "P-384:X25519");
	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	assert_int_equal(SSL_get_negotiated_group(f->client), NID_X25519);
}

static void expect_handshake_failure(struct tls_peer *f)
{
	uint64_t before = metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES];

	assert_int_equal(tls_peer_connect(f), 0);
	assert_int_equal(f->end_err, -EPROTO);
	assert_int_equal(f->opens, 0);
	assert_int_equal(metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES], before + 1);
	assert_int_equal(ERR_peek_error(), 0);
}

static void test_a_client_that_offers_only_other_protocols_is_refused(void **state)
{
	struct tls_peer *f = *state;

	tls_peer_open(f);
	SSL_set_alpn_protos(f->client, (const unsigned char *)"\x02h2", 3);
	expect_handshake_failure(f);
}

static void test_an_old_version_is_refused_and_the_reason_told(void **state)
{
	struct tls_peer *f = *state;
	struct tls_info info;

	SSL_CTX_set_security_level(f->client_ctx, 0);
	SSL_CTX_set_min_proto_version(f->client_ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_1_VERSION);
	tls_peer_open(f);
	expect_handshake_failure(f);
	tls_info(&f->stream, &info);
	assert_string_equal(info.failure, "unsupported protocol");
}

static void test_plain_text_to_a_tls_port_is_refused(void **state)
{
	struct tls_peer *f = *state;
	struct tls_info info;

	tls_peer_open(f);
	assert_int_equal(send(f->client_fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -EPROTO);
	tls_info(&f->stream, &info);
	assert_string_equal(info.failure, "http request");
}

static void test_an_endless_handshake_is_cut(void **state)
{
	struct tls_peer *f = *state;
	/* handshake records of a ClientHello that says it has 131,000 bytes, then some */
	unsigned char record[5 + 16384] = { 22, 3, 1, 0x40, 0 };
	size_t sent = 0;

	tls_peer_open(f);
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
	struct tls_peer *f = *state;
	uint64_t before = metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES];

	tls_peer_open(f);
	shutdown(f->client_fd, SHUT_WR);
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -ECONNABORTED);
	assert_int_equal(metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES], before);
}

static void test_an_end_without_close_notify_is_abnormal(void **state)
{
	struct tls_peer *f = *state;

	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	tls_peer_echo(f, "part of something");
	shutdown(f->client_fd, SHUT_WR);
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -ECONNABORTED);
}

static void test_a_half_closed_client_gets_its_answer(void **state)
{
	struct tls_peer *f = *state;
	char back[16];

	f->echo = false;
	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	SSL_write(f->client, "request", 7);
	SSL_shutdown(f->client);
	shutdown(f->client_fd, SHUT_WR);
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, 0);
	assert_int_equal(f->received, 7);
	assert_int_equal(stream_write(&f->stream, "answer", 6), 0);
	assert_int_equal(tls_peer_read(f, back, sizeof(back)), 6);
}

static void test_a_damaged_record_fails_that_connection_only(void **state)
{
	struct tls_peer *f = *state;
	unsigned char junk[] = { 23, 3, 3, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4,
				 5,  6, 7, 8, 9,  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2 };

	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	tls_peer_echo(f, "fine");
	assert_int_equal(send(f->client_fd, junk, sizeof(junk), 0), sizeof(junk));
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err, -EPROTO);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	assert_int_equal(ERR_peek_error(), 0);
	tls_peer_close(f);
	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	tls_peer_echo(f, "fine again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TLS_PEER_TEST(test_the_name_that_is_asked_for_chooses_the_certificate),
		TLS_PEER_TEST(test_both_versions_carry_bytes_and_end_in_order),
		TLS_PEER_TEST(test_the_server_prefers_x25519),
		TLS_PEER_TEST(test_a_client_that_offers_only_other_protocols_is_refused),
		TLS_PEER_TEST(test_an_old_version_is_refused_and_the_reason_told),
		TLS_PEER_TEST(test_plain_text_to_a_tls_port_is_refused),
		TLS_PEER_TEST(test_an_endless_handshake_is_cut),
		TLS_PEER_TEST(test_a_peer_that_only_connects_counts_as_no_failure),
		TLS_PEER_TEST(test_an_end_without_close_notify_is_abnormal),
		TLS_PEER_TEST(test_a_half_closed_client_gets_its_answer),
		TLS_PEER_TEST(test_a_damaged_record_fails_that_connection_only),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
