/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/2: frames that no client should send, clients that wait, and clients that flood. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "h2_peer.h"
#include "http/h2/session.h"

#define WEB(more) "listeners: [{name: web, address: 127.0.0.1, port: 80" more "}]\n"
#define APP                                                        \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"

/* Endpoints that never answer, however busy this machine is. */
#define PATIENT                                                                          \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"], connect_timeout: 50s}]\n" \
	"routes: [{name: all, cluster: app}]\n"

#define HEAD	 "\x82\x86\x44\x02/a\x41\x01h" /* GET http /a, :authority h */
#define EIGHT	 "12345678"
#define BODY	 (16U << 20)
#define HEAP_MAX (2U << 20) /* however large the body */

#define NONE UINT32_MAX

struct row {
	const char *what;
	uint32_t goaway, rst; /* NONE: not */
	uint8_t type, flags;
	int32_t id;
	const char *payload;
	size_t len;
};

#define ROW(what_, goaway_, rst_, type_, flags_, id_, payload_)                               \
	{                                                                                     \
		.what = what_, .goaway = goaway_, .rst = rst_, .type = NGHTTP2_##type_,       \
		.flags = flags_, .id = id_, .payload = payload_, .len = sizeof(payload_) - 1, \
	}
#define BAD_HEAD(what_, payload_) ROW(what_, NONE, NGHTTP2_PROTOCOL_ERROR, HEADERS, 5, 1, payload_)
#define GOAWAY(what_, code_, type_, flags_, id_, payload_) \
	ROW(what_, NGHTTP2_##code_, NONE, type_, flags_, id_, payload_)

static const struct row rows[] = {
	BAD_HEAD("a field name with a capital", HEAD "\x00\x01X\x01y"),
	BAD_HEAD("Connection", HEAD "\x00\x0a"
				    "connection\x05"
				    "close"),
	BAD_HEAD("Keep-Alive", HEAD "\x00\x0akeep-alive\x01"
				    "5"),
	BAD_HEAD("Upgrade", HEAD "\x00\x07upgrade\x09websocket"),
	BAD_HEAD("Transfer-Encoding", HEAD "\x00\x11transfer-encoding\x07"
					   "chunked"),
	BAD_HEAD("TE that is not trailers", HEAD "\x00\x02te\x04gzip"),
	BAD_HEAD("no path", "\x82\x86\x41\x01h"),
	BAD_HEAD("an empty path", "\x82\x86\x44\x00\x41\x01h"),
	BAD_HEAD("a path without a slash", "\x82\x86\x44\x01"
					   "a\x41\x01h"),
	BAD_HEAD("no method", "\x86\x84\x41\x01h"),
	BAD_HEAD("no scheme", "\x82\x84\x41\x01h"),
	BAD_HEAD("a second method", "\x82\x83\x86\x84\x41\x01h"),
	BAD_HEAD("a pseudo-field behind a field", "\x82\x86\x84\x00\x01x\x01y\x41\x01h"),
	BAD_HEAD("a pseudo-field of responses", HEAD "\x88"),
	BAD_HEAD("a pseudo-field that nobody knows", HEAD "\x00\x04:abc\x01y"),
	BAD_HEAD("two lengths", HEAD "\x0f\x0d\x01"
				     "5\x0f\x0d\x01"
				     "6"),
	BAD_HEAD("a length without a body", HEAD "\x0f\x0d\x01"
						 "5"),
	BAD_HEAD("CONNECT with a path", "\x00\x07:method\x07"
					"CONNECT\x84\x86\x41\x01h"),
	ROW("a window update of nothing on a stream", NONE, NGHTTP2_PROTOCOL_ERROR, HEADERS, 4, 1,
	    HEAD "\x0f\x0d\x02-1"),
	GOAWAY("HEADERS on an even stream", PROTOCOL_ERROR, HEADERS, 5, 2, HEAD),
	GOAWAY("HEADERS on stream 0", PROTOCOL_ERROR, HEADERS, 5, 0, HEAD),
	GOAWAY("DATA on stream 0", PROTOCOL_ERROR, DATA, 0, 0, "x"),
	GOAWAY("DATA on a stream that is idle", PROTOCOL_ERROR, DATA, 0, 1, "x"),
	GOAWAY("padding that is longer than its frame", PROTOCOL_ERROR, HEADERS, 0xd, 1,
	       "\x20\x82"),
	GOAWAY("a reset of a stream that is idle", PROTOCOL_ERROR, RST_STREAM, 0, 1, "\0\0\0\x08"),
	GOAWAY("a reset of 3 bytes", FRAME_SIZE_ERROR, RST_STREAM, 0, 1, "\0\0\x08"),
	GOAWAY("CONTINUATION of nothing", PROTOCOL_ERROR, CONTINUATION, 4, 1, HEAD),
	GOAWAY("SETTINGS of 5 bytes", FRAME_SIZE_ERROR, SETTINGS, 0, 0, "\0\x04\0\0\0"),
	GOAWAY("SETTINGS of a stream", PROTOCOL_ERROR, SETTINGS, 0, 1, "\0\x04\0\0\0\1"),
	GOAWAY("a window of 2^31", FLOW_CONTROL_ERROR, SETTINGS, 0, 0, "\0\x04\x80\0\0\0"),
	GOAWAY("a frame size below 2^14", PROTOCOL_ERROR, SETTINGS, 0, 0, "\0\x05\0\0\0\1"),
	GOAWAY("a window update of nothing", PROTOCOL_ERROR, WINDOW_UPDATE, 0, 0, "\0\0\0\0"),
	GOAWAY("a window that overflows", FLOW_CONTROL_ERROR, WINDOW_UPDATE, 0, 0,
	       "\x7f\xff\xff\xff"),
	GOAWAY("PING of 7 bytes", FRAME_SIZE_ERROR, PING, 0, 0, "1234567"),
	GOAWAY("PING of a stream", PROTOCOL_ERROR, PING, 0, 1, EIGHT),
	GOAWAY("PUSH_PROMISE", PROTOCOL_ERROR, PUSH_PROMISE, 4, 1, "\0\0\0\2" HEAD),
	GOAWAY("an index that no table has", COMPRESSION_ERROR, HEADERS, 5, 1, "\xff\xff\x03"),
	GOAWAY("a table that is larger than allowed", COMPRESSION_ERROR, HEADERS, 5, 1,
	       "\x3f\xff\xff\x03" HEAD),
};

static void bad_frames_are_answered_as_the_rfc_says(void **state)
{
	struct world w = { 0 };
	struct h2_peer c;

	(void)state;
	world_start(&w, WEB("") APP);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		h2_peer_open(&c, &w, true, false);
		h2_peer_frame(&c, r->type, r->flags, r->id, r->payload, r->len);
		H2_WAIT(&c, c.goaway || c.rsts);
		if (r->goaway != NONE && (!c.goaway || c.goaway_code != r->goaway))
			fail_msg("%s: GOAWAY %d, code %u", r->what, c.goaway, c.goaway_code);
		if (r->rst != NONE && (c.goaway || !c.rsts || c.rst_code != r->rst))
			fail_msg("%s: GOAWAY %d, code %u, %u resets, code %u", r->what, c.goaway,
				 c.goaway_code, c.rsts, c.rst_code);
		if (r->goaway != NONE)
			H2_WAIT(&c, c.p.ended || c.p.err);
		h2_peer_close(&c);
	}
	world_stop(&w);
}

static void a_head_must_not_be_interrupted(void **state)
{
	struct world w = { 0 };
	struct h2_peer c;

	(void)state;
	world_start(&w, WEB("") APP);
	h2_peer_open(&c, &w, true, false);
	h2_peer_frame(&c, NGHTTP2_HEADERS, 1, 1, HEAD, sizeof(HEAD) - 1);
	h2_peer_frame(&c, NGHTTP2_PING, 0, 0, EIGHT, 8);
	H2_WAIT(&c, c.goaway);
	assert_int_equal(c.goaway_code, NGHTTP2_PROTOCOL_ERROR);
	h2_peer_close(&c);
	world_stop(&w);
}

/* What nghttp2 lets pass, or would leave out in silence. */
static void heads_that_two_could_read_differently_are_400(void **state)
{
	static const struct {
		const char *what, *name, *value, *path, *authority;
	} heads[] = {
		{ "CR and LF in a value", "x", "a\r\nInjected: yes", "/a", "h" },
		{ "LF in a value", "x", "a\nb", "/a", "h" },
		{ "a control in a value", "x", "a\x01", "/a", "h" },
		{ "white space around a value", "x", " a", "/a", "h" },
		{ "Host that is another", "host", "other", "/a", "h" },
		{ "a name that is no token", "x y", "a", "/a", "h" },
		{ "a user in the authority", "x", "y", "/a", "user@h" },
		{ "a list of hosts", "x", "y", "/a", "h,other" },
		{ "an escape that is none", "x", "y", "/%zz", "h" },
	};
	uint64_t before = metric_page->counter[METRIC_REQUESTS];
	struct world w = { 0 };
	static struct h2_peer c;

	(void)state;
	world_start(&w, WEB("") APP);
	h2_peer_open(&c, &w, false, false);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		int32_t id = h2_peer_submit(
			&c,
			(const char *const[]) { ":method", "GET", ":scheme", "http", ":path",
						heads[i].path, ":authority", heads[i].authority,
						heads[i].name, heads[i].value, NULL },
			true);
		struct h2_answer *a = h2_peer_answer(&c, id);

		H2_WAIT(&c, a->closed);
		if (a->status != 400 && a->code != NGHTTP2_PROTOCOL_ERROR)
			fail_msg("%s: %d, code %u", heads[i].what, a->status, a->code);
	}
	/* the last one alone had a head that could be read */
	assert_int_equal(metric_page->counter[METRIC_REQUESTS] - before, 1);
	assert_false(c.goaway);
	h2_peer_close(&c);
	world_stop(&w);
}

static void flood_resets(struct h2_peer *c, int i)
{
	h2_peer_frame(c, NGHTTP2_HEADERS, 5, 2 * i + 1, HEAD, sizeof(HEAD) - 1);
	h2_peer_frame(c, NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x08", 4);
}

/* Without a code it is no less one. */
static void flood_quiet_resets(struct h2_peer *c, int i)
{
	h2_peer_frame(c, NGHTTP2_HEADERS, 5, 2 * i + 1, HEAD, sizeof(HEAD) - 1);
	h2_peer_frame(c, NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\0", 4);
}

static void flood_pings(struct h2_peer *c, int i)
{
	(void)i;
	h2_peer_frame(c, NGHTTP2_PING, 0, 0, EIGHT, 8);
}

static void flood_settings(struct h2_peer *c, int i)
{
	(void)i;
	h2_peer_frame(c, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static void flood_empty_data(struct h2_peer *c, int i)
{
	if (!i)
		h2_peer_frame(c, NGHTTP2_HEADERS, 4, 1, HEAD, sizeof(HEAD) - 1);
	h2_peer_frame(c, NGHTTP2_DATA, 0, 1, NULL, 0);
}

static void flood_continuations(struct h2_peer *c, int i)
{
	if (!i)
		h2_peer_frame(c, NGHTTP2_HEADERS, 1, 1, HEAD, sizeof(HEAD) - 1);
	h2_peer_frame(c, NGHTTP2_CONTINUATION, 0, 1, NULL, 0);
}

static void flood_windows(struct h2_peer *c, int i)
{
	(void)i;
	h2_peer_frame(c, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
}

static void flood_priorities(struct h2_peer *c, int i)
{
	(void)i;
	h2_peer_frame(c, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\x10", 5);
}

static void floods_end_in_goaway_and_are_reported(void **state)
{
	static const struct {
		const char *what;
		void (*one)(struct h2_peer *c, int i);
		bool reported; /* not where nghttp2's own limit comes first */
	} floods[] = {
		{ "resets", flood_resets, true },
		{ "resets without a code", flood_quiet_resets, true },
		{ "pings", flood_pings, true },
		{ "settings", flood_settings, true },
		{ "empty data", flood_empty_data, true },
		{ "continuations", flood_continuations, false },
		{ "small window updates", flood_windows, true },
		{ "priorities", flood_priorities, true },
	};
	struct world w = { 0 };
	struct h2_peer c;

	(void)state;
	world_start(&w, WEB("") APP);
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		w.n_refusals = 0;
		h2_peer_open(&c, &w, true, false);
		for (int n = 0; n < 1000 && !c.goaway; n++) {
			floods[i].one(&c, n);
			h2_peer_run(&c);
			if (n % 50 == 49)
				world_turn(&w);
		}
		H2_WAIT(&c, c.goaway || c.p.err);
		if (!c.goaway || c.goaway_code != NGHTTP2_ENHANCE_YOUR_CALM)
			fail_msg("%s: GOAWAY %d, code %u", floods[i].what, c.goaway, c.goaway_code);
		if (floods[i].reported) {
			assert_true(w.n_refusals > H2_GLITCHES_MAX / 4);
			assert_int_equal(w.refusal.reason, VERDICT_REASON_HTTP2);
		}
		h2_peer_close(&c);
		WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	}
	world_stop(&w);
}

static void there_are_so_many_streams_and_no_more(void **state)
{
	struct world w = { 0 };
	struct h2_peer c;

	(void)state;
	world_start(&w, WEB("") PATIENT);
	h2_peer_open(&c, &w, true, false);
	for (int i = 0; i < H2_SESSION_STREAMS_MAX; i++)
		h2_peer_frame(&c, NGHTTP2_HEADERS, 5, 2 * i + 1, HEAD, sizeof(HEAD) - 1);
	for (int i = 0; i < 20; i++)
		h2_peer_run(&c), world_turn(&w);
	assert_int_equal(c.rsts, 0);
	h2_peer_frame(&c, NGHTTP2_HEADERS, 5, 2 * H2_SESSION_STREAMS_MAX + 1, HEAD,
		      sizeof(HEAD) - 1);
	H2_WAIT(&c, c.rsts == 1);
	assert_int_equal(c.rst_code, NGHTTP2_REFUSED_STREAM); /* it may be sent again */
	assert_false(c.goaway);
	h2_peer_close(&c);
	world_stop(&w);
}

static void a_head_without_an_end_has_its_time(void **state)
{
	struct world w = { 0 };
	struct h2_peer c;

	(void)state;
	world_start(&w, WEB(", header_timeout: 50ms") APP);
	h2_peer_open(&c, &w, true, false);
	h2_peer_frame(&c, NGHTTP2_HEADERS, 1, 1, HEAD, sizeof(HEAD) - 1);
	H2_WAIT(&c, c.goaway);
	H2_WAIT(&c, c.p.ended || c.p.err);
	h2_peer_close(&c);
	world_stop(&w);
}

/* PING keeps nothing open. */
static void an_idle_connection_ends(void **state)
{
	struct world w = { 0 };
	struct h2_peer c;
	uint64_t next = 0;

	(void)state;
	world_start(&w, WEB(", idle_timeout: 100ms") APP);
	h2_peer_open(&c, &w, true, false);
	H2_WAIT(&c, ({
		if (clock_now_ns() >= next && !c.goaway) {
			h2_peer_frame(&c, NGHTTP2_PING, 0, 0, EIGHT, 8);
			next = clock_now_ns() + 30 * NS_PER_MS;
		}
		c.goaway;
	}));
	assert_int_equal(c.goaway_code, NGHTTP2_NO_ERROR);
	h2_peer_close(&c);
	world_stop(&w);
}

static size_t heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static size_t swallow(struct peer *p)
{
	size_t n;

	peer_receive(p);
	n = p->len;
	p->len = 0;
	return n;
}

/* The endpoint sends as much as it can to a client that opens no window. */
static void who_takes_no_response_is_reset_and_pins_little(void **state)
{
	static char piece[65536];
	struct world w = { 0 };
	static struct h2_peer c;
	struct peer e;
	struct h2_answer *a;
	size_t before, sent = 0;

	(void)state;
	world_start(&w, WEB(", body_timeout: 150ms") APP);
	h2_peer_open(&c, &w, false, true);
	a = h2_peer_answer(&c, h2_peer_get(&c, "/a"));
	h2_peer_run(&c);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
	H2_WAIT(&c, a->status);
	before = heap();
	H2_WAIT(&c, (sent += peer_try_send(&e, piece, sizeof(piece)), a->closed));
	assert_true(sent < 100000000);
	assert_true(heap() < before + HEAP_MAX);
	assert_int_equal(a->code, NGHTTP2_CANCEL);
	assert_int_equal(a->body, 65535);
	world_expect_log(&w, "client_stalled");
	assert_false(c.goaway);
	peer_close(&e);
	h2_peer_close(&c);
	world_stop(&w);
}

/* A body that the endpoint does not take stays with the client. */
static void a_body_is_sent_at_the_pace_of_the_endpoint(void **state)
{
	struct world w = { 0 };
	static struct h2_peer c;
	char *body = calloc(1, BODY);
	struct peer e;
	struct h2_answer *a;
	size_t before, got = 0, left = SIZE_MAX;
	int32_t id;

	(void)state;
	world_start(&w, WEB("") APP);
	h2_peer_open(&c, &w, false, false);
	id = h2_peer_submit(&c,
			    (const char *const[]) { ":method", "POST", ":scheme", "http", ":path",
						    "/a", ":authority", "h", "content-length",
						    "16777216", NULL },
			    false);
	a = h2_peer_answer(&c, id);
	h2_peer_run(&c);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	before = heap();
	h2_peer_data(&c, id, body, BODY, true);
	while (left != a->data_len) { /* until nothing moves any more */
		left = a->data_len;
		for (int i = 0; i < 30; i++)
			h2_peer_run(&c), world_turn(&w);
	}
	assert_true(left > 0);
	assert_true(heap() < before + HEAP_MAX);
	H2_WAIT(&c, (got += swallow(&e)) >= BODY);
	assert_int_equal(got, BODY);
	assert_int_equal(a->data_len, 0);
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	H2_WAIT(&c, a->closed);
	assert_int_equal(a->status, 200);
	free(body);
	peer_close(&e);
	h2_peer_close(&c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_frames_are_answered_as_the_rfc_says),
		cmocka_unit_test(a_head_must_not_be_interrupted),
		cmocka_unit_test(heads_that_two_could_read_differently_are_400),
		cmocka_unit_test(floods_end_in_goaway_and_are_reported),
		cmocka_unit_test(there_are_so_many_streams_and_no_more),
		cmocka_unit_test(a_head_without_an_end_has_its_time),
		cmocka_unit_test(an_idle_connection_ends),
		cmocka_unit_test(who_takes_no_response_is_reset_and_pins_little),
		cmocka_unit_test(a_body_is_sent_at_the_pace_of_the_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
