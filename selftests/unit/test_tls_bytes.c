/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls_peer.h"
#include "tls_pems.h"

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
	struct tls_peer *f = *state;
	BIO *in, *out;
	char back[16];
	int step = 0;

	tls_peer_open(f);
	in = BIO_new(BIO_s_mem());
	out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(f->client, in, out);
	for (int i = 0; i < TLS_PEER_TURNS_MAX && step < 2; i++) {
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
	struct tls_peer *f = *state;
	const size_t total = 3U << 20;
	unsigned char chunk[10000], back[10000];
	size_t sent = 0, got = 0;
	uint32_t out_value = 1, in_value = 1;
	size_t pending = 0;

	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	SSL_set_mode(f->client, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (got < total) {
		size_t n = 0;

		for (; sent + pending < total && pending < sizeof(chunk); pending++) {
			out_value = out_value * 1664525U + 1013904223U;
			chunk[pending] = (unsigned char)(out_value >> 24);
		}
		/* no more than the stream can hold on its way back: it must not refuse */
		if (pending && sent - got < TLS_PEER_BUF_MAX - 20000 &&
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
	struct tls_peer *f = *state;
	char chunk[8000], back[16384];
	size_t written = 0, got = 0, n;

	memset(chunk, 'c', sizeof(chunk));
	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
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
		n = tls_peer_read(f, back, sizeof(back));
		assert_true(n > 0);
		got += n;
	}
	assert_int_equal(got, written);
	assert_null(f->stream.out.data);
}

static void test_a_full_buffer_holds_what_is_behind_it(void **state)
{
	struct tls_peer *f = *state;
	static char bytes[100000];
	size_t sent = 0, n;

	f->hold = true;
	f->echo = false;
	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	SSL_set_mode(f->client, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (sent < sizeof(bytes)) {
		if (SSL_write_ex(f->client, bytes, sizeof(bytes) - sent, &n) == 1)
			sent += n;
		loop_turn(f->loop, 0);
	}
	SSL_shutdown(f->client);
	TLS_PEER_UNTIL(f, buf_len(&f->stream.in) == TLS_PEER_BUF_MAX);
	/* from here no event comes: resuming alone brings the rest, byte for byte */
	f->hold = false;
	f->received = buf_len(&f->stream.in);
	buf_consume(&f->stream.in, f->received);
	stream_resume(&f->stream);
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->received, sizeof(bytes));
	assert_int_equal(f->end_err, 0);
}

static void test_many_small_records_pass_through_little_room(void **state)
{
	struct tls_peer *f = *state;
	static char bytes[TLS_PEER_BUF_MAX];
	size_t sent = 0, n;

	f->hold = true;
	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	SSL_set_mode(f->client, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (sent < sizeof(bytes)) {
		if (SSL_write_ex(f->client, bytes, sizeof(bytes) - sent, &n) == 1)
			sent += n;
		loop_turn(f->loop, 0);
	}
	TLS_PEER_UNTIL(f, buf_len(&f->stream.in) == TLS_PEER_BUF_MAX);
	for (int i = 1; i <= 250; i++) {
		char c = (char)i;

		assert_int_equal(SSL_write(f->client, &c, 1), 1);
	}
	loop_turn(f->loop, 0);
	/* room for one byte at a time: the rest of what was received waits below */
	for (int i = 1; i <= 250; i++) {
		buf_consume(&f->stream.in, 1);
		stream_resume(&f->stream);
		TLS_PEER_UNTIL(f, buf_len(&f->stream.in) == TLS_PEER_BUF_MAX);
		assert_int_equal(f->stream.in.data[f->stream.in.end - 1], (char)i);
	}
}

static void test_more_than_the_wire_buffer_holds_goes_out_whole(void **state)
{
	struct tls_peer *f = *state;
	const size_t total = 300000;
	char *bytes = malloc(total), back[16384];
	size_t got = 0;

	for (size_t i = 0; i < total; i++)
		bytes[i] = (char)(i * 31 / 7);
	f->out_max = total;
	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	assert_int_equal(stream_write(&f->stream, bytes, total), 0);
	while (got < total) {
		size_t n = tls_peer_read(f, back, sizeof(back));

		assert_true(n > 0);
		assert_memory_equal(back, bytes + got, n);
		got += n;
	}
	free(bytes);
}

static void test_key_updates_are_answered(void **state)
{
	struct tls_peer *f = *state;

	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(SSL_key_update(f->client, SSL_KEY_UPDATE_REQUESTED), 1);
		tls_peer_echo(f, "under a new key");
	}
}

/* Half a megabyte in the socket without a byte for the owner: it is worked off in turns. */
static void test_records_without_data_do_not_keep_the_loop(void **state)
{
	struct tls_peer *f = *state;
	int room = 4 << 20, sent = 0;

	tls_peer_open(f);
	assert_int_equal(tls_peer_connect(f), 1);
	setsockopt(f->client_fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(f->client_fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	while (sent < 20000) {
		assert_int_equal(SSL_key_update(f->client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		while (SSL_do_handshake(f->client) != 1)
			assert_int_equal(loop_turn(f->loop, 0), 0);
		sent++;
	}
	tls_peer_echo(f, "and then some");
	assert_int_equal(f->ends, 0);
}

/* Many at once share the one BIO: their bytes must not meet. */
static void test_connections_that_alternate_do_not_mix(void **state)
{
	enum { COUNT = 8 };
	struct tls_peer *f = *state, *each[COUNT];
	bool done[COUNT] = { false };
	char text[16];
	int left = COUNT;

	for (int i = 0; i < COUNT; i++) {
		each[i] = calloc(1, sizeof(**each));
		*each[i] = (struct tls_peer) {
			.loop = f->loop, .ctx = f->ctx, .client_ctx = f->client_ctx, .echo = true
		};
		tls_peer_open(each[i]);
	}
	for (int turn = 0; left && turn < TLS_PEER_TURNS_MAX;
	     turn++) { /* handshakes, interleaved */
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

			assert_int_equal(tls_peer_read(each[i], back, sizeof(back)), n);
			assert_memory_equal(back, text, n);
		}
	}
	for (int i = 0; i < COUNT; i++) {
		tls_peer_close(each[i]);
		free(each[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TLS_PEER_TEST(test_a_client_that_sends_byte_by_byte),
		TLS_PEER_TEST(test_megabytes_both_ways_through_small_buffers),
		TLS_PEER_TEST(test_a_client_that_does_not_read_is_waited_for),
		TLS_PEER_TEST(test_a_full_buffer_holds_what_is_behind_it),
		TLS_PEER_TEST(test_many_small_records_pass_through_little_room),
		TLS_PEER_TEST(test_more_than_the_wire_buffer_holds_goes_out_whole),
		TLS_PEER_TEST(test_key_updates_are_answered),
		TLS_PEER_TEST(test_records_without_data_do_not_keep_the_loop),
		TLS_PEER_TEST(test_connections_that_alternate_do_not_mix),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
