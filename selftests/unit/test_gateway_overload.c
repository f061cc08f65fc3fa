/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker with too much to do gives up, in which order, and that it takes it back. */
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "gateway/overload.h"
#include "gateway_world.h"

#define CONF                                                                          \
	"agent: {worker_memory: 1GiB, worker_connections: 20, worker_lag: 2s}\n"      \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, idle_timeout: 60s}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                    \
	"routes: [{name: all, cluster: app}]\n"
#define GET	"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define GIB	(1ULL << 30)
#define TICK_NS (OVERLOAD_TICK_MS * NS_PER_MS)

static uint64_t ahead_ns;

static uint64_t clock_ahead(void)
{
	return clock_now_ns() + ahead_ns;
}

static void start_world(struct world *w)
{
	ahead_ns = 0;
	world_start(w, CONF);
	loop_set_clock(w->loop, clock_ahead);
}

/* The measure is taken once more. */
static void tick(struct world *w)
{
	ahead_ns += TICK_NS + 2 * NS_PER_MS;
	for (int i = 0; i < 3; i++)
		world_turn(w);
}

static uint64_t counter(enum metric_counter c)
{
	return metric_page->counter[c];
}

/* On the connection that there is, or on another: it may have been idle for too long. */
static bool is_asked(struct peer *e, struct world *w)
{
	struct peer other;

	if (peer_try_accept(&other, w, 0)) {
		if (e->fd >= 0)
			peer_close(e);
		*e = other;
	}
	if (e->fd >= 0)
		peer_receive(e);
	return e->fd >= 0 && e->len && strstr(e->data, "\r\n\r\n");
}

static void serve(struct peer *c, struct peer *e)
{
	peer_send(c, GET);
	WORLD_WAIT(c->w, is_asked(e, c->w));
	peer_head(e);
	peer_send(e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_non_null(strstr(peer_head(c), " 200 "));
}

static void short_of_memory_the_longest_idle_are_closed(void **state)
{
	static const uint64_t idle_s[3] = { 40, 12, 1 };
	const uint64_t closed = counter(METRIC_OVERLOAD_IDLE_CLOSED);
	struct peer c[3], e = { .fd = -1 };
	struct world w = { 0 };

	(void)state;
	start_world(&w);
	for (size_t i = 0; i < 3; i++) {
		peer_connect(&c[i], &w);
		serve(&c[i], &e);
		tick(&w);
		ahead_ns += (idle_s[i] - (i < 2 ? idle_s[i + 1] : 0)) * NS_PER_S;
		tick(&w); /* late, but once */
		assert_int_equal(gateway_overload(w.gateway), OVERLOAD_NONE);
	}
	w.memory_bytes = GIB / 100 * 91;
	tick(&w); /* idle for 30 s */
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_IDLE);
	peer_expect_end(&c[0]);
	assert_int_equal(counter(METRIC_OVERLOAD_IDLE_CLOSED) - closed, 1);
	tick(&w); /* 15 s */
	assert_int_equal(counter(METRIC_OVERLOAD_IDLE_CLOSED) - closed, 1);
	tick(&w); /* 7.5 s */
	peer_expect_end(&c[1]);
	assert_int_equal(counter(METRIC_OVERLOAD_IDLE_CLOSED) - closed, 2);
	w.memory_bytes = GIB / 2;
	for (int i = 0; i < 4; i++)
		tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_NONE);
	for (int i = 0; i < 8; i++)
		tick(&w);
	serve(&c[2], &e); /* which nobody needed to close */
	for (size_t i = 0; i < 3; i++)
		peer_close(&c[i]);
	peer_close(&e);
	world_stop(&w);
}

static void at_the_brim_no_connection_is_accepted_until_it_is_over(void **state)
{
	const uint64_t pauses = counter(METRIC_OVERLOAD_PAUSES);
	struct peer c, late, e = { .fd = -1 };
	struct world w = { 0 };

	(void)state;
	start_world(&w);
	peer_connect(&c, &w);
	serve(&c, &e);
	w.memory_bytes = GIB / 1000 * 960;
	tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_ACCEPT);
	peer_connect(&late, &w);
	peer_send(&late, GET);
	peer_send(&c, GET); /* who is there is served */
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_head(&c);
	peer_expect_silence(&late);
	assert_true(counter(METRIC_OVERLOAD_PAUSES) > pauses);
	assert_int_equal(gateway_connections(w.gateway), 1);
	w.memory_bytes = 0;
	for (int i = 0; i < 8 && gateway_overload(w.gateway); i++)
		tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_NONE);
	tick(&w);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_head(&late);
	peer_close(&c);
	peer_close(&late);
	peer_close(&e);
	world_stop(&w);
}

static void beyond_it_requests_are_answered_503(void **state)
{
	const uint64_t shed = counter(METRIC_OVERLOAD_SHED);
	struct peer c, e = { .fd = -1 };
	struct world w = { 0 };
	const char *head;

	(void)state;
	start_world(&w);
	peer_connect(&c, &w);
	serve(&c, &e);
	w.memory_bytes = GIB;
	tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_SHED);
	peer_send(&c, GET);
	head = peer_head(&c);
	assert_non_null(strstr(head, " 503 "));
	assert_string_equal(head_field(head, "Retry-After"), "1");
	assert_null(head_field(head, "Connection")); /* another one would cost more */
	peer_take(&c, strtoul(head_field(head, "Content-Length"), NULL, 10));
	assert_int_equal(counter(METRIC_OVERLOAD_SHED) - shed, 1);
	world_expect_log(&w, "\"overload\"");
	world_expect_log(&w, "\"overload.level\",\"level\":\"shed\",\"cause\":\"memory\"");
	w.memory_bytes = 0;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(gateway_overload(w.gateway), OVERLOAD_SHED);
		tick(&w);
	}
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_ACCEPT);
	serve(&c, &e);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_loop_that_lags_twice_in_a_row_is_overloaded(void **state)
{
	struct peer c, e = { .fd = -1 };
	struct world w = { 0 };

	(void)state;
	start_world(&w);
	peer_connect(&c, &w);
	serve(&c, &e);
	ahead_ns += 2500 * NS_PER_MS;
	tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_NONE); /* the machine's fault */
	ahead_ns += 1200 * NS_PER_MS;
	tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_ACCEPT);
	ahead_ns += 2500 * NS_PER_MS;
	tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_ACCEPT); /* 1.2 and 2.5 s */
	ahead_ns += 2500 * NS_PER_MS;
	tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_SHED);
	for (int i = 0; i < 20 && gateway_overload(w.gateway); i++)
		tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_NONE);
	serve(&c, &e); /* lag closes no idle connection: that would help nobody */
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void connections_are_bounded_over_all_listeners(void **state)
{
	struct peer c[19], late, e = { .fd = -1 };
	struct world w = { 0 };

	(void)state;
	start_world(&w);
	for (size_t i = 0; i < 19; i++) {
		peer_connect(&c[i], &w);
		serve(&c[i], &e);
	}
	tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_ACCEPT);
	peer_connect(&late, &w);
	peer_expect_silence(&late);
	assert_int_equal(gateway_connections(w.gateway), 19);
	for (size_t i = 0; i < 19; i++)
		peer_close(&c[i]);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	for (int i = 0; i < 9; i++)
		tick(&w);
	assert_int_equal(gateway_overload(w.gateway), OVERLOAD_NONE);
	serve(&late, &e);
	peer_close(&late);
	peer_close(&e);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_of_memory_the_longest_idle_are_closed),
		cmocka_unit_test(at_the_brim_no_connection_is_accepted_until_it_is_over),
		cmocka_unit_test(beyond_it_requests_are_answered_503),
		cmocka_unit_test(a_loop_that_lags_twice_in_a_row_is_overloaded),
		cmocka_unit_test(connections_are_bounded_over_all_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
