/* SPDX-License-Identifier: BSD-2-Clause */
/* What a change, a drain and an end of the gateway do to connections. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/metric.h"
#include "gateway_world.h"

#define TO(endpoint)                                                         \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"           \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:" endpoint "\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void answer(struct peer *e, struct peer *c)
{
	peer_send(e, OK);
	peer_head(c);
	peer_expect(c, "ok");
}

/* A connection that has been used, and waits for its next request. */
static void connect_and_ask(struct peer *c, struct world *w)
{
	peer_connect(c, w);
	peer_send(c, "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_head(c);
	peer_take(c, strtoul(head_field(c->head, "Content-Length"), NULL, 10));
}

static void a_request_in_flight_keeps_the_revision_that_decided_it(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	world_start(&w, TO("$0"));
	peer_connect(&c, &w);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	assert_int_equal(world_apply(&w, TO("$1")), 0);
	assert_int_equal(gateway_revision(w.gateway), 2);
	assert_int_equal(gateway_oldest_revision(w.gateway), 1);
	peer_expect_silence(&c);
	answer(&e, &c);
	WORLD_WAIT(&w, gateway_oldest_revision(w.gateway) == 2);
	/* the next request on the same connection is decided by the new one */
	peer_send(&c, GET);
	peer_accept(&e2, &w, 1);
	peer_head(&e2);
	answer(&e2, &c);
	/* and nobody needs the kept connection of the old one */
	peer_expect_end(&e);
	peer_close(&e);
	peer_close(&e2);
	peer_close(&c);
	world_stop(&w);
}

static void a_kept_connection_outlives_a_change_that_keeps_its_endpoint(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	world_start(&w, TO("$0"));
	peer_connect(&c, &w);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	answer(&e, &c);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(world_apply(&w, TO("$0")), 0);
		peer_send(&c, GET);
		peer_head(&e);
		answer(&e, &c);
	}
	assert_false(peer_try_accept(&e2, &w, 0));
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void a_tunnel_outlives_changes(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, TO("$0"));
	peer_connect(&c, &w);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n"
		      "Upgrade: websocket\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	peer_head(&c);
	assert_int_equal(world_apply(&w, TO("$1")), 0);
	peer_send(&c, "ping");
	peer_expect(&e, "ping");
	peer_send(&e, "pong");
	peer_expect(&c, "pong");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

#define WS                                                       \
	"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n" \
	"Upgrade: websocket\r\nX-Api-Key: key-of-a-consumer\r\n\r\n"

static void open_tunnel(struct world *w, struct peer *c, struct peer *e)
{
	peer_connect(c, w);
	peer_send(c, WS);
	peer_accept(e, w, 0);
	peer_head(e);
	peer_send(e, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	peer_head(c);
}

/* Its last line is written long after everything that it names is gone. */
static void a_tunnel_keeps_no_revision(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	struct metric_route before;
	char upstream[64];

	(void)state;
	world_start(&w, "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
			"clusters: [{name: gone-cluster, endpoints: [\"127.0.0.1:$0\"],"
			" response_timeout: 5s}]\n"
			"plans: [{name: p, limits: [{name: l, rate: 100/s}]}]\n"
			"consumers: [{name: gone-consumer, plan: p, keys: [key-of-a-consumer]}]\n"
			"routes: [{name: other, cluster: gone-cluster, paths: [/other]},"
			" {name: gone-route, cluster: gone-cluster, policies: {api_key: {}}}]\n");
	before = metric_page->route[1];
	open_tunnel(&w, &c, &e);
	assert_int_equal(world_apply(&w, TO("$1")), 0);
	assert_int_equal(gateway_oldest_revision(w.gateway), 2); /* the first one is freed */
	assert_int_equal(world_apply(&w, TO("$2")), 0);
	assert_int_equal(gateway_oldest_revision(w.gateway), 3);
	peer_send(&c, "ping");
	peer_expect(&e, "ping");
	peer_send(&e, "pong");
	peer_expect(&c, "pong");
	peer_close(&c);
	peer_expect_end(&e);
	peer_close(&e);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	world_expect_log(&w, "\"route\":\"gone-route\",\"cluster\":\"gone-cluster\"");
	world_expect_log(&w, "\"consumer\":\"gone-consumer\",\"status\":101");
	snprintf(upstream, sizeof(upstream), "\"upstream\":\"127.0.0.1:%u\"", w.endpoint_port[0]);
	world_expect_log(&w, upstream);
	/* counted where it was decided: 1xx, and the bytes */
	assert_int_equal(metric_page->route[1].responses[0], before.responses[0] + 1);
	assert_int_equal(metric_page->route[1].bytes_in,
			 before.bytes_in + strlen(WS) + strlen("ping"));
	world_stop(&w);
}

static void a_tunnel_keeps_its_timeout_over_a_change(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w,
		    "listeners: [{name: web, address: 127.0.0.1, port: 80, idle_timeout: 50ms}]\n"
		    "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"],"
		    " tunnel_timeout: 100ms}]\n"
		    "routes: [{name: all, cluster: app}]\n");
	open_tunnel(&w, &c, &e);
	assert_int_equal(world_apply(&w, "listeners: [{name: web, address: 127.0.0.1, port: 80,"
					 " idle_timeout: 50ms}]\n"
					 "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"],"
					 " tunnel_timeout: 1h}]\n"
					 "routes: [{name: all, cluster: app}]\n"),
			 0);
	peer_send(&c, "ping"); /* its time begins anew, and is what it was */
	peer_expect(&e, "ping");
	peer_expect_end(&c);
	world_expect_log(&w, "\"end\":\"tunnel_idle\"");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

/* Connections of a listener that is gone are decided by the last revision that had it. */
static void a_tunnel_of_a_listener_that_is_gone_keeps_no_revision(void **state)
{
	static const char *const with = "listeners: [{name: a, address: 127.0.0.1, port: 80},"
					" {name: b, address: 127.0.0.1, port: 81}]\n"
					"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"
					"routes: [{name: all, cluster: app}]\n";
	static const char *const without =
		"listeners: [{name: b, address: 127.0.0.1, port: 81}]\n"
		"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"
		"routes: [{name: all, cluster: app}]\n";
	struct world w = { 0 };
	struct peer c, c2, e, e2;

	(void)state;
	world_start(&w, with);
	open_tunnel(&w, &c, &e);
	peer_connect(&c2, &w);
	peer_send(&c2, GET);
	peer_accept(&e2, &w, 0);
	peer_head(&e2);
	assert_int_equal(world_apply(&w, without), 0);
	assert_int_equal(gateway_oldest_revision(w.gateway), 1); /* for c2 */
	answer(&e2, &c2);
	peer_expect_end(&c2);
	peer_close(&c2);
	WORLD_WAIT(&w, gateway_oldest_revision(w.gateway) == 2);
	peer_send(&c, "ping");
	peer_expect(&e, "ping");
	peer_close(&e);
	peer_close(&e2);
	peer_close(&c);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	world_expect_log(&w, "\"listener\":\"a\"");
	world_stop(&w);
}

static void a_listener_that_goes_lets_its_connections_finish(void **state)
{
	struct world w = { 0 };
	struct peer c, idle, fresh, e, e2;

	(void)state;
	world_start(&w, "listeners: [{name: a, address: 127.0.0.1, port: 80},"
			" {name: b, address: 127.0.0.1, port: 81}]\n"
			"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]},"
			" {name: other, endpoints: [\"127.0.0.1:$1\"]}]\n"
			"routes: [{name: ours, listeners: [a], cluster: app},"
			" {name: theirs, listeners: [b], cluster: other}]\n");
	peer_connect(&c, &w);
	peer_connect(&fresh, &w);
	connect_and_ask(&idle, &w);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	assert_int_equal(world_apply(&w,
				     "listeners: [{name: b, address: 127.0.0.1, port: 81}]\n"
				     "clusters: [{name: other, endpoints: [\"127.0.0.1:$1\"]}]\n"
				     "routes: [{name: theirs, cluster: other}]\n"),
			 0);
	peer_expect_end(&idle);
	/* a connection that had not asked yet: by the routes it came under, not by those of b */
	peer_send(&fresh, GET);
	peer_accept(&e2, &w, 0);
	peer_head(&e2);
	peer_send(&e2, OK);
	assert_string_equal(head_field(peer_head(&fresh), "Connection"), "close");
	peer_expect(&fresh, "ok");
	peer_expect_end(&fresh);
	peer_send(&e, OK);
	assert_string_equal(head_field(peer_head(&c), "Connection"), "close");
	peer_expect(&c, "ok");
	peer_expect_end(&c);
	peer_close(&e);
	peer_close(&e2);
	peer_close(&c);
	peer_close(&fresh);
	peer_close(&idle);
	world_stop(&w);
}

static void a_revision_that_fails_changes_nothing(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, TO("$0"));
	/* a listener without a socket */
	assert_int_equal(world_apply(&w, "listeners: [{name: web, address: 127.0.0.1, port: 80},"
					 " {name: new, address: 127.0.0.1, port: 81}]\n"
					 "clusters: [{name: app, endpoints: [\"127.0.0.1:$1\"]}]\n"
					 "routes: [{name: all, cluster: app}]\n"),
			 -EINVAL);
	assert_int_equal(gateway_revision(w.gateway), 1);
	peer_connect(&c, &w);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	answer(&e, &c);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void on_drained(void *ctx)
{
	((struct world *)ctx)->drained = true;
}

static void a_drain_lets_requests_finish_and_ends(void **state)
{
	struct world w = { 0 };
	struct peer idle, late, fresh, busy, half, e, e2, e3;

	(void)state;
	world_start(&w, TO("$0"));
	connect_and_ask(&idle, &w);
	connect_and_ask(&late, &w);
	peer_connect(&fresh, &w);
	peer_connect(&busy, &w);
	peer_connect(&half, &w);
	peer_send(&busy, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&half, "GET /half HTTP/1.1\r\nHo");
	peer_expect_silence(&half);
	gateway_drain(w.gateway, on_drained, &w);
	peer_send(&late, GET);
	peer_accept(&e3, &w, 0);
	peer_head(&e3);
	peer_send(&e3, OK);
	assert_string_equal(head_field(peer_head(&late), "Connection"), "close");
	peer_expect(&late, "ok");
	peer_expect_end(&late);
	peer_close(&late);
	peer_close(&e3);
	/* one that connected a moment ago is going to ask */
	peer_expect_silence(&fresh);
	peer_send(&fresh, "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_string_equal(head_field(peer_head(&fresh), "Connection"), "close");
	peer_take(&fresh, strtoul(head_field(fresh.head, "Content-Length"), NULL, 10));
	peer_expect_end(&fresh);
	peer_close(&fresh);
	peer_expect_end(&idle);
	peer_expect_silence(&busy);
	peer_send(&half, "st: h\r\n\r\n");
	peer_accept(&e2, &w, 0);
	peer_head(&e2);
	peer_send(&e2, OK);
	assert_string_equal(head_field(peer_head(&half), "Connection"), "close");
	peer_expect(&half, "ok");
	peer_expect_end(&half);
	assert_false(w.drained);
	peer_send(&e, OK);
	assert_string_equal(head_field(peer_head(&busy), "Connection"), "close");
	peer_expect(&busy, "ok");
	peer_expect_end(&busy);
	peer_close(&idle);
	peer_close(&half);
	peer_close(&busy);
	WORLD_WAIT(&w, w.drained);
	assert_int_equal(gateway_connections(w.gateway), 0);
	world_expect_log(&w, "\"event\":\"drain.end\",\"finished\":5,\"cut\":0,\"duration_ms\":");
	peer_close(&e);
	peer_close(&e2);
	world_stop(&w);
}

static void a_drain_does_not_wait_for_who_says_nothing(void **state)
{
	struct world w = { 0 };
	struct peer c, begun;
	uint64_t begin_ns;

	(void)state;
	world_start(&w, TO("$0")); /* header_timeout is 10 s */
	peer_connect(&c, &w);
	peer_connect(&begun, &w);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 2);
	begin_ns = clock_now_ns();
	gateway_drain(w.gateway, on_drained, &w);
	peer_send(&begun, "GET /%zz HT"); /* it has its time, as ever */
	peer_expect_end(&c);
	assert_true(clock_now_ns() - begin_ns < 5000 * NS_PER_MS);
	peer_send(&begun, "TP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&begun), "HTTP/1.1 400 ", 13), 0);
	peer_close(&begun);
	WORLD_WAIT(&w, w.drained);
	peer_close(&c);
	world_stop(&w);
}

static void a_drain_ends_by_its_timeout_and_says_what_it_cut(void **state)
{
	struct world w = { 0 };
	struct peer c, t, e, e2;

	(void)state;
	world_start(&w, "agent: {drain_timeout: 1s}\n" TO("$0"));
	open_tunnel(&w, &t, &e);
	peer_connect(&c, &w);
	peer_send(&c, GET);
	peer_accept(&e2, &w, 0);
	peer_head(&e2);
	gateway_drain(w.gateway, on_drained, &w);
	WORLD_WAIT(&w, w.drained);
	world_expect_log(&w, "\"event\":\"drain.end\",\"finished\":0,\"cut\":2,\"duration_ms\":");
	world_expect_log(&w, "\"end\":\"shutdown\"");
	peer_expect_end(&e);
	peer_expect_end(&e2);
	peer_close(&c);
	peer_close(&t);
	peer_close(&e);
	peer_close(&e2);
	world_stop(&w);
}

static void a_drain_without_connections_ends_at_once(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_start(&w, TO("$0"));
	gateway_drain(w.gateway, on_drained, &w);
	WORLD_WAIT(&w, w.drained);
	world_stop(&w);
}

/* The sanitizer looks for what was not given back. */
static void a_gateway_can_be_freed_in_the_midst_of_everything(void **state)
{
	struct world w = { 0 };
	struct peer c[4], e, e2;

	(void)state;
	world_start(&w, TO("$0"));
	for (int i = 0; i < 4; i++)
		peer_connect(&c[i], &w);
	peer_send(&c[0], GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	answer(&e, &c[0]);
	peer_send(&c[1], "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
	peer_head(&e);
	peer_send(&c[2], GET);
	peer_accept(&e2, &w, 0);
	peer_head(&e2);
	peer_send(&e2, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
	peer_head(&c[2]);
	peer_send(&c[3], "GET / HT");
	peer_expect_silence(&c[3]);
	assert_int_equal(world_apply(&w, TO("$1")), 0);
	world_stop(&w);
	for (int i = 0; i < 4; i++)
		peer_close(&c[i]);
	peer_close(&e);
	peer_close(&e2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_in_flight_keeps_the_revision_that_decided_it),
		cmocka_unit_test(a_kept_connection_outlives_a_change_that_keeps_its_endpoint),
		cmocka_unit_test(a_tunnel_outlives_changes),
		cmocka_unit_test(a_tunnel_keeps_no_revision),
		cmocka_unit_test(a_tunnel_keeps_its_timeout_over_a_change),
		cmocka_unit_test(a_tunnel_of_a_listener_that_is_gone_keeps_no_revision),
		cmocka_unit_test(a_listener_that_goes_lets_its_connections_finish),
		cmocka_unit_test(a_revision_that_fails_changes_nothing),
		cmocka_unit_test(a_drain_lets_requests_finish_and_ends),
		cmocka_unit_test(a_drain_does_not_wait_for_who_says_nothing),
		cmocka_unit_test(a_drain_ends_by_its_timeout_and_says_what_it_cut),
		cmocka_unit_test(a_drain_without_connections_ends_at_once),
		cmocka_unit_test(a_gateway_can_be_freed_in_the_midst_of_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
