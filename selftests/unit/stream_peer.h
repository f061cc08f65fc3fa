/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream under test over real TCP on loopback, and its peer as a plain descriptor. */
#pragma once

#include <stdbool.h>

#include "event/loop.h"
#include "net/stream.h"

#define STREAM_PEER_IN_MAX    4096U
#define STREAM_PEER_OUT_MAX   8192U
#define STREAM_PEER_TURNS_MAX 2000000

struct stream_peer {
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

int stream_peer_setup(void **state);
int stream_peer_teardown(void **state);
/* Instead: a socket pair that takes a megabyte at once. */
void stream_peer_open_unix(struct stream_peer *f, size_t in_max);

extern const struct stream_events stream_peer_events; /* count, and check what must hold always */

/* Some turns in which nothing more may happen. */
void stream_peer_settle(struct stream_peer *f);
/* n bytes that count up from *next. */
void stream_peer_send(struct stream_peer *f, size_t n, unsigned char *next);
/* Receive what is there, which must count up from *next; the bytes. */
size_t stream_peer_drain(struct stream_peer *f, unsigned char *next);
void stream_peer_reset(struct stream_peer *f);

#define STREAM_PEER_UNTIL(f, condition)                         \
	for (int t_ = 0; !(condition); t_++) {                  \
		assert_true(t_ < STREAM_PEER_TURNS_MAX);        \
		assert_int_equal(loop_turn((f)->loop, 100), 0); \
	}

#define STREAM_PEER_TEST(name) \
	cmocka_unit_test_setup_teardown(name, stream_peer_setup, stream_peer_teardown)
