/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies as a client sees them: who is refused, in which words, and what that costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_world.h"

#define CONF(mode)                                                                                   \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"                                   \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                                   \
	"plans:\n"                                                                                   \
	"  - {name: small, limits: [{name: burst, rate: 1/min, burst: 2},"                           \
	" {name: day, rate: 10/h, burst: 10}]}\n"                                                    \
	"  - {name: other}\n"                                                                        \
	"consumers:\n"                                                                               \
	"  - {name: ann, plan: small, keys: [ann-key-0123456789]}\n"                                 \
	"  - {name: bob, plan: other, keys: [bob-key-0123456789]}\n"                                 \
	"routes:\n"                                                                                  \
	"  - {name: api, paths: [/api], cluster: app, policies: {api_key: {header: x-api-key},"      \
	" limit: " mode "}}\n"                                                                       \
	"  - {name: gold, paths: [/gold], cluster: app, policies: {api_key: {},"                     \
	" authorise: {plans: [small]}}}\n"                                                           \
	"  - {name: maybe, paths: [/maybe], cluster: app, policies: {api_key: {required: false}}}\n" \
	"  - {name: open, paths: [/open], cluster: app}\n"
#define ANN "X-Api-Key: ann-key-0123456789\r\n"
#define BOB "X-Api-Key: bob-key-0123456789\r\n"

static void send_request(struct peer *c, const char *path, const char *fields)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, fields);
	peer_send(c, text);
}

/* Take a problem; its body is left in text. */
static const char *expect_problem(struct peer *c, unsigned int status, char text[2048])
{
	const char *head = peer_head(c);
	char line[32];
	size_t n = strtoul(head_field(head, "Content-Length"), NULL, 10);

	snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
	if (strncmp(head, line, strlen(line)) != 0)
		fail_msg("expected %s, got %s", line, head);
	assert_string_equal(head_field(head, "Content-Type"), "application/problem+json");
	WORLD_WAIT(c->w, (peer_receive(c), c->len >= n));
	snprintf(text, 2048, "%.*s", (int)n, c->data);
	peer_take(c, n);
	return head;
}

/* The endpoint answers, and what it was asked is returned. */
static const char *serve(struct peer *e, struct peer *c)
{
	const char *head;

	if (e->fd < 0)
		peer_accept(e, c->w, 0);
	head = peer_head(e);
	peer_send(e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_head(c);
	return head;
}

static void a_missing_key_is_401(void **state)
{
	struct world w = { 0 };
	struct peer c;
	char text[2048], expected[2048], id[64];
	const char *head;

	(void)state;
	world_start(&w, CONF("enforce"));
	peer_connect(&c, &w);
	send_request(&c, "/api", "");
	head = expect_problem(&c, 401, text);
	assert_string_equal(head_field(head, "WWW-Authenticate"), "ApiKey realm=\"sluice\"");
	assert_string_equal(head_field(head, "Proxy-Status"),
			    "sluice; error=http_request_denied; details=\"key_missing\"");
	assert_string_equal(head_field(head, "Cache-Control"), "no-store");
	assert_null(head_field(head, "Retry-After"));
	assert_null(head_field(head, "Connection"));
	snprintf(id, sizeof(id), "%s", head_field(head, "X-Request-Id"));
	snprintf(expected, sizeof(expected),
		 "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,"
		 "\"detail\":\"This route asks for an API key.\",\"instance\":\"urn:uuid:%s\","
		 "\"code\":\"key_missing\"}",
		 id);
	assert_string_equal(text, expected);
	assert_int_equal(w.n_refusals, 1);
	assert_int_equal(w.refusal.reason, VERDICT_REASON_AUTH);
	assert_int_equal(w.refusal.consumer, 0);
	assert_int_equal(w.refusal.source.b[12], 127);
	peer_close(&c);
	world_stop(&w);
}

static void an_unknown_key_is_401(void **state)
{
	static const char *const fields[] = {
		"X-Api-Key: ann-key-012345678\r\n",
		"X-Api-Key: ann-key-01234567890\r\n",
		"X-Api-Key: \r\nX-Api-Key: ann-key-0123456789\r\n",
		ANN BOB,
		ANN ANN,
	};
	struct world w = { 0 };
	struct peer c;
	char text[2048];

	(void)state;
	world_start(&w, CONF("enforce"));
	peer_connect(&c, &w);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		send_request(&c, "/api", fields[i]);
		expect_problem(&c, 401, text);
		assert_non_null(strstr(text, "\"code\":\"key_unknown\""));
		assert_int_equal(w.n_refusals, i + 1);
	}
	/* also where a key is not asked for, but not without one */
	send_request(&c, "/maybe", fields[0]);
	expect_problem(&c, 401, text);
	peer_close(&c);
	world_stop(&w);
}

static void a_plan_that_is_not_listed_is_403(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };
	char text[2048];

	(void)state;
	world_start(&w, CONF("enforce"));
	peer_connect(&c, &w);
	send_request(&c, "/gold", BOB);
	expect_problem(&c, 403, text);
	assert_non_null(strstr(text, "\"code\":\"plan_forbidden\""));
	assert_int_equal(w.n_refusals, 0); /* bob did nothing that a verdict would be about */
	send_request(&c, "/gold", ANN);
	serve(&e, &c);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void the_endpoint_learns_the_consumer_and_not_the_key(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };
	const char *head;

	(void)state;
	world_start(&w, CONF("enforce"));
	peer_connect(&c, &w);
	send_request(&c, "/api", ANN "X_Api_Key: forged\r\nX-Consumer: root\r\n");
	head = serve(&e, &c);
	assert_string_equal(head_field(head, "X-Consumer"), "ann");
	assert_int_equal(head_count(head, "X-Consumer"), 1);
	assert_null(strstr(head, "ann-key"));
	assert_null(strstr(head, "forged"));
	send_request(&c, "/open", "X-Api-Key: goes-through\r\nX-Consumer: root\r\n");
	head = serve(&e, &c);
	assert_null(head_field(head, "X-Consumer"));
	assert_string_equal(head_field(head, "X-Api-Key"), "goes-through");
	send_request(&c, "/maybe", "");
	assert_null(head_field(serve(&e, &c), "X-Consumer"));
	world_expect_log(&w, "\"consumer\":\"ann\"");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void over_a_limit_is_429_and_costs_nothing(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };
	char text[2048];
	const char *head;
	uint64_t day;

	(void)state;
	world_start(&w, CONF("enforce"));
	peer_connect(&c, &w);
	send_request(&c, "/api", ANN);
	serve(&e, &c);
	assert_string_equal(head_field(c.head, "RateLimit-Policy"),
			    "\"burst\";q=2;w=120, \"day\";q=10;w=3600");
	assert_string_equal(head_field(c.head, "RateLimit"), "\"burst\";r=1;t=60");
	send_request(&c, "/api", ANN);
	serve(&e, &c);
	assert_string_equal(head_field(c.head, "RateLimit"), "\"burst\";r=0;t=60");
	day = w.meters[2];
	for (int i = 0; i < 20; i++) {
		send_request(&c, "/api", ANN);
		head = expect_problem(&c, 429, text);
		assert_string_equal(head_field(head, "Retry-After"), "60");
		assert_string_equal(head_field(head, "RateLimit"), "\"burst\";r=0;t=60");
		assert_string_equal(head_field(head, "RateLimit-Policy"),
				    "\"burst\";q=2;w=120, \"day\";q=10;w=3600");
		assert_string_equal(head_field(head, "Proxy-Status"),
				    "sluice; error=http_request_denied; details=\"limit\"");
		assert_non_null(strstr(text, "\"code\":\"limit\""));
		assert_non_null(strstr(text, "\"violated-policies\":[\"burst\"]"));
		assert_non_null(strstr(text, "\"title\":\"Too Many Requests\""));
		assert_non_null(strstr(text, "#quota-exceeded\""));
	}
	assert_int_equal(w.meters[2], day);
	assert_int_equal(w.n_refusals, 20);
	assert_int_equal(w.refusal.reason, VERDICT_REASON_LIMIT);
	assert_int_equal(w.refusal.consumer, 1);
	/* bob is not ann */
	send_request(&c, "/api", BOB);
	serve(&e, &c);
	assert_null(head_field(c.head, "RateLimit"));
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void limits_of_an_endpoint_are_not_mixed_with_ours(void **state)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
				     "RateLimit: \"theirs\";r=7;t=1\r\n"
				     "ratelimit-policy: \"theirs\";q=7\r\n\r\n";
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, CONF("enforce"));
	peer_connect(&c, &w);
	send_request(&c, "/api", ANN);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_send(&e, answer);
	peer_head(&c);
	assert_int_equal(head_count(c.head, "RateLimit"), 1);
	assert_int_equal(head_count(c.head, "RateLimit-Policy"), 1);
	assert_string_equal(head_field(c.head, "RateLimit"), "\"burst\";r=1;t=60");
	/* where we have none they are its answer */
	send_request(&c, "/open", "");
	peer_head(&e);
	peer_send(&e, answer);
	assert_string_equal(head_field(peer_head(&c), "RateLimit"), "\"theirs\";r=7;t=1");
	assert_string_equal(head_field(c.head, "RateLimit-Policy"), "\"theirs\";q=7");
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void shadow_shows_and_counts_and_lets_through(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, CONF("shadow"));
	peer_connect(&c, &w);
	for (int i = 0; i < 5; i++) {
		send_request(&c, "/api", ANN);
		serve(&e, &c);
		assert_int_equal(strncmp(c.head, "HTTP/1.1 200 ", 13), 0);
	}
	assert_string_equal(head_field(c.head, "RateLimit"), "\"burst\";r=0;t=60");
	assert_null(head_field(c.head, "Retry-After"));
	assert_int_equal(w.n_refusals, 0);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void off_says_nothing(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, CONF("off"));
	peer_connect(&c, &w);
	for (int i = 0; i < 5; i++) {
		send_request(&c, "/api", ANN);
		serve(&e, &c);
		assert_null(head_field(c.head, "RateLimit"));
	}
	assert_int_equal(w.meters[1], 0);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static const struct presence_entry *find_presence(const struct world *w, uint32_t consumer)
{
	const struct presence_entry *e = &w->presence->entry[0][0];

	for (size_t i = 0; i < PRESENCE_SETS * PRESENCE_WAYS; i++) {
		if (e[i].consumer == consumer)
			return &e[i];
	}
	return NULL;
}

static void who_was_served_is_stamped_and_who_was_not_is_not(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };
	char text[2048];

	(void)state;
	world_start(&w, CONF("enforce"));
	peer_connect(&c, &w);
	send_request(&c, "/gold", BOB);
	expect_problem(&c, 403, text);
	assert_null(find_presence(&w, 2));
	send_request(&c, "/api", ANN);
	serve(&e, &c);
	assert_non_null(find_presence(&w, 1));
	assert_int_equal(find_presence(&w, 1)->source.b[12], 127);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void an_open_connection_is_stamped_again(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };
	struct presence_entry *entry;

	(void)state;
	world_start(&w, CONF("enforce") "pushdown: {nat_memory: 1s}\n");
	peer_connect(&c, &w);
	send_request(&c, "/api", ANN);
	serve(&e, &c);
	entry = (struct presence_entry *)find_presence(&w, 1);
	entry->seen_s = 1;
	WORLD_WAIT(&w, entry->seen_s > 1);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_key_is_401),
		cmocka_unit_test(an_unknown_key_is_401),
		cmocka_unit_test(a_plan_that_is_not_listed_is_403),
		cmocka_unit_test(the_endpoint_learns_the_consumer_and_not_the_key),
		cmocka_unit_test(over_a_limit_is_429_and_costs_nothing),
		cmocka_unit_test(limits_of_an_endpoint_are_not_mixed_with_ours),
		cmocka_unit_test(shadow_shows_and_counts_and_lets_through),
		cmocka_unit_test(off_says_nothing),
		cmocka_unit_test(who_was_served_is_stamped_and_who_was_not_is_not),
		cmocka_unit_test(an_open_connection_is_stamped_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
