/* SPDX-License-Identifier: BSD-2-Clause */
/* When a request is sent again, and when never. */
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
#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void start(struct world *w, struct peer *client, const char *yaml)
{
	world_start(w, yaml);
	peer_connect(client, w);
}

static void a_kept_connection_that_died_is_no_failure(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;
	uint64_t failures = metric_page->cluster[0].failures;

	(void)state;
	start(&w, &c, ONE);
	peer_warm_up(&c, &e);
	/* closed before the request: seen when it is taken from the pool */
	peer_close(&e);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, OK);
	peer_head(&c);
	peer_expect(&c, "ok");
	/* closed when the request is on its way: asked again on a new one */
	peer_send(&c, GET);
	peer_head(&e);
	peer_close(&e);
	peer_accept(&e2, &w, 0);
	peer_head(&e2);
	peer_send(&e2, OK);
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
	peer_expect(&c, "ok");
	assert_int_equal(metric_page->cluster[0].failures, failures);
	peer_close(&e2);
	peer_close(&c);
	world_stop(&w);
}

static void a_post_that_was_sent_is_never_sent_again(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	start(&w, &c, ONE);
	peer_warm_up(&c, &e);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	peer_head(&e);
	peer_close(&e);
	peer_expect_problem(&c, "HTTP/1.1 502 ", "upstream_reset");
	assert_false(peer_try_accept(&e2, &w, 0));
	peer_close(&c);
	world_stop(&w);
}

/* The endpoint had closed before: the socket is asked before anything is sent. */
static void a_post_of_which_nothing_was_sent_goes_by_another_connection(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, ONE);
	peer_warm_up(&c, &e);
	peer_close(&e);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_expect(&e, "abc");
	peer_send(&e, OK);
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 200 ", 13), 0);
	peer_expect(&c, "ok");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void what_is_sent_again_is_the_same_to_the_byte(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;
	char *first;

	(void)state;
	start(&w, &c, ONE);
	peer_warm_up(&c, &e);
	/* no body of its own: the next request behind it is not taken for one */
	peer_send(&c, "DELETE /x?y=%41 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\n\r\n" GET);
	first = strdup(peer_head(&e));
	peer_expect_silence(&e);
	peer_close(&e);
	peer_accept(&e2, &w, 0);
	assert_string_equal(peer_head(&e2), first);
	peer_expect_silence(&e2);
	free(first);
	peer_send(&e2, OK);
	peer_head(&c);
	peer_expect(&c, "ok");
	assert_int_equal(strncmp(peer_head(&e2), "GET / ", 6), 0);
	peer_close(&e2);
	peer_close(&c);
	world_stop(&w);
}

static void a_put_with_a_body_is_never_sent_again(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	start(&w, &c, ONE);
	peer_warm_up(&c, &e);
	peer_send(&c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	peer_head(&e);
	peer_expect(&e, "abc");
	peer_close(&e);
	peer_expect_problem(&c, "HTTP/1.1 502 ", "upstream_reset");
	assert_false(peer_try_accept(&e2, &w, 0));
	peer_close(&c);
	world_stop(&w);
}

static void nothing_is_sent_again_once_a_response_began(void **state)
{
	struct world w = { 0 };
	struct peer c, e, e2;

	(void)state;
	start(&w, &c, ONE);
	peer_warm_up(&c, &e);
	peer_send(&c, GET);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 2");
	peer_expect_silence(&c);
	peer_close(&e);
	peer_expect_problem(&c, "HTTP/1.1 502 ", "upstream_reset");
	assert_false(peer_try_accept(&e2, &w, 0));
	peer_close(&c);
	world_stop(&w);
}

/* Each request costs the endpoint as many connections as were tried. */
static void retries_stop_where_the_budget_ends(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	unsigned int asked = 0;

	(void)state;
	start(&w, &c,
	      "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
	      "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], retry_budget: 20}]\n"
	      "routes: [{name: all, cluster: app}]\n");
	for (int i = 0; i < 50; i++) {
		peer_send(&c, GET);
		WORLD_WAIT(&w, ({
			if (peer_try_accept(&e, &w, 0)) {
				asked++;
				peer_head(&e);
				peer_close(&e);
			}
			peer_receive(&c);
			c.len > 0;
		}));
		peer_expect_problem(&c, "HTTP/1.1 502 ", "upstream_reset");
	}
	/* 50 requests, 3 retries to begin with and 20 % of 50 */
	assert_int_equal(asked, 50 + 3 + 10);
	peer_close(&c);
	world_stop(&w);
}

static void no_budget_is_no_retry(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c,
	      "listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"
	      "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], retry_budget: 0}]\n"
	      "routes: [{name: all, cluster: app}]\n");
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_close(&e);
	peer_expect_problem(&c, "HTTP/1.1 502 ", "upstream_reset");
	peer_close(&c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kept_connection_that_died_is_no_failure),
		cmocka_unit_test(a_post_that_was_sent_is_never_sent_again),
		cmocka_unit_test(a_post_of_which_nothing_was_sent_goes_by_another_connection),
		cmocka_unit_test(what_is_sent_again_is_the_same_to_the_byte),
		cmocka_unit_test(a_put_with_a_body_is_never_sent_again),
		cmocka_unit_test(nothing_is_sent_again_once_a_response_began),
		cmocka_unit_test(retries_stop_where_the_budget_ends),
		cmocka_unit_test(no_budget_is_no_retry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
