/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of clients that endpoints would believe: none arrives, each is counted, others pass. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "gateway_world.h"

#define CONF                                                                          \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"                    \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                    \
	"plans: [{name: basic}]\n"                                                    \
	"consumers: [{name: ann, plan: basic, keys: [ann-key-0123456789]}]\n"         \
	"routes:\n"                                                                   \
	"  - {name: keyed, paths: [/keyed], cluster: app, policies: {api_key: {}}}\n" \
	"  - {name: open, cluster: app}\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n"
#define MARK	  "forged-value"

struct row {
	const char *what, *name;
	enum metric_strip kind; /* NONE: it passes */
};

static uint64_t stripped(enum metric_strip kind)
{
	return metric_page->stripped[kind];
}

static uint64_t stripped_in_all(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < METRIC_STRIP_COUNT; i++)
		sum += stripped((enum metric_strip)i);
	return sum;
}

/* What the endpoint is asked when the client adds that field. */
static const char *ask(struct peer *c, struct peer *e, const char *head, const char *name)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s: " MARK "\r\n\r\n", head, name);
	peer_send(c, text);
	if (e->fd < 0)
		peer_accept(e, c->w, 0);
	return peer_head(e);
}

static void answer(struct peer *c, struct peer *e)
{
	peer_send(e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_head(c);
}

static void judge(struct peer *c, struct peer *e, const char *head, const struct row *row)
{
	bool passes = row->kind == METRIC_STRIP_NONE;
	uint64_t of_kind = passes ? 0 : stripped(row->kind), all = stripped_in_all();
	const char *asked = ask(c, e, head, row->name);

	if (!strstr(asked, MARK) == passes)
		fail_msg("%s: %s: %s", row->what, row->name, asked);
	if (stripped_in_all() - all != !passes || (!passes && stripped(row->kind) - of_kind != 1))
		fail_msg("%s: %s was not counted once under its kind", row->what, row->name);
	answer(c, e);
}

static void judge_all(const char *head, const struct row *rows, size_t n)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	world_start(&w, CONF);
	peer_connect(&c, &w);
	for (size_t i = 0; i < n; i++)
		judge(&c, &e, head, &rows[i]);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void what_endpoints_would_believe_is_stripped_and_counted(void **state)
{
	static const struct row rows[] = {
		{ "httpoxy", "Proxy", METRIC_STRIP_PROXY },
		{ "httpoxy in another case", "pROXY", METRIC_STRIP_PROXY },
		{ "CGI servers that cut a name", "Proxy_", METRIC_STRIP_PROXY },
		{ "another path", "X-Original-URL", METRIC_STRIP_REWRITE },
		{ "another path, as a variable", "X_Original_Url", METRIC_STRIP_REWRITE },
		{ "another path", "X-Original-URI", METRIC_STRIP_REWRITE },
		{ "another path", "X-Rewrite-URL", METRIC_STRIP_REWRITE },
		{ "another path, as a variable", "x_rewrite_url", METRIC_STRIP_REWRITE },
		{ "another host", "X-Original-Host", METRIC_STRIP_REWRITE },
		{ "a length", "Content_Length", METRIC_STRIP_FRAMING },
		{ "a length", "content.length", METRIC_STRIP_FRAMING },
		{ "a length", "Content-Length_", METRIC_STRIP_FRAMING },
		{ "a coding", "Transfer_Encoding", METRIC_STRIP_FRAMING },
		{ "a coding", "TRANSFER_ENCODING", METRIC_STRIP_FRAMING },
		{ "a coding", "Transfer-Encoding_", METRIC_STRIP_FRAMING },
		{ "a coding", "_Transfer-Encoding", METRIC_STRIP_FRAMING },
		{ "a second host", "Host_", METRIC_STRIP_FRAMING },
		{ "a second host", "_Host", METRIC_STRIP_FRAMING },
		{ "an upgrade", "Upgrade_", METRIC_STRIP_FRAMING },
		{ "an expectation", "Expect_", METRIC_STRIP_FRAMING },
		{ "a list of fields to remove", "Connection_", METRIC_STRIP_FRAMING },
		{ "settings of h2c", "HTTP2-Settings", METRIC_STRIP_FRAMING },
		{ "who the peer is", "X-Forwarded-For", METRIC_STRIP_IDENTITY },
		{ "who the peer is", "X_Forwarded_For", METRIC_STRIP_IDENTITY },
		{ "who the peer is", "x.forwarded.for", METRIC_STRIP_IDENTITY },
		{ "who the peer is", "X-Forwarded_For", METRIC_STRIP_IDENTITY },
		{ "who the peer is", "X-Forwarded-For_", METRIC_STRIP_IDENTITY },
		{ "who the peer is", "X_Real_IP", METRIC_STRIP_IDENTITY },
		{ "who the peer is", "Forwarded", METRIC_STRIP_IDENTITY },
		{ "any of the family", "X-Forwarded-Client-Cert", METRIC_STRIP_IDENTITY },
		{ "who the consumer is", "X-Consumer", METRIC_STRIP_IDENTITY },
		{ "who the consumer is", "X_Consumer", METRIC_STRIP_IDENTITY },
		{ "who the consumer is", "X~Consumer~Groups", METRIC_STRIP_IDENTITY },
		{ "our request id", "X_Request_Id", METRIC_STRIP_IDENTITY },
	};

	(void)state;
	judge_all(GET("/"), rows, sizeof(rows) / sizeof(rows[0]));
}

static void names_that_only_look_alike_pass(void **state)
{
	static const struct row rows[] = {
		{ "a longer name", "Proxy-Mode", METRIC_STRIP_NONE },
		{ "a longer name", "Hostname", METRIC_STRIP_NONE },
		{ "a longer name", "Content-Length-Hint", METRIC_STRIP_NONE },
		{ "a shorter name", "X-Forwarded", METRIC_STRIP_NONE },
		{ "a shorter name", "X-Original", METRIC_STRIP_NONE },
		{ "a shorter name", "X-Consume", METRIC_STRIP_NONE },
		{ "another word", "X-Rewrite-URLs", METRIC_STRIP_NONE },
		{ "a field with underscores", "my_own_field", METRIC_STRIP_NONE },
		{ "nothing but marks", "~_~", METRIC_STRIP_NONE },
		{ "a digit in front", "1st", METRIC_STRIP_NONE },
		{ "what the parser judged", "Content-Type", METRIC_STRIP_NONE },
		{ "a key where none is asked for", "X-Api-Key", METRIC_STRIP_NONE },
	};

	(void)state;
	judge_all(GET("/"), rows, sizeof(rows) / sizeof(rows[0]));
}

static void other_spellings_of_the_key_are_stripped_where_one_is_asked_for(void **state)
{
	static const struct row rows[] = {
		{ "as a variable", "X_Api_Key", METRIC_STRIP_KEY },
		{ "as a variable", "x.api.key", METRIC_STRIP_KEY },
		{ "cut", "X-Api-Key_", METRIC_STRIP_KEY },
		{ "another one", "X-Api-Keys", METRIC_STRIP_NONE },
	};
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, CONF);
	peer_connect(&c, &w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = stripped(METRIC_STRIP_KEY);
		const char *asked = ask(&c, &e, GET("/keyed") "X-Api-Key: ann-key-0123456789\r\n",
					rows[i].name);

		assert_null(strstr(asked, "ann-key-0123456789"));
		if (!strstr(asked, MARK) == (rows[i].kind == METRIC_STRIP_NONE))
			fail_msg("%s: %s: %s", rows[i].what, rows[i].name, asked);
		/* the key itself was used, not taken for a forgery */
		assert_int_equal(stripped(METRIC_STRIP_KEY) - before,
				 rows[i].kind == METRIC_STRIP_KEY);
		answer(&c, &e);
	}
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void the_length_that_was_understood_still_arrives_beside_a_forged_one(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	const char *head;

	(void)state;
	world_start(&w, CONF);
	peer_connect(&c, &w);
	peer_send(&c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent_Length: 9\r\n"
		      "Transfer_Encoding: chunked\r\nProxy: http://evil\r\n\r\nhi");
	peer_accept(&e, &w, 0);
	head = peer_head(&e);
	assert_string_equal(head_field(head, "Content-Length"), "2");
	assert_null(strstr(head, "ontent_"));
	assert_null(strstr(head, "hunked"));
	assert_null(strstr(head, "evil"));
	peer_expect(&e, "hi");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_endpoints_would_believe_is_stripped_and_counted),
		cmocka_unit_test(names_that_only_look_alike_pass),
		cmocka_unit_test(other_spellings_of_the_key_are_stripped_where_one_is_asked_for),
		cmocka_unit_test(the_length_that_was_understood_still_arrives_beside_a_forged_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
