/* SPDX-License-Identifier: BSD-2-Clause */
/* Who ends before the other: an endpoint that answers early, a client that ends its side first. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway_world.h"

#define APP                                                        \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define GET  "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\n"
#define NO   "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"

static void ask(struct world *w, struct peer *c, struct peer *e, const char *text)
{
	world_start(w, APP);
	peer_connect(c, w);
	peer_send(c, text);
	peer_accept(e, w, 0);
	peer_head(e);
}

static void stop(struct world *w, struct peer *c, struct peer *e)
{
	peer_close(c);
	peer_close(e);
	world_stop(w);
}

static void expect_ok(struct peer *e, struct peer *c)
{
	peer_send(e, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	assert_int_equal(strncmp(peer_head(c), "HTTP/1.1 200 ", 13), 0);
	peer_expect(c, "ok");
}

static void the_short_rest_of_a_body_is_read_past(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	ask(&w, &c, &e, POST "Content-Length: 60000\r\n\r\nabc");
	peer_expect(&e, "abc");
	peer_send(&e, NO);
	assert_null(head_field(peer_head(&c), "Connection"));
	peer_expect(&c, "no");
	peer_expect_end(&e); /* it would take the rest for a request */
	for (int i = 3; i < 60000; i++)
		peer_send(&c, "x");
	peer_send(&c, GET);
	peer_accept(&e2, &w, 0);
	assert_int_equal(strncmp(peer_head(&e2), "GET / ", 6), 0);
	expect_ok(&e2, &c);
	peer_close(&e2);
	stop(&w, &c, &e);
}

static void a_long_rest_is_announced_as_the_end(void **state)
{
	static const char *const framing[] = {
		"Content-Length: 100000\r\n\r\nabc",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(framing) / sizeof(framing[0]); i++) {
		struct world w = { 0 };
		struct peer c, e;
		char text[256] = POST;

		ask(&w, &c, &e, strcat(text, framing[i]));
		peer_send(&e, NO);
		assert_string_equal(head_field(peer_head(&c), "Connection"), "close");
		peer_expect(&c, "no");
		peer_expect_end(&c);
		stop(&w, &c, &e);
	}
}

static void half_close(struct peer *c)
{
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
	peer_expect_silence(c);
}

static void a_client_that_ends_its_side_gets_its_response(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	ask(&w, &c, &e, POST "Content-Length: 3\r\n\r\nabc");
	peer_expect(&e, "abc");
	half_close(&c);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
	assert_string_equal(head_field(peer_head(&c), "Connection"), "close");
	peer_expect(&c, "ab");
	peer_send(&e, "cd");
	peer_expect(&c, "cd");
	peer_expect_end(&c);
	world_expect_log(&w, "\"end\":\"ok\"");
	stop(&w, &c, &e);
}

static void pipelined_requests_before_the_end_are_served(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	ask(&w, &c, &e, GET "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	half_close(&c);
	expect_ok(&e, &c);
	assert_null(head_field(c.head, "Connection"));
	assert_int_equal(strncmp(peer_head(&e), "GET /2 ", 7), 0);
	expect_ok(&e, &c);
	assert_string_equal(head_field(c.head, "Connection"), "close");
	peer_expect_end(&c);
	stop(&w, &c, &e);
}

static void a_body_that_waits_for_the_endpoint_outlives_the_end(void **state)
{
	enum { LEN = 8 << 20 };
	struct world w = { 0 };
	struct peer c, e;
	char *body = calloc(1, LEN);
	size_t sent = 0, got = 0;

	(void)state;
	assert_non_null(body);
	ask(&w, &c, &e, POST "Content-Length: 8388608\r\n\r\n");
	WORLD_WAIT(&w, ({
		sent += peer_try_send(&c, body, LEN - sent);
		if (sent < LEN) { /* the endpoint takes only what it has to */
			peer_receive(&e);
			got += e.len;
			e.len = 0;
		}
		sent == LEN;
	}));
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	WORLD_WAIT(&w, (peer_receive(&e), got += e.len, e.len = 0, got == LEN));
	expect_ok(&e, &c);
	peer_expect_end(&c);
	free(body);
	stop(&w, &c, &e);
}

static void a_body_that_never_comes_is_a_client_that_left(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	ask(&w, &c, &e, POST "Content-Length: 10\r\n\r\nabc");
	peer_expect(&e, "abc");
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	peer_expect_end(&e);
	world_expect_log(&w, "\"end\":\"client_gone\"");
	peer_close(&e);
	peer_close(&c);
	/* in the midst of a chunk's size */
	peer_connect(&c, &w);
	peer_send(&c, POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	peer_expect(&e, "3\r\nabc\r\n");
	peer_expect_end(&e);
	stop(&w, &c, &e);
}

/* It saw the answer and saved itself the rest of its body. */
static void a_client_that_stops_after_an_early_answer_gets_all_of_it(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	ask(&w, &c, &e, POST "Content-Length: 1000\r\n\r\nabc");
	peer_expect(&e, "abc");
	peer_send(&e, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno");
	peer_head(&c);
	peer_expect(&c, "no");
	half_close(&c);
	peer_send(&e, "ne");
	peer_expect(&c, "ne");
	peer_expect_end(&c);
	stop(&w, &c, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_short_rest_of_a_body_is_read_past),
		cmocka_unit_test(a_long_rest_is_announced_as_the_end),
		cmocka_unit_test(a_client_that_ends_its_side_gets_its_response),
		cmocka_unit_test(pipelined_requests_before_the_end_are_served),
		cmocka_unit_test(a_body_that_waits_for_the_endpoint_outlives_the_end),
		cmocka_unit_test(a_body_that_never_comes_is_a_client_that_left),
		cmocka_unit_test(a_client_that_stops_after_an_early_answer_gets_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
