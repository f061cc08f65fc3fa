/* SPDX-License-Identifier: BSD-2-Clause */
/* Upgrades: what becomes a tunnel, and how it ends. */
#include <stdlib.h>
#include <string.h>

#include "gateway_world.h"

#define LONG                                                       \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define BRIEF                                                                            \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, idle_timeout: 30ms}]\n"   \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], tunnel_timeout: 60ms}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define UPGRADE                                                              \
	"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n" \
	"Upgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n\r\n"
#define SWITCH                                                        \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n" \
	"Upgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n"

static void open_tunnel(struct world *w, struct peer *c, struct peer *e, const char *yaml)
{
	const char *head;

	world_start(w, yaml);
	peer_connect(c, w);
	peer_send(c, UPGRADE);
	peer_accept(e, w, 0);
	head = peer_head(e);
	assert_string_equal(head_field(head, "Connection"), "upgrade");
	assert_string_equal(head_field(head, "Upgrade"), "websocket");
	assert_string_equal(head_field(head, "Sec-WebSocket-Key"), "x");
	peer_send(e, SWITCH "hello");
	head = peer_head(c);
	assert_int_equal(strncmp(head, "HTTP/1.1 101 ", 13), 0);
	assert_string_equal(head_field(head, "Connection"), "upgrade");
	assert_string_equal(head_field(head, "Upgrade"), "websocket");
	assert_string_equal(head_field(head, "Sec-WebSocket-Accept"), "y");
	peer_expect(c, "hello");
}

static void stop(struct world *w, struct peer *c, struct peer *e)
{
	peer_close(c);
	peer_close(e);
	world_stop(w);
}

static void a_tunnel_carries_bytes_both_ways(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	open_tunnel(&w, &c, &e, LONG);
	peer_send(&c, "GET /evil HTTP/1.1\r\n\r\n"); /* just bytes */
	peer_expect(&e, "GET /evil HTTP/1.1\r\n\r\n");
	peer_send(&e, "pong");
	peer_expect(&c, "pong");
	/* the end of one side is the end of the other, after what was said */
	peer_send(&e, "bye");
	peer_close(&e);
	peer_expect(&c, "bye");
	peer_expect_end(&c);
	peer_close(&c);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	world_expect_log(&w, "\"status\":101");
	world_stop(&w);
}

static void a_client_that_leaves_ends_the_tunnel(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	open_tunnel(&w, &c, &e, LONG);
	peer_send(&c, "bye");
	peer_close(&c);
	peer_expect(&e, "bye");
	peer_expect_end(&e);
	peer_close(&e);
	world_stop(&w);
}

static void a_tunnel_is_bounded_both_ways(void **state)
{
	static char piece[65536];
	struct world w = { 0 };
	struct peer c, e;
	size_t up = 0, down = 0, got = 0;

	(void)state;
	open_tunnel(&w, &c, &e, LONG);
	for (int idle = 0; idle < 20;) {
		size_t n = peer_try_send(&c, piece, sizeof(piece));
		size_t m = peer_try_send(&e, piece, sizeof(piece));

		up += n;
		down += m;
		idle = n + m ? 0 : idle + 1;
		assert_true(up < 64U << 20 && down < 64U << 20);
		world_turn(&w);
	}
	peer_take(&e, up);
	WORLD_WAIT(&w, (peer_receive(&c), got += c.len, c.len = 0, got == down));
	stop(&w, &c, &e);
}

static void a_silent_tunnel_is_closed(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	open_tunnel(&w, &c, &e, BRIEF);
	peer_expect_end(&c);
	peer_expect_end(&e);
	world_expect_log(&w, "\"end\":\"tunnel_idle\"");
	stop(&w, &c, &e);
}

static uint64_t ahead_ns;

static uint64_t clock_ahead(void)
{
	return clock_now_ns() + ahead_ns;
}

/* A WebSocket lives by its pings, whatever the timeouts of requests and of its route are. */
static void a_tunnel_lives_as_long_as_a_side_speaks(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	ahead_ns = 0;
	open_tunnel(&w, &c, &e,
		    "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
		    "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"
		    "routes: [{name: all, cluster: app, timeout: 5m}]\n");
	loop_set_clock(w.loop, clock_ahead);
	for (int minutes = 0; minutes < 90; minutes += 9) {
		ahead_ns += 9 * 60 * NS_PER_S;
		peer_expect_silence(&c);
		peer_send(minutes % 2 ? &c : &e, "ping");
		peer_expect(minutes % 2 ? &e : &c, "ping");
	}
	ahead_ns += 10 * 60 * NS_PER_S + NS_PER_S;
	peer_expect_end(&c);
	peer_expect_end(&e);
	world_expect_log(&w, "\"end\":\"tunnel_idle\"");
	stop(&w, &c, &e);
}

static void other_protocols_are_not_passed_on(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	world_start(&w, LONG);
	peer_connect(&c, &w);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
		      "Upgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	assert_null(head_field(head, "Upgrade"));
	assert_null(head_field(head, "Connection"));
	assert_null(head_field(head, "HTTP2-Settings"));
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
	stop(&w, &c, &e);
}

static void an_upgrade_may_be_declined(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, LONG);
	peer_connect(&c, &w);
	peer_send(&c, UPGRADE);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 400 ", 13), 0);
	/* and the connection is HTTP still */
	peer_send(&c, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&e), "GET /2 ", 7), 0);
	stop(&w, &c, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_carries_bytes_both_ways),
		cmocka_unit_test(a_client_that_leaves_ends_the_tunnel),
		cmocka_unit_test(a_tunnel_is_bounded_both_ways),
		cmocka_unit_test(a_silent_tunnel_is_closed),
		cmocka_unit_test(a_tunnel_lives_as_long_as_a_side_speaks),
		cmocka_unit_test(other_protocols_are_not_passed_on),
		cmocka_unit_test(an_upgrade_may_be_declined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
