/* SPDX-License-Identifier: BSD-2-Clause */
/* Bodies both ways: framing, size, pace, and who may speak when. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_world.h"

#define PLAIN                                                                              \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, max_body_bytes: 512MiB}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                         \
	"routes: [{name: all, cluster: app}]\n"

#define PIECE	   65536
#define LARGE	   (64U << 20)
#define GROWTH_MAX (2U << 20) /* of the heap, whatever the body's size */

static char piece[PIECE];

static void start(struct world *w, struct peer *client)
{
	world_start(w, PLAIN);
	peer_connect(client, w);
}

static void stop(struct world *w, struct peer *client, struct peer *endpoint)
{
	peer_close(client);
	peer_close(endpoint);
	world_stop(w);
}

static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Read what is there, and forget it. */
static size_t swallow(struct peer *p)
{
	size_t n;

	peer_receive(p);
	n = p->len;
	p->len = 0;
	return n;
}

static void a_chunked_request_body_goes_on_in_chunks(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	assert_string_equal(head_field(head, "Transfer-Encoding"), "chunked");
	assert_null(head_field(head, "Content-Length"));
	peer_send(&c, "00003;ext=1\r\nab");
	peer_expect(&e, "2\r\nab\r\n");
	peer_send(&c, "c\r\n4\r\ndefg\r\n");
	peer_expect(&e, "1\r\nc\r\n4\r\ndefg\r\n");
	peer_send(&c, "0\r\nTrailer-Field: 1\r\n\r\n");
	peer_expect(&e, "0\r\nTrailer-Field: 1\r\n\r\n");
	peer_send(&e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
	head = peer_head(&c);
	assert_string_equal(head_field(head, "Transfer-Encoding"), "chunked");
	peer_expect(&c, "2\r\nok\r\n");
	peer_send(&e, "0\r\n\r\n");
	peer_expect(&c, "0\r\n\r\n");
	/* both are kept */
	peer_send(&c, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&e), "GET /2 ", 7), 0);
	stop(&w, &c, &e);
}

static void a_large_response_to_a_slow_reader_takes_no_memory(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	size_t sent = 0, got = 0, before, most = 0, stuck = 0;
	char text[100];

	(void)state;
	start(&w, &c);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LARGE);
	peer_send(&e, text);
	peer_head(&c);
	swallow(&c);
	before = heap();
	/* the client reads nothing: the endpoint has to get stuck, and that early */
	while (stuck < 50) {
		size_t n = peer_try_send(&e, piece, sizeof(piece));

		stuck = n ? 0 : stuck + 1;
		sent += n;
		world_turn(&w);
		assert_true(sent < LARGE);
	}
	most = heap() - before;
	while (got < LARGE) {
		if (sent < LARGE)
			sent += peer_try_send(&e, piece,
					      LARGE - sent < PIECE ? LARGE - sent : PIECE);
		world_turn(&w);
		got += swallow(&c);
		if (heap() > before + most)
			most = heap() - before;
	}
	assert_int_equal(got, LARGE);
	assert_true(most < GROWTH_MAX);
	stop(&w, &c, &e);
}

static void a_large_request_to_a_slow_endpoint_takes_no_memory(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	size_t sent = 0, got = 0, before, most = 0, stuck = 0;
	char text[100];

	(void)state;
	start(&w, &c);
	snprintf(text, sizeof(text), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n",
		 LARGE);
	peer_send(&c, text);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	swallow(&e);
	before = heap();
	while (stuck < 50) {
		size_t n = peer_try_send(&c, piece, sizeof(piece));

		stuck = n ? 0 : stuck + 1;
		sent += n;
		world_turn(&w);
		assert_true(sent < LARGE);
	}
	most = heap() - before;
	while (got < LARGE) {
		if (sent < LARGE)
			sent += peer_try_send(&c, piece,
					      LARGE - sent < PIECE ? LARGE - sent : PIECE);
		world_turn(&w);
		got += swallow(&e);
		if (heap() > before + most)
			most = heap() - before;
	}
	assert_int_equal(got, LARGE);
	assert_true(most < GROWTH_MAX);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_head(&c);
	stop(&w, &c, &e);
}

static void an_echo_runs_both_ways_at_once(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	size_t up = 0, down = 0, back = 0;

	(void)state;
	start(&w, &c);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");
	peer_head(&c);
	WORLD_WAIT(&w, ({
		size_t n = 4194304 - up < PIECE ? 4194304 - up : PIECE;

		up += n ? peer_try_send(&c, piece, n) : 0;
		back += swallow(&e);
		n = back - down < PIECE ? back - down : PIECE;
		down += n ? peer_try_send(&e, piece, n) : 0;
		peer_receive(&c);
		c.len == 4194304;
	}));
	peer_take(&c, 4194304);
	/* it answered before it knew the end, so that the client was told to go: but it had all */
	assert_string_equal(head_field(c.head, "Connection"), "close");
	peer_expect_end(&c);
	peer_close(&c);
	peer_connect(&c, &w);
	peer_send(&c, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&e), "GET /2 ", 7), 0);
	stop(&w, &c, &e);
}

static void an_expectation_is_passed_on_and_its_answer_back(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
		      "Expect: 100-continue\r\n\r\n");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	assert_string_equal(head_field(head, "Expect"), "100-continue");
	peer_expect_silence(&c); /* we do not promise what the endpoint did not */
	peer_send(&e, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 100 ", 13), 0);
	peer_send(&c, "abc");
	peer_expect(&e, "abc");
	peer_send(&e, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
		      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	head = peer_head(&c);
	assert_int_equal(strncmp(head, "HTTP/1.1 103 ", 13), 0);
	assert_string_equal(head_field(head, "Link"), "</x>");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
	/* a client that does not wait for the answer is served too */
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
		      "Expect: 100-continue\r\n\r\nabc");
	peer_head(&e);
	peer_expect(&e, "abc");
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
	stop(&w, &c, &e);
}

static void an_expectation_may_be_refused_by_the_endpoint(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
		      "Expect: 100-continue\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 403 ", 13), 0);
	peer_expect(&c, "no");
	/* nobody could tell the body from the next request */
	peer_expect_end(&c);
	peer_expect_end(&e);
	stop(&w, &c, &e);
}

static void an_early_response_is_relayed_and_the_connection_closed(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_expect(&e, "abc");
	peer_send(&e, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 413 ", 13), 0);
	peer_expect(&c, "large");
	peer_expect_end(&c);
	peer_expect_end(&e);
	stop(&w, &c, &e);
}

static void an_early_response_before_a_reset_is_not_lost(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	size_t sent = 0;

	(void)state;
	start(&w, &c);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	/* the endpoint's socket is full of what it will not read: its close is a reset */
	for (int idle = 0; idle < 20;) {
		size_t n = peer_try_send(&c, piece, sizeof(piece));

		idle = n ? 0 : idle + 1;
		sent += n;
		world_turn(&w);
	}
	assert_true(sent < 100000000);
	peer_send(&e, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge");
	peer_close(&e);
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 413 ", 13), 0);
	peer_expect(&c, "large");
	peer_close(&c);
	world_stop(&w);
}

static void a_response_that_is_cut_off_does_not_look_whole(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c);
	/* by length */
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
	peer_head(&c);
	peer_expect(&c, "abc");
	peer_close(&e);
	peer_expect_end(&c);
	peer_close(&c);
	world_expect_log(&w, "\"end\":\"response_incomplete\"");
	/* by chunks */
	peer_connect(&c, &w);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	peer_head(&c);
	peer_expect(&c, "3\r\nabc\r\n");
	peer_close(&e);
	peer_expect_end(&c);
	peer_close(&c);
	/* to a client that knows no other end than the connection's: by a reset */
	peer_connect(&c, &w);
	peer_send(&c, "GET / HTTP/1.0\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	peer_head(&c);
	peer_expect(&c, "abc");
	peer_close(&e);
	WORLD_WAIT(&w, (peer_receive(&c), c.err || c.ended));
	assert_int_equal(c.err, 104 /* ECONNRESET */);
	peer_close(&c);
	world_stop(&w);
}

static void a_chunked_body_is_counted_as_it_passes(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w,
		    "listeners: [{name: web, address: 127.0.0.1, port: 80, max_body_bytes: 5}]\n"
		    "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"
		    "routes: [{name: all, cluster: app}]\n");
	peer_connect(&c, &w);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "3\r\nabc\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_expect(&e, "3\r\nabc\r\n");
	peer_send(&c, "3\r\ndef\r\n0\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 413 ", 13), 0);
	assert_string_equal(head_field(c.head, "Connection"), "close");
	peer_expect_end(&e); /* no last chunk: it must not take this for whole */
	stop(&w, &c, &e);
}

static void an_endpoint_that_says_close_is_not_asked_again(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	start(&w, &c);
	peer_send(&c, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1");
	peer_head(&c);
	peer_expect(&c, "1");
	peer_expect_end(&e); /* though it did not close */
	peer_send(&c, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e2, &w, 0);
	assert_int_equal(strncmp(peer_head(&e2), "GET /2 ", 7), 0);
	peer_close(&e2);
	stop(&w, &c, &e);
}

static void bytes_behind_a_response_never_become_the_next_one(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	start(&w, &c);
	peer_send(&c, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
		      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX");
	peer_head(&c);
	peer_expect(&c, "1");
	peer_send(&c, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e2, &w, 0);
	peer_head(&e2);
	peer_send(&e2, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
	peer_head(&c);
	peer_expect(&c, "2");
	peer_close(&e);
	stop(&w, &c, &e2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chunked_request_body_goes_on_in_chunks),
		cmocka_unit_test(a_large_response_to_a_slow_reader_takes_no_memory),
		cmocka_unit_test(a_large_request_to_a_slow_endpoint_takes_no_memory),
		cmocka_unit_test(an_echo_runs_both_ways_at_once),
		cmocka_unit_test(an_expectation_is_passed_on_and_its_answer_back),
		cmocka_unit_test(an_expectation_may_be_refused_by_the_endpoint),
		cmocka_unit_test(an_early_response_is_relayed_and_the_connection_closed),
		cmocka_unit_test(an_early_response_before_a_reset_is_not_lost),
		cmocka_unit_test(a_response_that_is_cut_off_does_not_look_whole),
		cmocka_unit_test(a_chunked_body_is_counted_as_it_passes),
		cmocka_unit_test(an_endpoint_that_says_close_is_not_asked_again),
		cmocka_unit_test(bytes_behind_a_response_never_become_the_next_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
