/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes before, between and behind the bytes of a body: 1xx, events one by one, trailers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_world.h"

#define PLAIN                                                           \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"      \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"      \
	"routes:\n"                                                     \
	" - {name: keyed, cluster: app, paths: [/keyed], policies: "    \
	"{api_key: {required: false, header: x-secret}, limit: off}}\n" \
	" - {name: all, cluster: app}\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define POST(path, fields) \
	"POST " path " HTTP/1.1\r\nHost: h\r\n" fields "Transfer-Encoding: chunked\r\n\r\n"

static void start(struct world *w, struct peer *c, struct peer *e, const char *request)
{
	world_start(w, PLAIN);
	peer_connect(c, w);
	peer_send(c, request);
	peer_accept(e, w, 0);
}

static void stop(struct world *w, struct peer *c, struct peer *e)
{
	peer_close(c);
	peer_close(e);
	world_stop(w);
}

static void trailers_reach_a_client_that_takes_them(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c, &e,
	      "GET / HTTP/1.1\r\nHost: h\r\nTE: deflate, Trailers\r\nConnection: TE\r\n\r\n");
	head = peer_head(&e);
	assert_string_equal(head_field(head, "TE"), "trailers");
	assert_string_equal(head_field(head, "Connection"), "TE");
	peer_send(&e, CHUNKED "2;x=y\r\nok\r\n0\r\nX-Sum:  9 \r\nSet-Cookie: a=b\r\nHost: evil\r\n"
			      "Grpc-Status: 0\r\nX-Request-Id: theirs\r\ntrailer: x\r\n"
			      "Empty:\r\n\r\n");
	peer_head(&c);
	peer_expect(&c, "2\r\nok\r\n0\r\nX-Sum: 9\r\nGrpc-Status: 0\r\nEmpty: \r\n\r\n");
	/* and both connections go on behind them */
	peer_send(&c, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	head = peer_head(&e);
	assert_null(head_field(head, "TE"));
	assert_null(head_field(head, "Connection"));
	/* one that did not ask gets none */
	peer_send(&e, CHUNKED "2\r\nok\r\n0\r\nX-Sum: 9\r\n\r\n");
	peer_head(&c);
	peer_expect(&c, "2\r\nok\r\n0\r\n\r\n");
	peer_expect_silence(&c);
	stop(&w, &c, &e);
}

static void trailers_of_a_request_pass_without_what_endpoints_would_believe(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, &e,
	      POST("/keyed", "") "2\r\nab\r\n0\r\nX-Sum: 9\r\nX-Consumer: admin\r\n"
				 "X_Forwarded_For: 1.2.3.4\r\nAuthorization: b\r\nProxy: evil\r\n"
				 "X_Secret: k\r\nX-Secret: k\r\nContent_Length: 5\r\nVia: x\r\n"
				 "Expect: 100-continue\r\nX-Tail: t\r\n\r\n");
	peer_head(&e);
	peer_expect(&e, "2\r\nab\r\n0\r\nX-Sum: 9\r\nX-Tail: t\r\n\r\n");
	peer_expect_silence(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_head(&c);
	peer_send(&c, POST("/", "") "0\r\nX-Secret: not a key here\r\n\r\n");
	peer_head(&e);
	peer_expect(&e, "0\r\nX-Secret: not a key here\r\n\r\n");
	stop(&w, &c, &e);
}

static void trailers_are_bounded(void **state)
{
	static char big[8300], text[9000];
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	start(&w, &c, &e, "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n");
	peer_head(&e);
	snprintf(text, sizeof(text), CHUNKED "0\r\nA: %.8000s\r\n\r\n", big);
	peer_send(&e, text);
	peer_head(&c);
	snprintf(text, sizeof(text), "0\r\nA: %.8000s\r\n\r\n", big);
	peer_expect(&c, text);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n");
	peer_head(&e);
	snprintf(text, sizeof(text), CHUNKED "2\r\nok\r\n0\r\nA: %s\r\n\r\n", big);
	peer_send(&e, text);
	peer_head(&c);
	peer_expect(&c, "2\r\nok\r\n"); /* no last chunk */
	peer_expect_end(&c);
	stop(&w, &c, &e);
}

/* A slow reader has no room for the last chunk and its trailers at once: they wait. */
static void trailers_wait_for_a_client_that_is_full(void **state)
{
	static char piece[65536], trailer[4000];
	struct world w = { 0 };
	struct peer c, e;
	size_t sent = 0, got = 0;
	char size[32];

	(void)state;
	memset(trailer, 't', sizeof(trailer) - 1);
	start(&w, &c, &e, "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n");
	peer_head(&e);
	snprintf(size, sizeof(size), "%x\r\n", 32U << 20);
	peer_send(&e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	peer_send(&e, size);
	peer_head(&c);
	while (sent < 32U << 20) {
		size_t left = (32U << 20) - sent;
		size_t n = peer_try_send(&e, piece, left < sizeof(piece) ? left : sizeof(piece));

		sent += n;
		world_turn(&w);
		if (!n) { /* the client reads only when all is full */
			peer_receive(&c);
			got += c.len;
			c.len = 0;
		}
	}
	peer_send(&e, "\r\n0\r\nT: ");
	peer_send(&e, trailer);
	peer_send(&e, "\r\n\r\n");
	for (;;) {
		peer_receive(&c);
		if (c.len >= 7 + sizeof(trailer) &&
		    memcmp(c.data + c.len - 4, "\r\n\r\n", 4) == 0 && got + c.len >= sent)
			break;
		if (c.len > 65536) { /* the tail is what is looked at */
			got += c.len - 16384;
			memmove(c.data, c.data + c.len - 16384, 16384);
			c.len = 16384;
		}
		world_turn(&w);
		assert_false(c.ended || c.err);
	}
	assert_memory_equal(c.data + c.len - 4 - (sizeof(trailer) - 1) - 3, "T: ", 3);
	stop(&w, &c, &e);
}

static void early_hints_and_100_come_before_the_body_is_asked_for(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c, &e,
	      "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	head = peer_head(&e);
	assert_string_equal(head_field(head, "Expect"), "100-continue");
	peer_send(&e,
		  "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x\r\nx: 1\r\n\r\n");
	peer_expect(&c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
	peer_expect_silence(&e);
	peer_send(&e, "HTTP/1.1 100 Continue\r\n\r\n");
	peer_expect(&c, "HTTP/1.1 100 Continue\r\n\r\n");
	peer_send(&c, "body");
	peer_expect(&e, "body");
	peer_send(
		&e,
		"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
	peer_expect(&c, "HTTP/1.1 102 Processing\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 201 ", 13), 0);
	stop(&w, &c, &e);
}

/* Each event is with the client before the endpoint sends the next, however small it is. */
static void events_are_passed_on_one_by_one(void **state)
{
	static const char *const heads[] = {
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world w = { 0 };
		struct peer c, e;

		start(&w, &c, &e, "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
		peer_head(&e);
		peer_send(&e, heads[i]);
		assert_string_equal(head_field(peer_head(&c), "Content-Type"), "text/event-stream");
		for (int n = 0; n < 20; n++) {
			peer_send(&e, i ? "data: x\n\n" : "9\r\ndata: x\n\n\r\n");
			peer_expect(&c, "9\r\ndata: x\n\n\r\n");
		}
		stop(&w, &c, &e);
	}
}

/* The same the other way: an upload is with the endpoint as it comes. */
static void pieces_of_a_request_are_passed_on_one_by_one(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, &e, POST("/up", ""));
	peer_head(&e);
	for (int n = 0; n < 20; n++) {
		peer_send(&c, "3\r\nabc\r\n");
		peer_expect(&e, "3\r\nabc\r\n");
	}
	peer_send(&e, CHUNKED "1\r\nx\r\n"); /* both at once */
	peer_head(&c);
	peer_expect(&c, "1\r\nx\r\n");
	peer_send(&c, "3\r\nabc\r\n0\r\n\r\n");
	peer_expect(&e, "3\r\nabc\r\n0\r\n\r\n");
	peer_send(&e, "0\r\n\r\n");
	peer_expect(&c, "0\r\n\r\n");
	stop(&w, &c, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trailers_reach_a_client_that_takes_them),
		cmocka_unit_test(trailers_of_a_request_pass_without_what_endpoints_would_believe),
		cmocka_unit_test(trailers_are_bounded),
		cmocka_unit_test(trailers_wait_for_a_client_that_is_full),
		cmocka_unit_test(early_hints_and_100_come_before_the_body_is_asked_for),
		cmocka_unit_test(events_are_passed_on_one_by_one),
		cmocka_unit_test(pieces_of_a_request_are_passed_on_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
