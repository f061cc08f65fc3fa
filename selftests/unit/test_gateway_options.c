/* SPDX-License-Identifier: BSD-2-Clause */
/* OPTIONS of the server as a whole: answered here, whatever the routes ask for. */
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "gateway_world.h"

#define CONF                                                                     \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"               \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"               \
	"plans: [{name: basic}]\n"                                               \
	"consumers: [{name: ann, plan: basic, keys: [ann-key-0123456789]}]\n"    \
	"routes:\n"                                                              \
	"  - {name: keyed, hosts: [h], cluster: app, policies: {api_key: {}}}\n" \
	"  - {name: options, hosts: [open], cluster: app}\n"

static void server_options_are_answered_here(void **state)
{
	static const struct {
		const char *what, *request;
	} rows[] = {
		{ "of a host whose routes ask for a key", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ "of a host without routes", "OPTIONS * HTTP/1.1\r\nHost: nobody\r\n\r\n" },
		{ "in absolute form", "OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ "with a body",
		  "OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" },
		{ "with a chunked body",
		  "OPTIONS * HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3\r\nabc\r\n0\r\n\r\n" },
	};
	uint64_t before = metric_page->counter[METRIC_OPTIONS_ANSWERED];
	struct world w = { 0 };
	struct peer c;

	(void)state;
	world_start(&w, CONF);
	peer_connect(&c, &w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *head;

		peer_send(&c, rows[i].request);
		head = peer_head(&c);
		if (strncmp(head, "HTTP/1.1 204 No Content\r\n", 25) != 0)
			fail_msg("%s: %s", rows[i].what, head);
		assert_non_null(strstr(head_field(head, "Allow"), "OPTIONS"));
		assert_int_equal(strlen(head_field(head, "X-Request-Id")), 36);
		assert_null(head_field(head, "Content-Length")); /* RFC 9110 s8.6 */
		assert_null(head_field(head, "Connection"));	 /* the next one comes here too */
		peer_expect_silence(&c);
	}
	assert_int_equal(metric_page->counter[METRIC_OPTIONS_ANSWERED] - before,
			 sizeof(rows) / sizeof(rows[0]));
	world_expect_log(&w, "\"path\":\"*\"");
	world_expect_log(&w, "\"status\":204");
	peer_close(&c);
	world_stop(&w);
}

static void options_of_a_resource_go_to_its_endpoint(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, CONF);
	peer_connect(&c, &w);
	peer_send(&c, "OPTIONS / HTTP/1.1\r\nHost: open\r\n\r\n");
	peer_accept(&e, &w, 0);
	assert_int_equal(strncmp(peer_head(&e), "OPTIONS / HTTP/1.1\r\n", 20), 0);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void another_method_may_not_ask_the_server(void **state)
{
	struct world w = { 0 };
	struct peer c;

	(void)state;
	world_start(&w, CONF);
	peer_connect(&c, &w);
	peer_send(&c, "GET * HTTP/1.1\r\nHost: open\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 400 ", 13), 0);
	peer_close(&c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_options_are_answered_here),
		cmocka_unit_test(options_of_a_resource_go_to_its_endpoint),
		cmocka_unit_test(another_method_may_not_ask_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
