/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests and responses through a whole gateway. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "gateway_world.h"

#define PLAIN                                                      \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"

static void start(struct world *w, struct peer *client, const char *yaml)
{
	world_start(w, yaml);
	peer_connect(client, w);
}

static void stop(struct world *w, struct peer *client, struct peer *endpoint)
{
	peer_close(client);
	if (endpoint)
		peer_close(endpoint);
	world_stop(w);
}

static void a_request_reaches_the_endpoint_and_its_response_the_client(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c, "GET /a/../b//c%7e?x=%2f HTTP/1.1\r\nHost: Example.com:81\r\nA: 1\r\n"
		      "X-Forwarded-For: 192.0.2.7\r\n\r\n");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	assert_int_equal(strncmp(head, "GET /b/c~?x=%2f HTTP/1.1\r\n", 26), 0);
	assert_string_equal(head_field(head, "Host"), "Example.com:81");
	assert_string_equal(head_field(head, "A"), "1");
	assert_string_equal(head_field(head, "X-Forwarded-For"), "127.0.0.1");
	assert_string_equal(head_field(head, "X-Forwarded-Proto"), "http");
	assert_string_equal(head_field(head, "X-Forwarded-Host"), "Example.com:81");
	assert_string_equal(head_field(head, "Via"), "1.1 sluice");
	assert_int_equal(strlen(head_field(head, "X-Request-Id")), 36);
	assert_null(head_field(head, "Connection"));
	peer_send(&e, "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nB: 2\r\n\r\nhi");
	head = peer_head(&c);
	assert_int_equal(strncmp(head, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_string_equal(head_field(head, "B"), "2");
	assert_string_equal(head_field(head, "Content-Length"), "2");
	assert_string_equal(head_field(head, "Via"), "1.1 sluice");
	assert_non_null(head_field(head, "Date"));
	peer_expect(&c, "hi");
	peer_expect_silence(&c);
	world_expect_log(&w, "\"path\":\"/b/c~\"");
	/* Told as real is the socket's peer, once, whatever a header says. */
	assert_int_equal(w.n_peers, 1);
	assert_int_equal(w.peer.b[12], 127);
	stop(&w, &c, &e);
}

static void connections_are_kept_on_both_sides(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	for (int i = 0; i < 5; i++) {
		peer_head(&e);
		peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
		peer_head(&c);
		peer_expect(&c, "hi");
		peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	}
	peer_head(&e);
	stop(&w, &c, &e);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\n"
		      "Content-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	assert_int_equal(strncmp(peer_head(&e), "GET /1 ", 7), 0);
	peer_expect_silence(&e); /* the second waits for the first */
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
	assert_int_equal(strncmp(peer_head(&e), "POST /2 ", 8), 0);
	peer_expect(&e, "abc");
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
	assert_int_equal(strncmp(peer_head(&e), "GET /3 ", 7), 0);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3");
	for (int i = 1; i <= 3; i++) {
		char digit[2] = { (char)('0' + i), 0 };

		peer_head(&c);
		peer_expect(&c, digit);
	}
	stop(&w, &c, &e);
}

static void a_client_that_asks_and_does_not_read_is_not_served_on(void **state)
{
	static const char request[] = "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n";
	static char requests[1000 * (sizeof(request) - 1)];
	const size_t n = sizeof(request) - 1;
	struct world w = { 0 };
	struct peer c;
	size_t sent = 0, answered = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(requests); i++)
		requests[i] = request[i % n];
	start(&w, &c, PLAIN);
	/* until nothing goes any more: the kernel's buffers are full, and so are ours */
	for (int idle = 0; idle < 20; world_turn(&w)) {
		size_t at = sent % sizeof(requests);
		size_t went = peer_try_send(&c, requests + at, sizeof(requests) - at);

		idle = went ? 0 : idle + 1;
		sent += went;
		assert_true(sent < 64U << 20);
	}
	for (sent /= n; answered < sent; answered++) { /* of the last one a part may be missing */
		const char *head = peer_head(&c);

		assert_int_equal(strncmp(head, "HTTP/1.1 400 ", 13), 0);
		peer_take(&c, strtoul(head_field(head, "Content-Length"), NULL, 10));
	}
	peer_expect_silence(&c);
	stop(&w, &c, NULL);
}

static void bodies_that_responses_do_not_have(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n");
	head = peer_head(&c);
	assert_string_equal(head_field(head, "Content-Length"), "12345");
	peer_send(&c, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 204 No Content\r\n\r\n");
	head = peer_head(&c);
	assert_null(head_field(head, "Content-Length"));
	assert_null(head_field(head, "Transfer-Encoding"));
	peer_send(&c, "GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"a\"\r\n\r\n");
	head = peer_head(&c);
	assert_string_equal(head_field(head, "ETag"), "\"a\"");
	peer_send(&c, "GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(head_field(peer_head(&c), "Content-Length"), "0");
	peer_expect_silence(&c);
	stop(&w, &c, &e);
}

static void http_1_0_clients_get_what_they_understand(void **state)
{
	struct world w = { 0 };
	struct peer c, e, c2;
	const char *head;

	(void)state;
	start(&w, &c, PLAIN);
	/* keep-alive has to be asked for, and said */
	peer_send(&c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	assert_int_equal(strncmp(head, "GET / HTTP/1.1\r\n", 16), 0);
	assert_string_equal(head_field(head, "Host"), "app");
	assert_string_equal(head_field(head, "Via"), "1.0 sluice");
	peer_send(&e, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
		      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
	head = peer_head(&c); /* no 103 */
	assert_int_equal(strncmp(head, "HTTP/1.1 200 ", 13), 0);
	assert_string_equal(head_field(head, "Connection"), "keep-alive");
	peer_expect(&c, "a");
	/* chunks become an end by close */
	peer_send(&c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n");
	head = peer_head(&c);
	assert_null(head_field(head, "Transfer-Encoding"));
	assert_string_equal(head_field(head, "Connection"), "close");
	peer_expect(&c, "abcde");
	peer_expect_end(&c);
	/* without keep-alive it is closed */
	peer_connect(&c2, &w);
	peer_send(&c2, "GET / HTTP/1.0\r\n\r\n");
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
	assert_string_equal(head_field(peer_head(&c2), "Connection"), "close");
	peer_expect(&c2, "a");
	peer_expect_end(&c2);
	peer_close(&c2);
	stop(&w, &c, &e);
}

static void a_response_until_close_becomes_chunks(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.0 200 OK\r\n\r\nhello");
	head = peer_head(&c);
	assert_string_equal(head_field(head, "Transfer-Encoding"), "chunked");
	assert_string_equal(head_field(head, "Via"), "1.0 sluice");
	peer_expect(&c, "5\r\nhello\r\n");
	peer_close(&e);
	peer_expect(&c, "0\r\n\r\n");
	peer_expect_silence(&c); /* the client's side is kept */
	stop(&w, &c, NULL);
}

static void hop_by_hop_and_identity_fields_do_not_pass(void **state)
{
	static const char *const gone[] = {
		"Connection",	     "Foo",	   "Keep-Alive",	  "TE",
		"Trailer",	     "Upgrade",	   "Proxy-Authorization", "Proxy-Connection",
		"X-Consumer",	     "X_Consumer", "x.consumer",	  "X_Request_Id",
		"X_Forwarded_For",   "Forwarded",  "X-Forwarded-Port",	  "X_Real_IP",
		"X-Consumer-Groups",
	};
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Foo, keep-alive\r\nFoo: 1\r\n"
		      "Keep-Alive: timeout=5\r\nTE: deflate;q=0.5\r\nTrailer: a\r\nUpgrade: h2c\r\n"
		      "Proxy-Authorization: x\r\nProxy-Connection: close\r\n"
		      "X-Consumer: admin\r\nX_Consumer: admin\r\nx.consumer: admin\r\n"
		      "X-Forwarded-For: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\n"
		      "X-FORWARDED-HOST: evil\r\nx-forwarded-proto: https\r\nForwarded: for=1\r\n"
		      "X-Forwarded-Port: 1\r\nX-Request-Id: mine\r\nX_Request_Id: mine\r\n"
		      "X_Real_IP: 1.2.3.4\r\nX-Consumer-Groups: a\r\nX-Other: stays\r\n"
		      "Via: 1.1 before\r\n\r\n");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		if (head_field(head, gone[i]))
			fail_msg("%s was passed on: %s", gone[i], head);
	}
	assert_string_equal(head_field(head, "X-Forwarded-For"), "127.0.0.1");
	assert_int_equal(head_count(head, "X-Forwarded-For"), 1);
	assert_string_equal(head_field(head, "X-Forwarded-Proto"), "http");
	assert_int_equal(head_count(head, "X-Forwarded-Proto"), 1);
	assert_string_equal(head_field(head, "X-Forwarded-Host"), "h");
	assert_int_equal(head_count(head, "X-Forwarded-Host"), 1);
	assert_int_equal(strlen(head_field(head, "X-Request-Id")), 36);
	assert_int_equal(head_count(head, "X-Request-Id"), 1);
	assert_string_equal(head_field(head, "X-Other"), "stays");
	assert_int_equal(head_count(head, "Via"), 2);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Bar\r\nBar: 1\r\n"
		      "Keep-Alive: x\r\nX-Request-Id: theirs\r\n\r\n");
	head = peer_head(&c);
	assert_null(head_field(head, "Bar"));
	assert_null(head_field(head, "Keep-Alive"));
	assert_null(head_field(head, "Connection"));
	assert_int_equal(strlen(head_field(head, "X-Request-Id")), 36);
	stop(&w, &c, &e);
}

struct refused {
	const char *what, *request, *status_line, *code;
	bool kept;
};

static const struct refused refused_cases[] = {
	{ "no route", "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ", "no_route",
	  true },
	{ "a path that climbs out is a path from the root",
	  "GET /app/../nowhere HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ", "no_route", true },
	{ "an encoded slash", "GET /app%2fx HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 ",
	  "uri_invalid", true },
	{ "CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "HTTP/1.1 501 ",
	  "method_refused", false },
	{ "TRACE", "TRACE /app HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ", "method_refused",
	  true },
	{ "a body over the limit",
	  "POST /app HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n", "HTTP/1.1 413 ",
	  "body_too_large", false },
	{ "a body over the limit that waits for 100",
	  "POST /app HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
	  "Content-Length: 100001\r\n\r\n",
	  "HTTP/1.1 413 ", "body_too_large", false },
	{ "a short body that waits for 100 may never come",
	  "POST /nowhere HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
	  "Content-Length: 3\r\n\r\n",
	  "HTTP/1.1 404 ", "no_route", false },
	{ "an expectation that nobody knows",
	  "GET /app HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n", "HTTP/1.1 417 ",
	  "expectation_unknown", true },
	{ "one of two, before a body that may never come",
	  "POST /app HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nExpect: x=y\r\n"
	  "Content-Length: 3\r\n\r\n",
	  "HTTP/1.1 417 ", "expectation_unknown", false },
	{ "a short body is read past",
	  "POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 404 ",
	  "no_route", true },
	{ "and a chunked one",
	  "POST /nowhere HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "3\r\nabc\r\n0\r\n\r\n",
	  "HTTP/1.1 404 ", "no_route", true },
};

static void what_is_refused_before_it_reaches_anybody(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused_cases) / sizeof(refused_cases[0]); i++) {
		const struct refused *r = &refused_cases[i];
		struct world w = { 0 };
		struct peer c, e;
		const char *head;

		print_message("  %s\n", r->what);
		start(&w, &c,
		      "listeners: [{name: web, address: 127.0.0.1, port: 80,"
		      " max_body_bytes: 100000}]\n"
		      "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"
		      "routes: [{name: app, paths: [/app], cluster: app}]\n");
		peer_send(&c, r->request);
		head = peer_head(&c);
		assert_int_equal(strncmp(head, r->status_line, 13), 0);
		assert_string_equal(head_field(head, "Content-Type"), "application/problem+json");
		assert_non_null(strstr(head_field(head, "Proxy-Status"), r->code));
		WORLD_WAIT(&w, (peer_receive(&c),
				c.len >= strtoul(head_field(c.head, "Content-Length"), NULL, 10)));
		assert_non_null(strstr(c.data, r->code));
		peer_take(&c, c.len);
		assert_false(peer_try_accept(&e, &w, 0));
		if (r->kept) {
			assert_null(head_field(c.head, "Connection"));
			peer_send(&c, "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n");
			assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 404 ", 13), 0);
		} else {
			assert_string_equal(head_field(c.head, "Connection"), "close");
			peer_expect_end(&c);
		}
		stop(&w, &c, NULL);
	}
}

static void every_malformed_request_is_answered_once_and_closed(void **state)
{
	/* what follows each would be a request to /evil if the framing were misread */
	static const char *const cases[] = {
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 6\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\n\n",
		"GET / HTTP/1.1\r\nHost: h\r\nA: b\rX: c\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\n\x80: x\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w = { 0 };
		struct peer c, e;
		const char *head;

		start(&w, &c, PLAIN);
		peer_send_n(&c, cases[i], strlen(cases[i]));
		peer_send(&c, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n");
		head = peer_head(&c);
		if (strncmp(head, "HTTP/1.1 4", 10) != 0 && strncmp(head, "HTTP/1.1 5", 10) != 0)
			fail_msg("case %zu: %s", i, head);
		assert_string_equal(head_field(head, "Connection"), "close");
		peer_take(&c, strtoul(head_field(head, "Content-Length"), NULL, 10));
		peer_expect_end(&c);
		assert_false(peer_try_accept(&e, &w, 0));
		stop(&w, &c, NULL);
	}
}

static void a_broken_chunk_ends_both_connections(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c,
		  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_expect(&e, "3\r\nabc\r\n");
	peer_send(&c, "0x3\r\nabc\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 400 ", 13), 0);
	peer_take(&c, strtoul(head_field(c.head, "Content-Length"), NULL, 10));
	peer_expect_end(&c);
	peer_expect_end(&e); /* no last chunk: it must not take this for whole */
	stop(&w, &c, &e);
}

static void connections_over_the_maximum_are_closed_at_once(void **state)
{
	struct world w = { 0 };
	struct peer c[3];
	uint64_t before = metric_page->counter[METRIC_CONNECTIONS_REFUSED];

	(void)state;
	world_start(&w, "listeners: [{name: web, address: 127.0.0.1, port: 80,"
			" max_connections: 2}]\n"
			"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"
			"routes: [{name: all, cluster: app}]\n");
	peer_connect(&c[0], &w);
	peer_connect(&c[1], &w);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 2);
	peer_connect(&c[2], &w);
	peer_expect_end(&c[2]);
	assert_int_equal(metric_page->counter[METRIC_CONNECTIONS_REFUSED] - before, 1);
	peer_expect_silence(&c[0]);
	/* a place that is free again is taken */
	peer_close(&c[0]);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 1);
	peer_close(&c[2]);
	peer_connect(&c[2], &w);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 2);
	for (int i = 1; i < 3; i++)
		peer_close(&c[i]);
	world_stop(&w);
}

static void metrics_and_log_tell_of_each_exchange(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	char *log;
	uint64_t before = metric_page->route[0].responses[1];

	(void)state;
	start(&w, &c, PLAIN);
	peer_send(&c, "GET /p?secret=1 HTTP/1.1\r\nHost: h\r\nX-Api-Key: hidden\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	peer_head(&c);
	peer_expect(&c, "hi");
	assert_int_equal(metric_page->route[0].responses[1] - before, 1);
	world_expect_log(&w, "\"level\":\"info\",\"role\":\"test\",\"event\":\"exchange.end\"");
	log = world_log(&w);
	assert_non_null(strstr(log, "\"path\":\"/p\""));
	assert_non_null(strstr(log, "\"status\":200"));
	assert_non_null(strstr(log, "\"route\":\"all\""));
	assert_non_null(strstr(log, "\"cluster\":\"app\""));
	assert_non_null(strstr(log, "\"end\":\"ok\""));
	assert_non_null(strstr(log, "\"upstream\":\"127.0.0.1:"));
	assert_null(strstr(log, "secret"));
	assert_null(strstr(log, "hidden"));
	free(log);
	stop(&w, &c, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_reaches_the_endpoint_and_its_response_the_client),
		cmocka_unit_test(connections_are_kept_on_both_sides),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(a_client_that_asks_and_does_not_read_is_not_served_on),
		cmocka_unit_test(bodies_that_responses_do_not_have),
		cmocka_unit_test(http_1_0_clients_get_what_they_understand),
		cmocka_unit_test(a_response_until_close_becomes_chunks),
		cmocka_unit_test(hop_by_hop_and_identity_fields_do_not_pass),
		cmocka_unit_test(what_is_refused_before_it_reaches_anybody),
		cmocka_unit_test(every_malformed_request_is_answered_once_and_closed),
		cmocka_unit_test(a_broken_chunk_ends_both_connections),
		cmocka_unit_test(connections_over_the_maximum_are_closed_at_once),
		cmocka_unit_test(metrics_and_log_tell_of_each_exchange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
