/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "event/loop.h"
#include "net/sock.h"
#include "net/stream.h"

#define IN_MAX	  4096U
#define OUT_MAX	  8192U
#define WAIT_MS	  5000
#define TURNS_MAX 2000000

/* A stream under test over real TCP on loopback, and its peer as a plain descriptor. */
struct fixture {
	struct loop *loop;
	struct stream stream;
	int peer;
	unsigned int opens, readables, writables, ends, closes;
	int end_err[2];
	size_t got_bytes;
	bool consume, echo, in_call, close_on_readable, close_after_on_readable;
	const char *answer;
	unsigned char next_in; /* the bytes must count up */
	struct timer guard;
};

static struct fixture *owner(struct stream *s)
{
	return container_of(s, struct fixture, stream);
}

static void on_open(struct stream *s)
{
	assert_false(owner(s)->in_call);
	owner(s)->opens++;
}

static void on_readable(struct stream *s)
{
	struct fixture *f = owner(s);

	assert_false(f->in_call);
	assert_true(buf_len(&s->in) > 0);
	f->readables++;
	if (f->close_on_readable) {
		stream_close(s);
		return;
	}
	if (f->close_after_on_readable) {
		assert_int_equal(stream_write(s, f->answer, strlen(f->answer)), 0);
		stream_close_after_flush(s);
		return;
	}
	if (f->echo)
		assert_int_equal(stream_write(s, buf_head(&s->in), buf_len(&s->in)), 0);
	while (f->consume && buf_len(&s->in)) {
		assert_int_equal((unsigned char)*buf_head(&s->in), f->next_in++);
		buf_consume(&s->in, 1);
		f->got_bytes++;
	}
}

static void on_writable(struct stream *s)
{
	assert_false(owner(s)->in_call);
	assert_true(buf_len(&s->out) <= OUT_MAX / 4);
	owner(s)->writables++;
}

static void on_end(struct stream *s, int err)
{
	struct fixture *f = owner(s);

	assert_false(f->in_call);
	assert_true(f->ends < 2);
	f->end_err[f->ends++] = err;
}

static void on_closed(struct stream *s)
{
	assert_false(owner(s)->in_call);
	assert_int_equal(s->watch.fd, -1);
	owner(s)->closes++;
}

static const struct stream_events events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_writable = on_writable,
	.on_end = on_end,
	.on_closed = on_closed,
};

static void open_pair(int ret[2])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr loopback, peer;
	uint16_t port;
	int listening;

	addr_parse("127.0.0.1", &loopback);
	listening = sock_listen(&loopback, 0, 1);
	assert_true(listening >= 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr((struct sockaddr *)&ss, &loopback, &port);
	ret[1] = sock_connect(&loopback, port);
	while ((ret[0] = sock_accept(listening, &peer, &port)) == -EAGAIN)
		;
	close(listening);
	assert_true(ret[0] >= 0 && ret[1] >= 0);
}

static void shrink_buffers(int fd)
{
	int bytes = 4096;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

static void stuck(struct timer *t)
{
	(void)t;
	fail_msg("what the test waits for does not come");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd[2];

	open_pair(fd);
	shrink_buffers(fd[0]);
	shrink_buffers(fd[1]);
	f->peer = fd[1];
	f->consume = true;
	f->guard.on_due = stuck;
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(stream_open(&f->stream, f->loop, fd[0], &events, IN_MAX, OUT_MAX, false),
			 0);
	timer_start(f->loop, &f->guard, WAIT_MS);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stream_close(&f->stream);
	stream_close(&f->stream);
	loop_free(f->loop);
	if (f->peer >= 0)
		close(f->peer);
	free(f);
	return 0;
}

#define TURN_UNTIL(f, condition)                                \
	for (int t_ = 0; !(condition); t_++) {                  \
		assert_true(t_ < TURNS_MAX);                    \
		assert_int_equal(loop_turn((f)->loop, 100), 0); \
	}

/* Some turns in which nothing more may happen. */
static void settle(struct fixture *f)
{
	for (int i = 0; i < 5; i++)
		loop_turn(f->loop, 2);
}

static void send_count(struct fixture *f, size_t n, unsigned char *next)
{
	for (size_t i = 0; i < n; i++) {
		while (send(f->peer, next, 1, MSG_NOSIGNAL) != 1) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(loop_turn(f->loop, 1), 0);
		}
		(*next)++;
	}
}

static void test_a_peer_that_sends_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	unsigned char next = 0;

	TURN_UNTIL(f, f->opens);
	for (size_t i = 0; i < 500; i++) {
		send_count(f, 1, &next);
		TURN_UNTIL(f, f->got_bytes == i + 1);
	}
	assert_int_equal(f->opens, 1);
	assert_int_equal(f->readables, 500);
	assert_int_equal(f->stream.bytes_in, 500);
	assert_null(f->stream.in.data); /* idle: no memory */
}

static void test_a_full_buffer_stops_reading_until_resumed(void **state)
{
	struct fixture *f = *state;
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
	settle(f);
	assert_int_equal(buf_len(&f->stream.in), IN_MAX);
	assert_true(sent > IN_MAX);
	seen = f->readables;
	stream_resume(&f->stream); /* nothing was taken: nothing happens */
	settle(f);
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
	TURN_UNTIL(f, f->got_bytes == sent);
}

static size_t drain_peer(struct fixture *f, unsigned char *next)
{
	unsigned char bytes[1000];
	ssize_t n = recv(f->peer, bytes, sizeof(bytes), 0);

	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], (*next)++);
	return n > 0 ? (size_t)n : 0;
}

static void test_a_slow_reader_fills_the_buffer_and_is_waited_for(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[1000], next = 0, expected = 0;
	size_t written = 0, received = 0;
	int err = 0;

	TURN_UNTIL(f, f->opens);
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
	settle(f);
	f->writables = 0; /* those from before the socket was full */
	assert_true(f->stream.write_full);
	assert_int_equal(stream_write(&f->stream, bytes, OUT_MAX + 1), -ENOSPC);
	while (received < written) {
		received += drain_peer(f, &expected);
		assert_int_equal(loop_turn(f->loop, 0), 0);
	}
	assert_int_equal(f->writables, 1);
	assert_int_equal(f->stream.bytes_out, written);
	assert_null(f->stream.out.data);
}

static void test_writes_of_a_turn_leave_together_unless_flushed(void **state)
{
	struct fixture *f = *state;
	char bytes[64];

	TURN_UNTIL(f, f->opens);
	stream_write(&f->stream, "one ", 4);
	stream_write(&f->stream, "two", 3);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), -1);
	loop_turn(f->loop, 0);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 7);
	stream_write(&f->stream, "now", 3);
	stream_flush(&f->stream);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 3);
}

static void test_what_is_written_before_opening_is_sent_after_it(void **state)
{
	struct fixture *f = *state;
	char bytes[64];

	assert_int_equal(stream_write(&f->stream, "early", 5), 0);
	TURN_UNTIL(f, f->opens);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 5);
}

static void test_a_half_closed_peer_gets_its_answer(void **state)
{
	struct fixture *f = *state;
	unsigned char next = 0;
	char bytes[64];

	send_count(f, 10, &next);
	shutdown(f->peer, SHUT_WR);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->got_bytes, 10);
	assert_int_equal(f->end_err[0], 0);
	assert_int_equal(stream_write(&f->stream, "answer", 6), 0);
	loop_turn(f->loop, 0);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 6);
	settle(f);
	assert_int_equal(f->ends, 1);
	stream_close_after_flush(&f->stream);
	TURN_UNTIL(f, f->closes);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 0);
}

static void test_the_end_comes_after_all_bytes_even_through_a_full_buffer(void **state)
{
	struct fixture *f = *state;
	unsigned char next = 0;

	f->consume = false;
	send_count(f, IN_MAX, &next);
	shutdown(f->peer, SHUT_WR);
	TURN_UNTIL(f, buf_len(&f->stream.in) == IN_MAX);
	settle(f);
	assert_int_equal(f->ends, 0);
	buf_consume(&f->stream.in, 1);
	stream_resume(&f->stream);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], 0);
	assert_int_equal(buf_len(&f->stream.in), IN_MAX - 1);
}

static void reset_peer(struct fixture *f)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(f->peer);
	f->peer = -1;
}

static void test_a_reset_is_a_failure_told_once(void **state)
{
	struct fixture *f = *state;

	TURN_UNTIL(f, f->opens);
	reset_peer(f);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], -ECONNRESET);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	stream_flush(&f->stream);
	stream_resume(&f->stream);
	settle(f);
	assert_int_equal(f->ends, 1);
}

static void test_a_reset_is_seen_while_the_buffer_is_full(void **state)
{
	struct fixture *f = *state;
	unsigned char next = 0;

	f->consume = false;
	send_count(f, IN_MAX, &next);
	TURN_UNTIL(f, buf_len(&f->stream.in) == IN_MAX);
	reset_peer(f);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], -ECONNRESET);
}

static void test_a_reset_after_a_half_close_is_told_too(void **state)
{
	struct fixture *f = *state;

	shutdown(f->peer, SHUT_WR);
	TURN_UNTIL(f, f->ends == 1);
	reset_peer(f);
	TURN_UNTIL(f, f->ends == 2);
	assert_int_equal(f->end_err[0], 0);
	assert_true(f->end_err[1] < 0);
}

static void test_closing_inside_a_callback_is_safe(void **state)
{
	struct fixture *f = *state;
	unsigned char next = 0;

	f->close_on_readable = true;
	stream_write(&f->stream, "x", 1);
	send_count(f, 5, &next);
	TURN_UNTIL(f, f->readables);
	settle(f);
	assert_int_equal(f->readables, 1);
	assert_int_equal(f->ends + f->closes, 0);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	stream_flush(&f->stream);
	stream_resume(&f->stream);
	stream_close_after_flush(&f->stream);
	settle(f);
	assert_int_equal(f->closes, 0);
}

/* A refusal sent while the request still streams in must not be lost to a reset (RFC 9112 s9.6). */
static void test_an_answer_survives_a_request_that_goes_on(void **state)
{
	struct fixture *f = *state;
	char bytes[4096] = { 0 }, answer[64];
	ssize_t n;

	f->close_after_on_readable = true;
	f->answer = "413";
	assert_true(send(f->peer, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
	TURN_UNTIL(f, f->stream.said_goodbye);
	for (int i = 0; i < 20; i++) {
		n = send(f->peer, bytes, sizeof(bytes), MSG_NOSIGNAL);
		assert_true(n > 0 || errno == EAGAIN);
		loop_turn(f->loop, 0);
	}
	assert_int_equal(f->closes, 0);
	assert_int_equal(recv(f->peer, answer, sizeof(answer), 0), 3);
	assert_int_equal(recv(f->peer, answer, sizeof(answer), 0), 0);
	shutdown(f->peer, SHUT_WR);
	TURN_UNTIL(f, f->closes);
	assert_int_equal(f->readables, 1);
	assert_int_equal(f->ends, 0);
}

static void test_closing_goes_on_until_everything_queued_is_taken(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[OUT_MAX], expected = 0;
	size_t written = 0, received = 0;

	TURN_UNTIL(f, f->opens);
	while (!f->stream.write_blocked || buf_room(&f->stream.out)) {
		size_t n = buf_room(&f->stream.out);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)(written + i);
		assert_int_equal(stream_write(&f->stream, bytes, n), 0);
		stream_flush(&f->stream);
		written += n;
	}
	stream_close_after_flush(&f->stream);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	settle(f);
	assert_int_equal(f->closes, 0);
	while (received < written) {
		received += drain_peer(f, &expected);
		loop_turn(f->loop, 0);
	}
	shutdown(f->peer, SHUT_WR);
	TURN_UNTIL(f, f->closes);
}

static void test_a_fast_peer_does_not_keep_the_loop(void **state)
{
	struct fixture *f = *state;
	const size_t total = 600U << 10;
	char *bytes = calloc(1, total);
	size_t most = 0, before;
	int sv[2], room = 1 << 20;

	/* more than a turn's budget waits in the socket at once */
	stream_close(&f->stream);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert_int_equal(stream_open(&f->stream, f->loop, sv[0], &events, 1U << 20, OUT_MAX, false),
			 0);
	f->consume = false;
	room = (int)send(sv[1], bytes, total, MSG_NOSIGNAL);
	assert_true(room > 300 << 10);
	while (f->stream.bytes_in < (uint64_t)room) {
		before = f->stream.bytes_in;
		loop_turn(f->loop, 0);
		if (f->stream.bytes_in - before > most)
			most = f->stream.bytes_in - before;
	}
	assert_true(most < (size_t)room);
	assert_true(most <= 3 * (128U << 10)); /* one event and two rounds of deferreds */
	close(sv[1]);
	free(bytes);
}

static void test_an_echo_of_many_sizes_comes_back_whole(void **state)
{
	struct fixture *f = *state;
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
			received += drain_peer(f, &expected);
		}
	}
	assert_int_equal(f->ends, 0);
}

static void test_connecting_opens_or_fails(void **state)
{
	struct fixture *f = *state;
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
	assert_int_equal(stream_open(&f->stream, f->loop, fd, &events, IN_MAX, OUT_MAX, true), 0);
	TURN_UNTIL(f, f->opens);
	assert_int_equal(f->ends, 0);
	stream_close(&f->stream);
	close(listening);
	fd = sock_connect(&loopback, port);
	if (fd < 0) /* refused at once: nothing to open */
		return;
	assert_int_equal(stream_open(&f->stream, f->loop, fd, &events, IN_MAX, OUT_MAX, true), 0);
	TURN_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], -ECONNREFUSED);
	assert_int_equal(f->opens, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		STREAM_TEST(test_a_peer_that_sends_byte_by_byte),
		STREAM_TEST(test_a_full_buffer_stops_reading_until_resumed),
		STREAM_TEST(test_a_slow_reader_fills_the_buffer_and_is_waited_for),
		STREAM_TEST(test_writes_of_a_turn_leave_together_unless_flushed),
		STREAM_TEST(test_what_is_written_before_opening_is_sent_after_it),
		STREAM_TEST(test_a_half_closed_peer_gets_its_answer),
		STREAM_TEST(test_the_end_comes_after_all_bytes_even_through_a_full_buffer),
		STREAM_TEST(test_a_reset_is_a_failure_told_once),
		STREAM_TEST(test_a_reset_is_seen_while_the_buffer_is_full),
		STREAM_TEST(test_a_reset_after_a_half_close_is_told_too),
		STREAM_TEST(test_closing_inside_a_callback_is_safe),
		STREAM_TEST(test_an_answer_survives_a_request_that_goes_on),
		STREAM_TEST(test_closing_goes_on_until_everything_queued_is_taken),
		STREAM_TEST(test_a_fast_peer_does_not_keep_the_loop),
		STREAM_TEST(test_an_echo_of_many_sizes_comes_back_whole),
		STREAM_TEST(test_connecting_opens_or_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
