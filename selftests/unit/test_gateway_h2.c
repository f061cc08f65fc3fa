/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/2 of clients: heads and bodies both ways, limits, ends, drains. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "h2_peer.h"
#include "http/h2/session.h"

#define WEB(more) "listeners: [{name: web, address: 127.0.0.1, port: 80" more "}]\n"
#define APP                                                        \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app, paths: [/a, /b]}]\n"
#define PLAIN WEB("") APP

#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n\r\n"

struct side {
	struct world w;
	struct h2_peer c;
	struct peer e;
};

static void start(struct side *s, const char *yaml)
{
	memset(s, 0, sizeof(*s));
	world_start(&s->w, yaml);
	h2_peer_open(&s->c, &s->w, false, false);
	s->e.fd = -1;
}

static void stop(struct side *s)
{
	h2_peer_close(&s->c);
	peer_close(&s->e);
	world_stop(&s->w);
}

/* What the client queued is sent, and an endpoint has it. */
static const char *endpoint_head(struct side *s)
{
	h2_peer_run(&s->c);
	if (s->e.fd < 0)
		peer_accept(&s->e, &s->w, 0);
	return peer_head(&s->e);
}

static void a_request_goes_on_as_http1(void **state)
{
	static struct side s;
	struct h2_answer *a;
	const char *head;
	int32_t id;

	(void)state;
	start(&s, PLAIN);
	id = h2_peer_submit(&s.c,
			    (const char *const[]) { ":method", "GET", ":scheme", "http", ":path",
						    "/a/../a?q=1", ":authority", "h:80", "cookie",
						    "x=1", "te", "trailers", "cookie", "y=2",
						    "x-forwarded-for", "1.2.3.4", "accept", "*/*",
						    NULL },
			    true);
	head = endpoint_head(&s);
	assert_memory_equal(head, "GET /a?q=1 HTTP/1.1\r\nHost: h:80\r\n", 33);
	assert_string_equal(head_field(head, "cookie"), "x=1; y=2");
	assert_int_equal(head_count(head, "cookie"), 1);
	assert_string_equal(head_field(head, "X-Forwarded-For"), "127.0.0.1");
	assert_int_equal(head_count(head, "X-Forwarded-For"), 1);
	assert_string_equal(head_field(head, "Via"), "2 sluice");
	assert_string_equal(head_field(head, "TE"), "trailers");
	assert_null(head_field(head, "Transfer-Encoding"));
	assert_string_equal(head_field(head, "Connection"), "TE");
	peer_send(&s.e, "HTTP/1.1 200 OK\r\nX-Kind: Fine\r\nKeep-Alive: timeout=5\r\n"
			"Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->code, 0);
	assert_int_equal(a->status, 200);
	assert_string_equal(a->text, "hello");
	assert_non_null(strstr(a->head, "x-kind: Fine\r\n"));
	assert_non_null(strstr(a->head, "content-length: 5\r\n"));
	assert_null(strstr(a->head, "keep-alive"));
	assert_null(strstr(a->head, "connection"));
	world_expect_log(&s.w, "\"protocol\":\"HTTP/2\"");
	stop(&s);
}

static void responses_without_a_body_end_with_their_head(void **state)
{
	static const struct {
		const char *method, *response;
		int status;
	} rows[] = {
		{ "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200 },
		{ "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204 },
		{ "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304 },
		{ "GET", OK(0), 200 },
	};
	static struct side s;

	(void)state;
	start(&s, PLAIN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct h2_answer *a;
		int32_t id = h2_peer_submit(&s.c,
					    (const char *const[]) { ":method", rows[i].method,
								    ":scheme", "http", ":path",
								    "/a", ":authority", "h", NULL },
					    true);

		endpoint_head(&s);
		peer_send(&s.e, rows[i].response);
		a = h2_peer_answer(&s.c, id);
		H2_WAIT(&s.c, a->closed);
		assert_int_equal(a->status, rows[i].status);
		assert_int_equal(a->code, 0);
		assert_int_equal(a->body, 0);
	}
	stop(&s);
}

static int32_t post(struct side *s, const char *length)
{
	return h2_peer_submit(&s->c,
			      (const char *const[]) { ":method", "POST", ":scheme", "http", ":path",
						      "/a", ":authority", "h",
						      length ? "content-length" : NULL, length,
						      NULL },
			      false);
}

static void bodies_of_requests_are_framed_for_the_endpoint(void **state)
{
	static struct side s;
	struct h2_answer *a;
	const char *head;
	int32_t id;

	(void)state;
	start(&s, PLAIN);
	id = post(&s, "5");
	h2_peer_data(&s.c, id, "hello", 5, true);
	head = endpoint_head(&s);
	assert_string_equal(head_field(head, "Content-Length"), "5");
	assert_null(head_field(head, "Transfer-Encoding"));
	peer_expect(&s.e, "hello");
	peer_send(&s.e, OK(0));
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);

	id = post(&s, NULL);
	head = endpoint_head(&s);
	assert_string_equal(head_field(head, "Transfer-Encoding"), "chunked");
	h2_peer_data(&s.c, id, "hello", 5, false);
	H2_WAIT(&s.c, (peer_receive(&s.e), s.e.len == 10));
	peer_expect(&s.e, "5\r\nhello\r\n");
	h2_peer_data(&s.c, id, "", 0, true);
	H2_WAIT(&s.c, (peer_receive(&s.e), s.e.len == 5));
	peer_expect(&s.e, "0\r\n\r\n");
	peer_send(&s.e, OK(2) "ok");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_string_equal(a->text, "ok");
	assert_int_equal(a->code, 0);
	stop(&s);
}

/* What gRPC needs: fields behind the body, both ways. */
static void trailers_pass_both_ways(void **state)
{
	static struct side s;
	nghttp2_nv trailer = { (uint8_t *)"x-sum", (uint8_t *)"1", 5, 1, 0 };
	struct h2_answer *a;
	int32_t id;

	(void)state;
	start(&s, PLAIN);
	id = h2_peer_submit(&s.c,
			    (const char *const[]) { ":method", "POST", ":scheme", "http", ":path",
						    "/a", ":authority", "h", "te", "trailers",
						    NULL },
			    false);
	endpoint_head(&s);
	h2_peer_data(&s.c, id, "hello", 5, false);
	H2_WAIT(&s.c, (peer_receive(&s.e), s.e.len == 10));
	peer_expect(&s.e, "5\r\nhello\r\n");
	assert_int_equal(nghttp2_submit_trailer(s.c.ng, id, &trailer, 1), 0);
	h2_peer_answer(&s.c, id)->trailers = true;
	h2_peer_data(&s.c, id, "", 0, true);
	H2_WAIT(&s.c, (peer_receive(&s.e), s.e.len == 15));
	peer_expect(&s.e, "0\r\nx-sum: 1\r\n\r\n");
	peer_send(&s.e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
			"0\r\nGrpc-Status: 0\r\nContent-Length: 9\r\n\r\n");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->code, NGHTTP2_INTERNAL_ERROR); /* a length so late is refused */

	id = h2_peer_submit(&s.c,
			    (const char *const[]) { ":method", "GET", ":scheme", "http", ":path",
						    "/a", ":authority", "h", "te", "trailers",
						    NULL },
			    true);
	peer_close(&s.e);
	s.e.fd = -1;
	endpoint_head(&s);
	peer_send(&s.e, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
			"0\r\nGrpc-Status: 0\r\nDate: never\r\n\r\n");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->code, 0);
	assert_string_equal(a->text, "ok");
	assert_string_equal(a->head, "grpc-status: 0\r\n"); /* the head's are before */
	stop(&s);
}

static void chunks_and_ends_by_close_are_data(void **state)
{
	static struct side s;
	struct h2_answer *a;
	int32_t id;

	(void)state;
	start(&s, PLAIN);
	id = h2_peer_get(&s.c, "/a");
	endpoint_head(&s);
	peer_send(&s.e,
		  "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->interim, 103);
	assert_string_equal(a->text, "abc");
	assert_null(strstr(a->head, "transfer-encoding"));
	assert_null(strstr(a->head, "link"));
	id = h2_peer_get(&s.c, "/a");
	endpoint_head(&s);
	peer_send(&s.e, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
	peer_close(&s.e);
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_string_equal(a->text, "until the end");
	assert_int_equal(a->code, 0);
	s.e.fd = -1;
	stop(&s);
}

/* It never looks whole: no END_STREAM, and a code. */
static void a_response_that_was_cut_off_is_a_reset(void **state)
{
	static struct side s;
	struct h2_answer *a;
	int32_t id;

	(void)state;
	start(&s, PLAIN);
	id = h2_peer_get(&s.c, "/a");
	endpoint_head(&s);
	peer_send(&s.e, OK(10) "half");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->body == 4);
	peer_close(&s.e);
	s.e.fd = -1;
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->code, NGHTTP2_INTERNAL_ERROR);
	/* the connection serves on */
	id = h2_peer_get(&s.c, "/b");
	endpoint_head(&s);
	peer_send(&s.e, OK(0));
	H2_WAIT(&s.c, h2_peer_answer(&s.c, id)->closed);
	assert_int_equal(h2_peer_answer(&s.c, id)->status, 200);
	world_expect_log(&s.w, "response_incomplete");
	stop(&s);
}

static void a_reset_of_the_client_cancels_its_request_alone(void **state)
{
	static struct side s;
	struct peer other;
	struct h2_answer *a;
	int32_t id, kept;

	(void)state;
	start(&s, PLAIN);
	id = h2_peer_get(&s.c, "/a");
	endpoint_head(&s);
	kept = h2_peer_get(&s.c, "/b");
	h2_peer_run(&s.c);
	peer_accept(&other, &s.w, 0);
	peer_head(&other);
	nghttp2_submit_rst_stream(s.c.ng, 0, id, NGHTTP2_CANCEL);
	h2_peer_run(&s.c);
	peer_expect_end(&s.e);
	world_expect_log(&s.w, "client_gone");
	peer_send(&other, OK(2) "ok");
	a = h2_peer_answer(&s.c, kept);
	H2_WAIT(&s.c, a->closed);
	assert_string_equal(a->text, "ok");
	assert_false(s.c.goaway);
	peer_close(&other);
	stop(&s);
}

static char long_path[400], long_value[3000];
static const struct {
	const char *what;
	const char *fields[20];
	int status;
} limit_rows[] = {
	{ "a path that is too long",
	  { ":method", "GET", ":scheme", "http", ":path", long_path, ":authority", "h" },
	  414 },
	{ "fields that are too long",
	  { ":method", "GET", ":scheme", "http", ":path", "/a", ":authority", "h", "x",
	    long_value },
	  431 },
	{ "a body that is too long",
	  { ":method", "POST", ":scheme", "http", ":path", "/a", ":authority", "h",
	    "content-length", "101" },
	  413 },
	{ "no route",
	  { ":method", "GET", ":scheme", "http", ":path", "/c", ":authority", "h" },
	  404 },
	{ "CONNECT", { ":method", "CONNECT", ":authority", "h:443" }, 501 },
	{ "TRACE",
	  { ":method", "TRACE", ":scheme", "http", ":path", "/a", ":authority", "h" },
	  405 },
	{ "a path that leaves the root",
	  { ":method", "GET", ":scheme", "http", ":path", "/a%2f", ":authority", "h" },
	  400 },
	{ "OPTIONS of the server",
	  { ":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "h" },
	  204 },
};

static void limits_are_answered_as_in_http1(void **state)
{
	static const char *many[2 * 80 + 1];
	static struct side s;
	struct h2_answer *a;
	int32_t id;

	(void)state;
	memset(long_path, '/', sizeof(long_path) - 1);
	memset(long_value, 'x', sizeof(long_value) - 1);
	start(&s, WEB(", max_uri_bytes: 300, max_header_bytes: 2KiB, max_body_bytes: 100,"
		      " max_headers: 50") APP);
	for (size_t i = 0; i < sizeof(limit_rows) / sizeof(limit_rows[0]); i++) {
		id = h2_peer_submit(&s.c, limit_rows[i].fields,
				    strcmp(limit_rows[i].fields[1], "POST") != 0);
		a = h2_peer_answer(&s.c, id);
		H2_WAIT(&s.c, a->closed);
		if (a->status != limit_rows[i].status)
			fail_msg("%s: %d", limit_rows[i].what, a->status);
		assert_int_equal(a->code, 0);
	}
	memcpy(many, limit_rows[3].fields, 8 * sizeof(many[0]));
	for (size_t i = 8; i < 160; i += 2) {
		many[i] = "x";
		many[i + 1] = "y";
	}
	id = h2_peer_submit(&s.c, many, true);
	H2_WAIT(&s.c, h2_peer_answer(&s.c, id)->closed);
	assert_int_equal(h2_peer_answer(&s.c, id)->status, 431);
	assert_false(s.c.goaway);
	stop(&s);
}

/* Without a length it is counted as it passes. */
static void a_body_of_unknown_length_has_its_limit_too(void **state)
{
	static char body[200];
	static struct side s;
	struct h2_answer *a;
	int32_t id;

	(void)state;
	start(&s, WEB(", max_body_bytes: 100") APP);
	id = post(&s, NULL);
	endpoint_head(&s);
	h2_peer_data(&s.c, id, body, sizeof(body), false);
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->status, 413);
	assert_int_equal(s.c.rst_code,
			 NGHTTP2_NO_ERROR); /* RFC 9113 s8.1: the rest is not wanted */
	stop(&s);
}

/* DATA that is not what content-length said reaches no endpoint as a whole request. */
static void a_length_that_lies_resets_the_stream(void **state)
{
	static const struct {
		const char *length, *body;
	} rows[] = { { "5", "hell" }, { "5", "hello, world" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		static struct side s;
		struct h2_answer *a;
		int32_t id;

		start(&s, PLAIN);
		id = post(&s, rows[i].length);
		endpoint_head(&s);
		h2_peer_data(&s.c, id, rows[i].body, strlen(rows[i].body), true);
		a = h2_peer_answer(&s.c, id);
		H2_WAIT(&s.c, a->closed);
		assert_int_equal(a->status, 0);
		assert_int_equal(a->code, NGHTTP2_PROTOCOL_ERROR);
		WORLD_WAIT(&s.w, (peer_receive(&s.e), s.e.ended || s.e.err));
		assert_true(s.e.len < 5);
		stop(&s);
	}
}

static void http2_can_be_switched_off(void **state)
{
	struct world w = { 0 };
	struct peer c;

	(void)state;
	world_start(&w, WEB(", http2: false") APP);
	peer_connect(&c, &w);
	peer_send(&c, H2_PREFACE);
	assert_memory_equal(peer_head(&c), "HTTP/1.1 400 ", 13);
	peer_close(&c);
	world_stop(&w);
}

/* A drain serves what was asked for, and requests on their way, and says with GOAWAY to go. */
static void a_drain_says_goaway(void **state)
{
	static struct side s;
	struct h2_answer *a;
	int32_t id;

	(void)state;
	start(&s, PLAIN);
	id = h2_peer_get(&s.c, "/a");
	endpoint_head(&s);
	gateway_drain(s.w.gateway, NULL, NULL);
	H2_WAIT(&s.c, s.c.goaway);
	assert_int_equal(s.c.goaway_code, NGHTTP2_NO_ERROR);
	assert_int_equal(s.c.goaway_last, 0x7fffffff); /* not yet which is the last */
	H2_WAIT(&s.c, s.c.goaway_last != 0x7fffffff);
	assert_int_equal(s.c.goaway_last, id);
	peer_send(&s.e, OK(2) "ok");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_string_equal(a->text, "ok");
	WORLD_WAIT(&s.w, (h2_peer_run(&s.c), s.c.p.ended));
	peer_close(&s.c.p);
	WORLD_WAIT(&s.w, gateway_connections(s.w.gateway) == 0);
	stop(&s);
}

/* A change of configuration closes no connection, and decides the next request. */
static void a_reload_keeps_the_connection(void **state)
{
	static struct side s;
	struct h2_answer *a;
	int32_t id, next;

	(void)state;
	start(&s, PLAIN);
	id = h2_peer_get(&s.c, "/a");
	endpoint_head(&s);
	assert_int_equal(
		world_apply(&s.w, WEB("") "clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"
					  "routes: [{name: all, cluster: app, paths: [/c]}]\n"),
		0);
	next = h2_peer_get(&s.c, "/a");
	a = h2_peer_answer(&s.c, next);
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->status, 404);
	peer_send(&s.e, OK(2) "ok");
	a = h2_peer_answer(&s.c, id);
	H2_WAIT(&s.c, a->closed);
	assert_int_equal(a->status, 200);
	assert_false(s.c.goaway);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_goes_on_as_http1),
		cmocka_unit_test(responses_without_a_body_end_with_their_head),
		cmocka_unit_test(bodies_of_requests_are_framed_for_the_endpoint),
		cmocka_unit_test(trailers_pass_both_ways),
		cmocka_unit_test(chunks_and_ends_by_close_are_data),
		cmocka_unit_test(a_response_that_was_cut_off_is_a_reset),
		cmocka_unit_test(a_reset_of_the_client_cancels_its_request_alone),
		cmocka_unit_test(limits_are_answered_as_in_http1),
		cmocka_unit_test(a_body_of_unknown_length_has_its_limit_too),
		cmocka_unit_test(a_length_that_lies_resets_the_stream),
		cmocka_unit_test(http2_can_be_switched_off),
		cmocka_unit_test(a_drain_says_goaway),
		cmocka_unit_test(a_reload_keeps_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
