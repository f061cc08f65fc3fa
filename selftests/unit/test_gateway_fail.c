/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes wrong: endpoints that fail, clients that leave, both too slow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metric.h"
#include "gateway_world.h"

#define ONE                                                        \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define SHORT                                                                           \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, header_timeout: 50ms,"   \
	" body_timeout: 60ms, idle_timeout: 100ms, handshake_timeout: 50ms}]\n"         \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], response_timeout: 80ms," \
	" connect_timeout: 50ms}]\n"                                                    \
	"routes: [{name: all, cluster: app}]\n"
#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void start(struct world *w, struct peer *client, const char *yaml)
{
	world_start(w, yaml);
	peer_connect(client, w);
}

static void refuse_connections(struct world *w, int endpoint)
{
	close(w->endpoint_fd[endpoint]);
	w->endpoint_fd[endpoint] = -1;
}

static void an_endpoint_that_refuses_is_502(void **state)
{
	struct world w = { 0 };
	struct peer c;

	(void)state;
	start(&w, &c, ONE);
	refuse_connections(&w, 0);
	peer_send(&c, GET);
	peer_expect_problem(&c, "HTTP/1.1 502 ", "connect_failed");
	/* the client's connection is none the worse */
	peer_send(&c, GET);
	peer_expect_problem(&c, "HTTP/1.1 502 ", "connect_failed");
	peer_close(&c);
	world_stop(&w);
}

static void another_endpoint_is_asked_when_one_refuses(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c,
	      "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
	      "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\", \"127.0.0.1:$1\"],"
	      " retry_budget: 100}]\n"
	      "routes: [{name: all, cluster: app}]\n");
	refuse_connections(&w, 0);
	/* a POST too: nothing of it was sent. Whichever is chosen first, all are served. */
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	peer_accept(&e, &w, 1);
	for (int i = 0; i < 20; i++) {
		peer_head(&e);
		peer_expect(&e, "abc");
		peer_send(&e, OK);
		assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
		peer_expect(&c, "ok");
		peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	}
	peer_head(&e);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void responses_that_are_no_http_are_502(void **state)
{
	static const char *const cases[] = {
		"SSH-2.0-x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
		"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w = { 0 };
		struct peer c, e;

		start(&w, &c, ONE);
		peer_send(&c, GET);
		peer_accept(&e, &w, 0);
		peer_head(&e);
		peer_send(&e, cases[i]);
		peer_expect_problem(&c, "HTTP/1.1 502 ", "response_malformed");
		peer_expect_end(&e);
		peer_close(&e);
		peer_close(&c);
		world_stop(&w);
	}
}

static void a_response_head_without_end_is_502(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	size_t sent = 0;

	(void)state;
	start(&w, &c, ONE);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nA: ");
	WORLD_WAIT(&w,
		   (sent += peer_try_send(&e, "aaaaaaaaaaaaaaaa", 16), peer_receive(&c), c.len));
	assert_true(sent < 1 << 20);
	peer_expect_problem(&c, "HTTP/1.1 502 ", "response_");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void too_many_interim_responses_are_502(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, ONE);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	for (int i = 0; i < 100; i++)
		peer_send(&e, "HTTP/1.1 103 Early Hints\r\n\r\n");
	for (;;) {
		const char *head = peer_head(&c);

		if (strncmp(head, "HTTP/1.1 103 ", 13) != 0) {
			assert_int_equal(strncmp(head, "HTTP/1.1 502 ", 13), 0);
			break;
		}
	}
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void an_endpoint_that_is_too_slow_is_504(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, SHORT);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_expect_problem(&c, "HTTP/1.1 504 ", "response_timeout");
	peer_expect_end(&e); /* it is not waited for any more */
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void a_connect_that_hangs_is_504(void **state)
{
	struct world w = { 0 };
	struct peer c, fill[8];

	(void)state;
	start(&w, &c, SHORT);
	/* a full backlog drops SYNs: nobody answers */
	assert_int_equal(listen(w.endpoint_fd[0], 0), 0);
	for (int i = 0; i < 8; i++) {
		uint16_t port = w.port;

		w.port = w.endpoint_port[0];
		fill[i].fd = -1;
		if (i < 1)
			peer_connect(&fill[i], &w);
		w.port = port;
	}
	peer_send(&c, GET);
	peer_expect_problem(&c, "HTTP/1.1 504 ", "connect_timeout");
	peer_close(&fill[0]);
	peer_close(&c);
	world_stop(&w);
}

static void a_response_that_stalls_is_cut(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, SHORT);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
	peer_head(&c);
	peer_expect(&c, "abc");
	peer_expect_end(&c);
	world_expect_log(&w, "\"end\":\"upstream_stalled\"");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void slow_clients_cost_a_slot_for_a_while_only(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, SHORT);
	/* nothing at all: closed without a word */
	peer_expect_end(&c);
	peer_close(&c);
	/* half a head */
	peer_connect(&c, &w);
	peer_send(&c, "GET / HTTP/1.1\r\nHo");
	peer_expect_problem(&c, "HTTP/1.1 408 ", "client_timeout");
	peer_expect_end(&c);
	peer_close(&c);
	/* half a body */
	peer_connect(&c, &w);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_expect(&e, "abc");
	peer_expect_problem(&c, "HTTP/1.1 408 ", "client_timeout");
	peer_expect_end(&c);
	peer_expect_end(&e);
	peer_close(&e);
	peer_close(&c);
	/* half of a body that nobody wants */
	peer_connect(&c, &w);
	peer_send(&c, "POST /%zz HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
	peer_expect_problem(&c, "HTTP/1.1 400 ", "uri_invalid");
	peer_expect_end(&c);
	peer_close(&c);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	world_stop(&w);
}

static void a_byte_at_a_time_does_not_extend_the_header_timeout(void **state)
{
	struct world w = { 0 };
	struct peer c;
	uint64_t begin = clock_now_ns();

	(void)state;
	start(&w, &c, SHORT);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\nA: ");
	WORLD_WAIT(&w, (peer_try_send(&c, "a", 1), peer_receive(&c), c.len || c.ended || c.err));
	assert_true(clock_now_ns() - begin < 2000 * NS_PER_MS);
	peer_close(&c);
	world_stop(&w);
}

static void a_client_that_does_not_read_is_given_up(void **state)
{
	static char piece[65536];
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, SHORT);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
	WORLD_WAIT(&w, (peer_try_send(&e, piece, sizeof(piece)), e.err));
	world_expect_log(&w, "\"end\":\"client_stalled\"");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void a_client_that_leaves_cancels_its_request(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	/* while the endpoint thinks */
	start(&w, &c, ONE);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_reset(&c); /* an end in order may be of one side only */
	peer_expect_end(&e);
	peer_close(&e);
	world_expect_log(&w, "\"end\":\"client_gone\"");
	/* by a reset, in the middle of a response */
	peer_connect(&c, &w);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
	peer_head(&c);
	peer_reset(&c);
	peer_expect_end(&e);
	peer_close(&e);
	/* while it is being connected to */
	peer_connect(&c, &w);
	peer_send(&c, GET);
	peer_reset(&c);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	world_stop(&w);
}

static void more_than_the_endpoints_may_have_is_503(void **state)
{
	struct world w = { 0 };
	struct peer c, c2, e;

	(void)state;
	start(&w, &c,
	      "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
	      "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], max_connections: 1}]\n"
	      "routes: [{name: all, cluster: app}]\n");
	peer_connect(&c2, &w);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&c2, GET);
	peer_expect_problem(&c2, "HTTP/1.1 503 ", "overflow");
	peer_send(&e, OK);
	peer_head(&c);
	peer_expect(&c, "ok");
	/* the one that is free again serves the other client */
	peer_send(&c2, GET);
	peer_head(&e);
	peer_send(&e, OK);
	assert_int_equal(strncmp(peer_head(&c2), "HTTP/1.1 200 ", 13), 0);
	peer_close(&e);
	peer_close(&c);
	peer_close(&c2);
	world_stop(&w);
}

static void a_cluster_whose_endpoints_are_drained_is_503(void **state)
{
	struct world w = { 0 };
	struct peer c;

	(void)state;
	start(&w, &c,
	      "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
	      "clusters: [{name: app, endpoints: [{address: \"127.0.0.1:$0\", weight: 0}]}]\n"
	      "routes: [{name: all, cluster: app}]\n");
	peer_send(&c, GET);
	peer_expect_problem(&c, "HTTP/1.1 503 ", "no_endpoint");
	peer_close(&c);
	world_stop(&w);
}

static void kept_connections_end_by_their_timeout(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c,
	      "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
	      "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], idle_timeout: 30ms}]\n"
	      "routes: [{name: all, cluster: app}]\n");
	peer_warm_up(&c, &e);
	peer_expect_end(&e);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_that_refuses_is_502),
		cmocka_unit_test(another_endpoint_is_asked_when_one_refuses),
		cmocka_unit_test(responses_that_are_no_http_are_502),
		cmocka_unit_test(a_response_head_without_end_is_502),
		cmocka_unit_test(too_many_interim_responses_are_502),
		cmocka_unit_test(an_endpoint_that_is_too_slow_is_504),
		cmocka_unit_test(a_connect_that_hangs_is_504),
		cmocka_unit_test(a_response_that_stalls_is_cut),
		cmocka_unit_test(slow_clients_cost_a_slot_for_a_while_only),
		cmocka_unit_test(a_byte_at_a_time_does_not_extend_the_header_timeout),
		cmocka_unit_test(a_client_that_does_not_read_is_given_up),
		cmocka_unit_test(a_client_that_leaves_cancels_its_request),
		cmocka_unit_test(more_than_the_endpoints_may_have_is_503),
		cmocka_unit_test(a_cluster_whose_endpoints_are_drained_is_503),
		cmocka_unit_test(kept_connections_end_by_their_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
