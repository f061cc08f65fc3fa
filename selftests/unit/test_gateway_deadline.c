/* SPDX-License-Identifier: BSD-2-Clause */
/* Deadlines that a peer cannot push away by a byte now and then. */
#include <string.h>
#include <sys/socket.h>

#include "gateway_world.h"

#define SLOW                                                                                \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, body_timeout: 200ms}]\n"     \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], response_timeout: 200ms}]\n" \
	"routes: [{name: all, cluster: app, paths: [/a]}]\n"

/* The same with a total, and patience else. */
#define TOTAL                                                                     \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, body_timeout: 5s," \
	" body_total_timeout: 400ms}]\n"                                          \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                \
	"routes: [{name: all, cluster: app, paths: [/a]}]\n"

#define PATIENT                                                                     \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, body_timeout: 50ms," \
	" body_total_timeout: 50ms}]\n"                                             \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                  \
	"routes: [{name: all, cluster: app, paths: [/a]}]\n"

#define SECOND                                                                       \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, body_timeout: 1s}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                   \
	"routes: [{name: all, cluster: app, paths: [/a]}]\n"

#define EVERY_MS 20
#define TEN	 "xxxxxxxxxx"
#define HUNDRED	 TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void wait_ms(struct world *w, uint64_t ms)
{
	uint64_t end = clock_now_ns() + ms * NS_PER_MS;

	while (clock_now_ns() < end)
		world_turn(w);
}

/* Send text every 20 ms until the client got something or `for_ms` are over. */
static void drip(struct world *w, struct peer *from, struct peer *client, const char *text,
		 uint64_t for_ms)
{
	uint64_t end = clock_now_ns() + for_ms * NS_PER_MS, next = 0;

	while (clock_now_ns() < end && !client->len && !client->ended && !client->err) {
		if (clock_now_ns() >= next) {
			peer_try_send(from, text, strlen(text));
			next = clock_now_ns() + EVERY_MS * NS_PER_MS;
		}
		world_turn(w);
		peer_receive(client);
	}
}

static void a_body_that_drips_is_a_timeout(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, SLOW);
	peer_connect(&c, &w);
	peer_send(&c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	drip(&w, &c, &c, "x", 2000);
	assert_true(c.len); /* while it went on */
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 408 ", 13), 0);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_slow_but_steady_body_lives(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, SLOW);
	peer_connect(&c, &w);
	peer_send(&c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	drip(&w, &c, &c, HUNDRED, 700); /* more than three times body_timeout */
	assert_int_equal(c.len, 0);
	assert_false(c.ended || c.err);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_dripping_rest_is_not_read_for_ever(void **state)
{
	struct world w = { 0 };
	struct peer c;

	(void)state;
	world_start(&w, SLOW);
	peer_connect(&c, &w);
	peer_send(&c, "POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 404 ", 13), 0);
	WORLD_WAIT(&w, (peer_receive(&c), c.len && strchr(c.data, '}')));
	c.len = 0;
	drip(&w, &c, &c, "x", 2000);
	assert_true(c.ended || c.err);
	peer_close(&c);
	world_stop(&w);
}

static void a_body_is_not_waited_for_longer_than_its_total(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, TOTAL);
	peer_connect(&c, &w);
	peer_send(&c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	drip(&w, &c, &c, HUNDRED, 5000); /* fast enough, but for ever */
	assert_true(c.len);		 /* while it went on */
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 408 ", 13), 0);
	world_expect_log(&w, "\"end\":\"client_timeout\"");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_total_for_the_body_is_none_for_the_response(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	uint64_t end;

	(void)state;
	world_start(&w, TOTAL);
	peer_connect(&c, &w);
	peer_send(&c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_expect(&e, "ok");
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	peer_head(&c);
	end = clock_now_ns() + 1000 * NS_PER_MS;
	while (clock_now_ns() < end) {
		drip(&w, &e, &c, "x", 10000);
		peer_expect(&c, "x");
	}
	assert_false(c.ended || c.err);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

/* Without data on its way nobody is slow, however long nothing comes. */
static void an_idle_stream_of_events_is_not_slow(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, PATIENT);
	peer_connect(&c, &w);
	peer_send(&c, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	peer_head(&c);
	wait_ms(&w, 500); /* body_timeout is 50 ms */
	peer_send(&e, "2\r\nhi\r\n");
	peer_expect(&c, "2\r\nhi\r\n");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

/* The endpoint sends as fast as it can; the client takes n bytes each 20 ms. */
static void read_slowly(struct world *w, struct peer *c, struct peer *e, size_t n, uint64_t for_ms)
{
	static char piece[65536], sink[65536];
	uint64_t end = clock_now_ns() + for_ms * NS_PER_MS, next = 0;

	while (clock_now_ns() < end && !e->err) {
		peer_try_send(e, piece, sizeof(piece));
		if (clock_now_ns() >= next) {
			ssize_t got = recv(c->fd, sink, n, 0);

			if (got == 0)
				return;
			next = clock_now_ns() + EVERY_MS * NS_PER_MS;
		}
		world_turn(w);
	}
}

static void start_download(struct world *w, struct peer *c, struct peer *e)
{
	world_start(w, SLOW);
	peer_connect(c, w);
	peer_send(c, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(e, w, 0);
	peer_head(e);
	peer_send(e, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
	peer_head(c);
}

static void a_client_that_takes_a_byte_now_and_then_is_given_up(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start_download(&w, &c, &e);
	read_slowly(&w, &c, &e, 1, 5000);
	assert_int_not_equal(e.err, 0);
	world_expect_log(&w, "\"end\":\"client_stalled\"");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

/* The kernel sends for many periods what it once took from us: only what is acknowledged tells. */
static void a_slow_but_steady_reader_lives(void **state)
{
	int room = 65536;
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, SECOND);
	peer_connect(&c, &w);
	setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	peer_send(&c, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
	peer_head(&c);
	read_slowly(&w, &c, &e, 4096, 3500); /* far more than body_timeout */
	assert_int_equal(e.err, 0);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void an_endpoint_that_drips_its_head_is_a_timeout(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, SLOW);
	peer_connect(&c, &w);
	peer_send(&c, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nA: ");
	drip(&w, &e, &c, "x", 2000);
	assert_true(c.len); /* while it went on */
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 504 ", 13), 0);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void interim_responses_buy_no_time(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	uint64_t end = clock_now_ns() + 2000 * NS_PER_MS;
	unsigned int n = 0;

	(void)state;
	world_start(&w, SLOW);
	peer_connect(&c, &w);
	peer_send(&c, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	while (clock_now_ns() < end && n++ < 25) { /* more than 32 would be an error of their own */
		peer_send(&e, "HTTP/1.1 102 Processing\r\n\r\n");
		if (strncmp(peer_head(&c), "HTTP/1.1 102 ", 13) != 0)
			break;
		wait_ms(&w, 40);
	}
	assert_int_equal(strncmp(c.head, "HTTP/1.1 504 ", 13), 0);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

/* The time is that of one attempt, and of the response: what the body took does not count. */
static void the_time_for_a_response_begins_with_the_end_of_the_body(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, SLOW);
	peer_connect(&c, &w);
	peer_send(&c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3001\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	for (int i = 0; i < 30; i++) {
		peer_send(&c, HUNDRED);
		wait_ms(&w, 15); /* 450 ms in all */
	}
	peer_send(&c, "x");
	peer_take(&e, 3001);
	wait_ms(&w, 100); /* response_timeout is 200 ms */
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

/* Minutes in a moment: what waits in real time as well cannot make these tests late. */
static uint64_t ahead_ns;

static uint64_t clock_ahead(void)
{
	return clock_now_ns() + ahead_ns;
}

#define BOTH "endpoints: [\"127.0.0.1:$0\", \"127.0.0.1:$1\"]"
#define IN_20S(cluster, route)                                     \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n" \
	"clusters: [{name: app, " BOTH cluster "}]\n"              \
	"routes: [{name: all, cluster: app" route "}]\n"

static void start_ahead(struct world *w, struct peer *c, const char *yaml)
{
	world_start(w, yaml);
	ahead_ns = 0;
	loop_set_clock(w->loop, clock_ahead);
	peer_connect(c, w);
}

static int accept_any(struct world *w, struct peer *e)
{
	int which = 0;

	WORLD_WAIT(w, peer_try_accept(e, w, which = 0) || peer_try_accept(e, w, which = 1));
	return which;
}

static void a_route_has_a_deadline_over_everything(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start_ahead(&w, &c, IN_20S("", ", timeout: 20s"));
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	accept_any(&w, &e);
	peer_head(&e);
	ahead_ns += 19 * NS_PER_S;
	peer_expect_silence(&c);
	ahead_ns += 2 * NS_PER_S;
	head = peer_head(&c);
	assert_int_equal(strncmp(head, "HTTP/1.1 504 ", 13), 0);
	assert_string_equal(head_field(head, "Proxy-Status"),
			    "sluice; error=http_response_timeout; details=\"deadline\"");
	peer_expect_end(&e); /* and nobody else is asked */
	peer_close(&e);
	assert_false(peer_try_accept(&e, &w, 0) || peer_try_accept(&e, &w, 1));
	world_expect_log(&w, "\"end\":\"deadline\"");
	peer_close(&c);
	world_stop(&w);
}

static void a_response_that_is_not_over_by_then_is_cut(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start_ahead(&w, &c, IN_20S("", ", timeout: 20s"));
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	accept_any(&w, &e);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
	peer_head(&c);
	peer_expect(&c, "half");
	for (int i = 0; i < 3; i++) { /* bytes do not begin it anew */
		ahead_ns += 7 * NS_PER_S;
		peer_try_send(&e, "x", 1);
		world_turn(&w);
	}
	WORLD_WAIT(&w, (peer_receive(&c), c.ended || c.err));
	world_expect_log(&w, "\"end\":\"deadline\"");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void a_late_attempt_goes_to_another_endpoint(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;
	int first;

	(void)state;
	start_ahead(&w, &c, IN_20S(", try_timeout: 20s", ""));
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	first = accept_any(&w, &e);
	peer_head(&e);
	ahead_ns += 21 * NS_PER_S;
	peer_accept(&e2, &w, !first);
	peer_head(&e2);
	peer_expect_end(&e);
	peer_send(&e2, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
	peer_close(&e);
	peer_close(&e2);
	peer_close(&c);
	world_stop(&w);
}

static void a_late_attempt_that_cannot_be_repeated_is_504(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start_ahead(&w, &c, IN_20S(", try_timeout: 20s", ""));
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
	accept_any(&w, &e);
	peer_head(&e);
	peer_expect(&e, "x");
	ahead_ns += 21 * NS_PER_S;
	head = peer_head(&c);
	assert_int_equal(strncmp(head, "HTTP/1.1 504 ", 13), 0);
	assert_non_null(strstr(head_field(head, "Proxy-Status"), "response_timeout"));
	peer_expect_end(&e);
	peer_close(&e);
	assert_false(peer_try_accept(&e, &w, 0) || peer_try_accept(&e, &w, 1));
	peer_close(&c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_has_a_deadline_over_everything),
		cmocka_unit_test(a_response_that_is_not_over_by_then_is_cut),
		cmocka_unit_test(a_late_attempt_goes_to_another_endpoint),
		cmocka_unit_test(a_late_attempt_that_cannot_be_repeated_is_504),
		cmocka_unit_test(a_body_that_drips_is_a_timeout),
		cmocka_unit_test(a_slow_but_steady_body_lives),
		cmocka_unit_test(a_dripping_rest_is_not_read_for_ever),
		cmocka_unit_test(a_body_is_not_waited_for_longer_than_its_total),
		cmocka_unit_test(a_total_for_the_body_is_none_for_the_response),
		cmocka_unit_test(an_idle_stream_of_events_is_not_slow),
		cmocka_unit_test(a_client_that_takes_a_byte_now_and_then_is_given_up),
		cmocka_unit_test(a_slow_but_steady_reader_lives),
		cmocka_unit_test(an_endpoint_that_drips_its_head_is_a_timeout),
		cmocka_unit_test(interim_responses_buy_no_time),
		cmocka_unit_test(the_time_for_a_response_begins_with_the_end_of_the_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
