/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "net/sock.h"
#include "stream_peer.h"

static void test_a_peer_that_sends_byte_by_byte(void **state)
{
	struct stream_peer *f = *state;
	unsigned char next = 0;

	STREAM_PEER_UNTIL(f, f->opens);
	for (size_t i = 0; i < 500; i++) {
		stream_peer_send(f, 1, &next);
		STREAM_PEER_UNTIL(f, f->got_bytes == i + 1);
	}
	assert_int_equal(f->opens, 1);
	assert_int_equal(f->readables, 500);
	assert_int_equal(f->stream.bytes_in, 500);
	assert_null(f->stream.in.data); /* idle: no memory */
}

static void test_a_full_buffer_stops_reading_until_resumed(void **state)
{
	struct stream_peer *f = *state;
	unsigned char bytes[1024], next = 0;
	size_t sent = 0, seen;

	f->consume = false;
	for (;;) { /* until TCP's window is closed as well */
		ssize_t n;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)(next + i);
		n = send(f->peer, bytes, sizeof(bytes), MSG_NOSIGNAL);
		if (n < 0)
			break;
		sent += (size_t)n;
		next = (unsigned char)(next + n);
		loop_turn(f->loop, 0);
	}
	stream_peer_settle(f);
	assert_int_equal(buf_len(&f->stream.in), STREAM_PEER_IN_MAX);
	assert_true(sent > STREAM_PEER_IN_MAX);
	seen = f->readables;
	stream_resume(&f->stream); /* nothing was taken: nothing happens */
	stream_peer_settle(f);
	assert_int_equal(f->readables, seen);
	f->consume = true;
	while (buf_len(&f->stream.in)) {
		assert_int_equal((unsigned char)*buf_head(&f->stream.in), f->next_in++);
		buf_consume(&f->stream.in, 1);
		f->got_bytes++;
	}
	f->in_call = true;
	stream_resume(&f->stream);
	f->in_call = false;
	STREAM_PEER_UNTIL(f, f->got_bytes == sent);
}

static void test_a_slow_reader_fills_the_buffer_and_is_waited_for(void **state)
{
	struct stream_peer *f = *state;
	unsigned char bytes[1000], next = 0, expected = 0;
	size_t written = 0, received = 0;
	int err = 0;

	STREAM_PEER_UNTIL(f, f->opens);
	for (int i = 0; i < 100000; i++) {
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (unsigned char)(next + k);
		f->in_call = true;
		err = stream_write(&f->stream, bytes, sizeof(bytes));
		f->in_call = false;
		if (err) {
			loop_turn(f->loop, 0);
			if (f->stream.write_blocked && buf_room(&f->stream.out) < sizeof(bytes))
				break;
			continue;
		}
		written += sizeof(bytes);
		next = (unsigned char)(next + sizeof(bytes));
	}
	assert_int_equal(err, -ENOSPC);
	stream_peer_settle(f);
	f->writables = 0; /* those from before the socket was full */
	assert_true(f->stream.write_full);
	assert_int_equal(stream_write(&f->stream, bytes, STREAM_PEER_OUT_MAX + 1), -ENOSPC);
	while (received < written) {
		received += stream_peer_drain(f, &expected);
		assert_int_equal(loop_turn(f->loop, 0), 0);
	}
	assert_int_equal(f->writables, 1);
	assert_int_equal(f->stream.bytes_out, written);
	assert_null(f->stream.out.data);
}

static void test_writes_of_a_turn_leave_together_unless_flushed(void **state)
{
	struct stream_peer *f = *state;
	char bytes[64];

	STREAM_PEER_UNTIL(f, f->opens);
	stream_write(&f->stream, "one ", 4);
	stream_write(&f->stream, "two", 3);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), -1);
	loop_turn(f->loop, 0);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 7);
	stream_write(&f->stream, "now", 3);
	stream_flush(&f->stream);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 3);
}

/* n bytes that count up from *next, of 64 KiB at most. */
static const unsigned char *counting(unsigned char *next, size_t n)
{
	static unsigned char bytes[64U << 10];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (*next)++;
	return bytes;
}

static void test_a_large_piece_leaves_at_once_behind_what_is_queued(void **state)
{
	struct stream_peer *f = *state;
	unsigned char next = 0, expected = 0;
	size_t got;

	STREAM_PEER_UNTIL(f, f->opens);
	f->stream.out.max_bytes = 64U << 10;
	stream_write(&f->stream, counting(&next, 300), 300);
	assert_int_equal(stream_write_through(&f->stream, counting(&next, 40U << 10), 40U << 10),
			 0);
	got = stream_peer_drain(f, &expected);
	assert_true(got > 300); /* without a turn */
	STREAM_PEER_UNTIL(f, (got += stream_peer_drain(f, &expected)) == (40U << 10) + 300);
	assert_null(f->stream.out.data);
	assert_int_equal(f->stream.bytes_out, (40U << 10) + 300);
	/* a small one waits for others */
	assert_int_equal(stream_write_through(&f->stream, counting(&next, 300), 300), 0);
	assert_int_equal(stream_peer_drain(f, &expected), 0);
	STREAM_PEER_UNTIL(f, stream_peer_drain(f, &expected) == 300);
	assert_int_equal(stream_write_through(&f->stream, &next, (64U << 10) + 1), -ENOSPC);
}

static void test_large_pieces_stay_in_order_for_a_slow_reader(void **state)
{
	struct stream_peer *f = *state;
	unsigned char next = 0, expected = 0;
	size_t written = 0, received = 0;

	STREAM_PEER_UNTIL(f, f->opens);
	f->stream.out.max_bytes = 64U << 10;
	for (int i = 0; i < 2000; i++) {
		size_t n = (16U << 10) + (size_t)i * 7 % 16384;

		if (n > buf_room(&f->stream.out)) { /* the socket is full: now it is read */
			size_t got = stream_peer_drain(f, &expected);

			received += got;
			loop_turn(f->loop, 0);
			continue;
		}
		if (i % 3 == 0 && buf_room(&f->stream.out) > n + 100) {
			assert_int_equal(stream_write(&f->stream, counting(&next, 100), 100), 0);
			written += 100;
		}
		assert_int_equal(stream_write_through(&f->stream, counting(&next, n), n), 0);
		written += n;
	}
	while (received < written) {
		received += stream_peer_drain(f, &expected);
		assert_int_equal(loop_turn(f->loop, 0), 0);
	}
	assert_int_equal(f->stream.bytes_out, written);
	assert_null(f->stream.out.data);
}

static void test_what_is_written_before_opening_is_sent_after_it(void **state)
{
	struct stream_peer *f = *state;
	char bytes[64];

	assert_int_equal(stream_write(&f->stream, "early", 5), 0);
	STREAM_PEER_UNTIL(f, f->opens);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 5);
}

static void test_a_fast_peer_does_not_keep_the_loop(void **state)
{
	struct stream_peer *f = *state;
	const size_t total = 600U << 10;
	char *bytes = calloc(1, total);
	size_t most = 0, before;
	int room;

	/* more than a turn's budget waits in the socket at once */
	stream_peer_open_unix(f, 1U << 20);
	f->consume = false;
	room = (int)send(f->peer, bytes, total, MSG_NOSIGNAL);
	assert_true(room > 300 << 10);
	while (f->stream.bytes_in < (uint64_t)room) {
		before = f->stream.bytes_in;
		loop_turn(f->loop, 0);
		if (f->stream.bytes_in - before > most)
			most = f->stream.bytes_in - before;
	}
	assert_true(most < (size_t)room);
	assert_true(most <= 3 * (128U << 10)); /* one event and two rounds of deferreds */
	free(bytes);
}

static void test_an_echo_of_many_sizes_comes_back_whole(void **state)
{
	struct stream_peer *f = *state;
	unsigned char bytes[2000], next = 0, expected = 0;

	f->echo = true;
	for (size_t size = 1; size <= sizeof(bytes); size += 37) {
		size_t received = 0, sent = 0;

		for (size_t i = 0; i < size; i++)
			bytes[i] = next++;
		while (received < size) {
			ssize_t n = send(f->peer, bytes + sent, size - sent, MSG_NOSIGNAL);

			sent += n > 0 ? (size_t)n : 0;
			loop_turn(f->loop, 1);
			received += stream_peer_drain(f, &expected);
		}
	}
	assert_int_equal(f->ends, 0);
}

static void test_connecting_opens_or_fails(void **state)
{
	struct stream_peer *f = *state;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr loopback;
	uint16_t port;
	int listening, fd;

	addr_parse("127.0.0.1", &loopback);
	listening = sock_listen(&loopback, 0, 1);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr((struct sockaddr *)&ss, &loopback, &port);
	stream_close(&f->stream);
	fd = sock_connect(&loopback, port);
	assert_int_equal(stream_open(&f->stream, f->loop, fd, &stream_peer_events,
				     STREAM_PEER_IN_MAX, STREAM_PEER_OUT_MAX, true),
			 0);
	STREAM_PEER_UNTIL(f, f->opens);
	assert_int_equal(f->ends, 0);
	stream_close(&f->stream);
	close(listening);
	fd = sock_connect(&loopback, port);
	if (fd < 0) /* refused at once: nothing to open */
		return;
	assert_int_equal(stream_open(&f->stream, f->loop, fd, &stream_peer_events,
				     STREAM_PEER_IN_MAX, STREAM_PEER_OUT_MAX, true),
			 0);
	STREAM_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], -ECONNREFUSED);
	assert_int_equal(f->opens, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_PEER_TEST(test_a_peer_that_sends_byte_by_byte),
		STREAM_PEER_TEST(test_a_full_buffer_stops_reading_until_resumed),
		STREAM_PEER_TEST(test_a_slow_reader_fills_the_buffer_and_is_waited_for),
		STREAM_PEER_TEST(test_writes_of_a_turn_leave_together_unless_flushed),
		STREAM_PEER_TEST(test_a_large_piece_leaves_at_once_behind_what_is_queued),
		STREAM_PEER_TEST(test_large_pieces_stay_in_order_for_a_slow_reader),
		STREAM_PEER_TEST(test_what_is_written_before_opening_is_sent_after_it),
		STREAM_PEER_TEST(test_a_fast_peer_does_not_keep_the_loop),
		STREAM_PEER_TEST(test_an_echo_of_many_sizes_comes_back_whole),
		STREAM_PEER_TEST(test_connecting_opens_or_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
