/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "stream_peer.h"

static void test_closing_inside_a_callback_is_safe(void **state)
{
	struct stream_peer *f = *state;
	unsigned char next = 0;

	f->close_on_readable = true;
	stream_write(&f->stream, "x", 1);
	stream_peer_send(f, 5, &next);
	STREAM_PEER_UNTIL(f, f->readables);
	stream_peer_settle(f);
	assert_int_equal(f->readables, 1);
	assert_int_equal(f->ends + f->closes, 0);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	stream_flush(&f->stream);
	stream_resume(&f->stream);
	stream_close_after_flush(&f->stream);
	stream_peer_settle(f);
	assert_int_equal(f->closes, 0);
}

/* A refusal sent while the request still streams in must not be lost to a reset (RFC 9112 s9.6). */
static void test_an_answer_survives_a_request_that_goes_on(void **state)
{
	struct stream_peer *f = *state;
	char bytes[4096] = { 0 }, answer[64];
	ssize_t n;

	f->close_after_on_readable = true;
	f->answer = "413";
	assert_true(send(f->peer, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
	STREAM_PEER_UNTIL(f, f->stream.said_goodbye);
	for (int i = 0; i < 20; i++) {
		n = send(f->peer, bytes, sizeof(bytes), MSG_NOSIGNAL);
		assert_true(n > 0 || errno == EAGAIN);
		loop_turn(f->loop, 0);
	}
	assert_int_equal(f->closes, 0);
	assert_int_equal(recv(f->peer, answer, sizeof(answer), 0), 3);
	assert_int_equal(recv(f->peer, answer, sizeof(answer), 0), 0);
	shutdown(f->peer, SHUT_WR);
	STREAM_PEER_UNTIL(f, f->closes);
	assert_int_equal(f->readables, 1);
	assert_int_equal(f->ends, 0);
}

static void test_closing_goes_on_until_everything_queued_is_taken(void **state)
{
	struct stream_peer *f = *state;
	unsigned char bytes[STREAM_PEER_OUT_MAX], expected = 0;
	size_t written = 0, received = 0;

	STREAM_PEER_UNTIL(f, f->opens);
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
	stream_peer_settle(f);
	assert_int_equal(f->closes, 0);
	while (received < written) {
		received += stream_peer_drain(f, &expected);
		loop_turn(f->loop, 0);
	}
	shutdown(f->peer, SHUT_WR);
	STREAM_PEER_UNTIL(f, f->closes);
}

static uint64_t later_ns;

static uint64_t clock_later(void)
{
	return clock_now_ns() + later_ns;
}

static void test_a_peer_that_never_answers_our_end_is_not_waited_for_long(void **state)
{
	struct stream_peer *f = *state;

	timer_stop(&f->guard);
	later_ns = 0;
	loop_set_clock(f->loop, clock_later);
	STREAM_PEER_UNTIL(f, f->opens);
	stream_close_after_flush(&f->stream);
	STREAM_PEER_UNTIL(f, f->stream.said_goodbye);
	stream_peer_settle(f);
	assert_int_equal(f->closes, 0);
	later_ns = 3 * NS_PER_S;
	STREAM_PEER_UNTIL(f, f->closes);
}

static void test_a_peer_that_takes_nothing_is_not_waited_for_long(void **state)
{
	struct stream_peer *f = *state;
	char bytes[STREAM_PEER_OUT_MAX] = { 0 };

	timer_stop(&f->guard);
	later_ns = 0;
	loop_set_clock(f->loop, clock_later);
	STREAM_PEER_UNTIL(f, f->opens);
	while (!f->stream.write_blocked || buf_room(&f->stream.out)) {
		assert_int_equal(stream_write(&f->stream, bytes, buf_room(&f->stream.out)), 0);
		stream_flush(&f->stream);
	}
	stream_close_after_flush(&f->stream);
	later_ns = 4 * NS_PER_S;
	stream_peer_settle(f);
	assert_int_equal(f->closes, 0);
	later_ns = 6 * NS_PER_S;
	STREAM_PEER_UNTIL(f, f->closes);
}

static uint64_t standing_ns;

static uint64_t clock_standing(void)
{
	return standing_ns;
}

static void test_a_peer_that_never_stops_sending_is_cut(void **state)
{
	struct stream_peer *f = *state;
	static char bytes[65536];
	size_t sent = 0;

	standing_ns = clock_now_ns(); /* by its bytes, not by its time */
	loop_set_clock(f->loop, clock_standing);
	stream_peer_open_unix(f, STREAM_PEER_OUT_MAX);
	STREAM_PEER_UNTIL(f, f->opens == 1);
	stream_close_after_flush(&f->stream);
	while (!f->closes) {
		ssize_t n = send(f->peer, bytes, sizeof(bytes), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent < 8U << 20);
		loop_turn(f->loop, 1);
	}
	assert_true(sent >= 1U << 20);
}

static void test_a_half_closed_peer_gets_its_answer(void **state)
{
	struct stream_peer *f = *state;
	unsigned char next = 0;
	char bytes[64];

	stream_peer_send(f, 10, &next);
	shutdown(f->peer, SHUT_WR);
	STREAM_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->got_bytes, 10);
	assert_int_equal(f->end_err[0], 0);
	assert_int_equal(stream_write(&f->stream, "answer", 6), 0);
	loop_turn(f->loop, 0);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 6);
	stream_peer_settle(f);
	assert_int_equal(f->ends, 1);
	stream_close_after_flush(&f->stream);
	STREAM_PEER_UNTIL(f, f->closes);
	assert_int_equal(recv(f->peer, bytes, sizeof(bytes), 0), 0);
}

static void test_the_end_comes_after_all_bytes_even_through_a_full_buffer(void **state)
{
	struct stream_peer *f = *state;
	unsigned char next = 0;

	f->consume = false;
	stream_peer_send(f, STREAM_PEER_IN_MAX, &next);
	shutdown(f->peer, SHUT_WR);
	STREAM_PEER_UNTIL(f, buf_len(&f->stream.in) == STREAM_PEER_IN_MAX);
	stream_peer_settle(f);
	assert_int_equal(f->ends, 0);
	buf_consume(&f->stream.in, 1);
	stream_resume(&f->stream);
	STREAM_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], 0);
	assert_int_equal(buf_len(&f->stream.in), STREAM_PEER_IN_MAX - 1);
}

static void test_a_reset_is_a_failure_told_once(void **state)
{
	struct stream_peer *f = *state;

	STREAM_PEER_UNTIL(f, f->opens);
	stream_peer_reset(f);
	STREAM_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], -ECONNRESET);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	stream_flush(&f->stream);
	stream_resume(&f->stream);
	stream_peer_settle(f);
	assert_int_equal(f->ends, 1);
}

static void test_a_reset_is_seen_while_the_buffer_is_full(void **state)
{
	struct stream_peer *f = *state;
	unsigned char next = 0;

	f->consume = false;
	stream_peer_send(f, STREAM_PEER_IN_MAX, &next);
	STREAM_PEER_UNTIL(f, buf_len(&f->stream.in) == STREAM_PEER_IN_MAX);
	stream_peer_reset(f);
	STREAM_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->end_err[0], -ECONNRESET);
}

static void test_a_reset_after_a_half_close_is_told_too(void **state)
{
	struct stream_peer *f = *state;

	shutdown(f->peer, SHUT_WR);
	STREAM_PEER_UNTIL(f, f->ends == 1);
	stream_peer_reset(f);
	STREAM_PEER_UNTIL(f, f->ends == 2);
	assert_int_equal(f->end_err[0], 0);
	assert_true(f->end_err[1] < 0);
}

static void test_a_write_to_a_peer_that_is_gone_fails_and_is_told(void **state)
{
	struct stream_peer *f = *state;

	STREAM_PEER_UNTIL(f, f->opens);
	stream_peer_reset(f);
	f->in_call = true;
	assert_int_equal(stream_write(&f->stream, "x", 1), 0);
	stream_flush(&f->stream); /* finds out before any event does */
	assert_true(f->stream.failed);
	assert_int_equal(stream_write(&f->stream, "x", 1), -EPIPE);
	f->in_call = false;
	STREAM_PEER_UNTIL(f, f->ends);
	stream_peer_settle(f);
	assert_int_equal(f->ends, 1);
	assert_true(f->end_err[0] == -ECONNRESET || f->end_err[0] == -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_PEER_TEST(test_closing_inside_a_callback_is_safe),
		STREAM_PEER_TEST(test_an_answer_survives_a_request_that_goes_on),
		STREAM_PEER_TEST(test_closing_goes_on_until_everything_queued_is_taken),
		STREAM_PEER_TEST(test_a_peer_that_never_answers_our_end_is_not_waited_for_long),
		STREAM_PEER_TEST(test_a_peer_that_takes_nothing_is_not_waited_for_long),
		STREAM_PEER_TEST(test_a_peer_that_never_stops_sending_is_cut),
		STREAM_PEER_TEST(test_a_half_closed_peer_gets_its_answer),
		STREAM_PEER_TEST(test_the_end_comes_after_all_bytes_even_through_a_full_buffer),
		STREAM_PEER_TEST(test_a_reset_is_a_failure_told_once),
		STREAM_PEER_TEST(test_a_reset_is_seen_while_the_buffer_is_full),
		STREAM_PEER_TEST(test_a_reset_after_a_half_close_is_told_too),
		STREAM_PEER_TEST(test_a_write_to_a_peer_that_is_gone_fails_and_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
