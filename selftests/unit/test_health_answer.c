/* SPDX-License-Identifier: BSD-2-Clause */
/* What backends answer: HTTP in any pieces, DNS in one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "health/health_dns.h"
#include "health/health_http.h"

/* All of the answer, cut in two; -EAGAIN: it waits for more although the stream goes on. */
static int answer(const struct health_http_rules *rules, const char *text, size_t len, size_t cut,
		  struct errmsg *why)
{
	struct health_http h;
	size_t at = 0, end = cut, used;
	int ret = 0;

	why->text[0] = '\0';
	health_http_init(&h, rules);
	while (!ret) {
		ret = health_http_feed(&h, text + at, end - at, &used, why);
		at += used;
		if (ret || used)
			continue;
		if (end == len)
			break;
		end = len;
	}
	health_http_clear(&h);
	return ret;
}

static int ended(const struct health_http_rules *rules, const char *text, struct errmsg *why)
{
	struct health_http h;
	size_t used;
	int ret;

	health_http_init(&h, rules);
	ret = health_http_feed(&h, text, strlen(text), &used, why);
	if (!ret)
		ret = health_http_end(&h, why);
	health_http_clear(&h);
	return ret;
}

#define OK  "HTTP/1.1 200 OK\r\n"
#define END "\r\n"

static const struct {
	const char *what, *match, *text;
	int ret;
	const char *why;
} rows[] = {
	{ "a status that is wanted", "", OK END, 1, "" },
	{ "the last of the range", "", "HTTP/1.0 299 x\r\n\r\n", 1, "" },
	{ "one of the list", "", "HTTP/1.1 304 x\r\n\r\n", 1, "" },
	{ "one behind the range", "", "HTTP/1.1 300 x\r\n\r\n", -EPROTO, "status 300" },
	{ "an error", "", "HTTP/1.1 503 x\r\n\r\n", -EPROTO, "status 503" },
	{ "after an interim answer", "", "HTTP/1.1 103 x\r\n\r\n" OK END, 1, "" },
	{ "interim answers only go on", "", "HTTP/1.1 100 x\r\n\r\n", 0, "" },
	{ "not for ever", "",
	  "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 100 x\r\n\r\n"
	  "HTTP/1.1 100 x\r\n\r\n",
	  -EPROTO, "status 100" },
	{ "a switch of protocols", "", "HTTP/1.1 101 x\r\n\r\n", -EPROTO, "status 101" },
	{ "a head that is not all there", "", OK, 0, "" },
	{ "no HTTP", "", "SSH-2.0-x\r\n\r\n", -EPROTO, "not an HTTP answer" },
	{ "HTTP/2", "", "HTTP/2.0 200 OK\r\n\r\n", -EPROTO, "not an HTTP answer" },
	{ "a match", "is ok", OK "Content-Length: 9\r\n\r\nall is ok", 1, "" },
	{ "a match over chunks", "is ok",
	  OK "Transfer-Encoding: chunked\r\n\r\n6\r\nall is\r\n3\r\n ok\r\n0\r\n\r\n", 1, "" },
	{ "a match before the end", "ok", OK "Content-Length: 99\r\n\r\nok", 1, "" },
	{ "none yet", "ok", OK "Content-Length: 99\r\n\r\no", 0, "" },
	{ "none", "ok", OK "Content-Length: 2\r\n\r\nko", -EPROTO, "first 2 bytes" },
	{ "no body", "ok", OK "Content-Length: 0\r\n\r\n", -EPROTO, "first 0 bytes" },
	{ "no body by status", "ok", "HTTP/1.1 204 x\r\n\r\n", -EPROTO, "first 0 bytes" },
	{ "a match in the framing", "chunked", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  -EPROTO, "first 0 bytes" },
	{ "broken chunks", "ok", OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", -EPROTO,
	  "not an HTTP answer" },
};

static struct health_http_rules make_rules(const char *match)
{
	struct health_http_rules rules = { .n_status = 2, .match_len = strlen(match) };

	rules.status[0] = (struct conf_status_range) { 200, 299 };
	rules.status[1] = (struct conf_status_range) { 304, 304 };
	memcpy(rules.match, match, strlen(match));
	return rules;
}

static void test_http_answers_are_judged_however_they_arrive(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct health_http_rules rules = make_rules(rows[i].match);
		size_t len = strlen(rows[i].text);
		struct errmsg why;

		for (size_t cut = 0; cut <= len; cut++) {
			int ret = answer(&rules, rows[i].text, len, cut, &why);

			if (ret != rows[i].ret || !strstr(why.text, rows[i].why))
				fail_msg("%s, cut at %zu: %d %s", rows[i].what, cut, ret, why.text);
		}
	}
}

static void test_an_answer_that_ends_early_fails(void **state)
{
	struct health_http_rules any = make_rules(""), ok = make_rules("ok");
	struct errmsg why;

	(void)state;
	assert_int_equal(ended(&any, "", &why), -EPROTO);
	assert_string_equal(why.text, "closed without an answer");
	assert_int_equal(ended(&any, OK, &why), -EPROTO);
	assert_int_equal(ended(&ok, OK END "so k", &why), -EPROTO);
	assert_non_null(strstr(why.text, "first 4 bytes"));
}

static void test_what_is_looked_at_is_bounded(void **state)
{
	const size_t max = HEALTH_HTTP_BODY_BYTES;
	struct health_http_rules rules = make_rules("needle");
	char *text = calloc(1, 65536);
	struct errmsg why;
	size_t head;

	(void)state;
	head = (size_t)sprintf(text, OK "Content-Length: 60000\r\n\r\n");
	memset(text + head, 'x', 60000);
	memcpy(text + head + max - 6, "needle", 6);
	assert_int_equal(answer(&rules, text, head + max, 100, &why), 1);
	memcpy(text + head + max - 6, "xneedle", 7);
	assert_int_equal(answer(&rules, text, head + max + 1000, 100, &why), -EPROTO);
	assert_non_null(strstr(why.text, "first 16384 bytes"));
	/* a head without end */
	memset(text, 'h', 65536);
	memcpy(text, "HTTP/1.1 200 ", 13);
	assert_int_equal(answer(&rules, text, HEALTH_HTTP_HEAD_BYTES + 2, 9, &why), -EPROTO);
	free(text);
}

static void test_a_dns_query_is_what_the_rfc_says(void **state)
{
	static const uint8_t want[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				      "\x03www\x07"
				      "example\x03"
				      "com\x00\x00\x1c\x00\x01";
	uint8_t q[HEALTH_DNS_MAX_BYTES];
	char name[260];

	(void)state;
	assert_int_equal(health_dns_encode(0x1234, "www.example.com", 28, q), sizeof(want) - 1);
	assert_memory_equal(q, want, sizeof(want) - 1);
	assert_int_equal(health_dns_encode(0x1234, "www.example.com.", 28, q), sizeof(want) - 1);
	assert_int_equal(health_dns_encode(1, "a..b", 1, q), -EINVAL);
	assert_int_equal(health_dns_encode(1, ".", 1, q), -EINVAL);
	memset(name, 'a', 64);
	strcpy(name + 64, ".b");
	assert_int_equal(health_dns_encode(1, name, 1, q), -EINVAL);
	for (size_t i = 0; i < 254; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[254] = '\0';
	assert_int_equal(health_dns_encode(1, name, 1, q), -EINVAL);
	name[253] = '\0';
	assert_int_equal(health_dns_encode(1, name, 1, q), HEALTH_DNS_MAX_BYTES);
}

static void test_dns_answers_are_judged(void **state)
{
	static const struct {
		const char *what;
		size_t at; /* of the query, turned into an answer, this byte */
		uint8_t is;
		size_t cut;
		uint8_t rcode;
		int ret;
	} dns[] = {
		{ "no error", 3, 0x80, 0, 0, 1 },
		{ "no such name", 3, 0x83, 0, 0, -EPROTO },
		{ "which may be what is wanted", 3, 0x83, 0, 3, 1 },
		{ "refused", 3, 5, 0, 0, -EPROTO },
		{ "another id", 0, 0x13, 0, 0, 0 },
		{ "a question", 2, 0x01, 0, 0, 0 },
		{ "another kind of operation", 2, 0xa9, 0, 0, 0 },
		{ "another name", 14, 'x', 0, 0, 0 },
		{ "the name in capitals", 14, 'W', 0, 0, 1 },
		{ "two questions", 5, 2, 0, 0, 0 },
		{ "no question and no error", 5, 0, 0, 0, -EPROTO },
		{ "cut within the question", 3, 0x80, 20, 0, 0 },
		{ "cut within the header", 3, 0x80, 11, 0, 0 },
	};
	uint8_t q[HEALTH_DNS_MAX_BYTES], a[HEALTH_DNS_MAX_BYTES];
	int n = health_dns_encode(0x1234, "www.example.com", 1, q);

	(void)state;
	for (size_t i = 0; i < sizeof(dns) / sizeof(dns[0]); i++) {
		struct errmsg why = { "" };
		int ret;

		memcpy(a, q, (size_t)n);
		a[2] = 0x81;
		a[dns[i].at] = dns[i].is;
		ret = health_dns_check(q, (size_t)n, a, dns[i].cut ? dns[i].cut : (size_t)n,
				       dns[i].rcode, &why);
		if (ret != dns[i].ret || !why.text[0] != (ret >= 0))
			fail_msg("%s: %d %s", dns[i].what, ret, why.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_answers_are_judged_however_they_arrive),
		cmocka_unit_test(test_an_answer_that_ends_early_fails),
		cmocka_unit_test(test_what_is_looked_at_is_bounded),
		cmocka_unit_test(test_a_dns_query_is_what_the_rfc_says),
		cmocka_unit_test(test_dns_answers_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
