/* SPDX-License-Identifier: BSD-2-Clause */
/* Response heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "h1_head_case.h"

#define N(a)  (sizeof(a) / sizeof((a)[0]))
#define OK(s) WIRE("HTTP/1.1 200 OK\r\n" s "\r\n")

static const struct head_case responses[] = {
	{ "a response with a length is read", OK("Content-Length: 5\r\n"),
	  "200|OK|1.1 keep length=5 Content-Length=5;" },
	{ "a response without length lasts until the end", OK(""), "200|OK|1.1 close until-close" },
	{ "a chunked response is read", OK("Transfer-Encoding: chunked\r\n"),
	  "200|OK|1.1 keep chunked ~Transfer-Encoding=chunked;" },
	{ "a reason may be empty", WIRE("HTTP/1.1 204 \r\n\r\n"), "204||1.1 keep none" },
	{ "a reason may be missing with its space", WIRE("HTTP/1.1 204\r\n\r\n"),
	  "204||1.1 keep none" },
	{ "a reason may hold obs-text", WIRE("HTTP/1.0 304 n\xc3\xb6\r\n\r\n"),
	  "304|n\xc3\xb6|1.0 close none" },
	{ "an HTTP/1.0 response stays open when it says so",
	  WIRE("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
	  "200|OK|1.0 keep length=0 ~Connection=keep-alive; Content-Length=0;" },
	{ "a response that closes says so", OK("Connection: close\r\nContent-Length: 0\r\n"),
	  "200|OK|1.1 close length=0 ~Connection=close; Content-Length=0;" },
	{ "the answer to HEAD has no body, whatever its length", OK("Content-Length: 5\r\n"),
	  "200|OK|1.1 keep none Content-Length=5;", HTTP_HEAD },
	{ "the answer to HEAD may say that it would be chunked",
	  OK("Transfer-Encoding: chunked\r\n"), "200|OK|1.1 keep none ~Transfer-Encoding=chunked;",
	  HTTP_HEAD },
	{ "304 has no body, whatever its length",
	  WIRE("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
	  "304|Not Modified|1.1 keep none Content-Length=5;" },
	{ "100 has no body", WIRE("HTTP/1.1 100 Continue\r\n\r\n"), "100|Continue|1.1 keep none" },
	{ "103 has fields and no body", WIRE("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
	  "103|Early Hints|1.1 keep none Link=a;" },
	{ "101 is an upgrade when it says so",
	  WIRE("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"),
	  "101|Switching Protocols|1.1 keep none upgrade ~Connection=upgrade; ~Upgrade=a;" },
	{ "a length of 0 in 204 says nothing new",
	  WIRE("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
	  "204|No Content|1.1 keep none Content-Length=0;" },
	{ "a length in 204 is refused",
	  WIRE("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"),
	  "502: body announced in a 1xx or 204 response" },
	{ "chunks in 204 are refused",
	  WIRE("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  "502: body announced in a 1xx or 204 response" },
	{ "chunks in 100 are refused",
	  WIRE("HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  "502: body announced in a 1xx or 204 response" },
	{ "length and chunks together are refused",
	  OK("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
	  "502: Content-Length with Transfer-Encoding" },
	{ "two lengths are refused", OK("Content-Length: 3\r\nContent-Length: 3\r\n"),
	  "502: repeated Content-Length" },
	{ "a coding that we do not know is refused", OK("Transfer-Encoding: gzip\r\n"),
	  "502: final transfer coding is not chunked" },
	{ "chunks in HTTP/1.0 are refused",
	  WIRE("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  "502: Transfer-Encoding in HTTP/1.0" },
	{ "a bare LF is refused", WIRE("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
	  "502: bare LF in a header line" },
	{ "an empty line before a response is refused", WIRE("\r\nHTTP/1.1 200 OK\r\n\r\n"),
	  "502: no HTTP version in the start line" },
	{ "a status of two digits is refused", WIRE("HTTP/1.1 20 OK\r\n\r\n"),
	  "502: malformed status line" },
	{ "a status of four digits is refused", WIRE("HTTP/1.1 2000 OK\r\n\r\n"),
	  "502: unexpected byte in a header line" },
	{ "a status below 100 is refused", WIRE("HTTP/1.1 099 OK\r\n\r\n"),
	  "502: status out of range" },
	{ "a status above 599 is refused", WIRE("HTTP/1.1 600 OK\r\n\r\n"),
	  "502: status out of range" },
	{ "two spaces before the status are refused", WIRE("HTTP/1.1  200 OK\r\n\r\n"),
	  "502: malformed status line" },
	{ "a response in HTTP/2.0 is refused", WIRE("HTTP/2.0 200 OK\r\n\r\n"),
	  "502: HTTP version is neither 1.0 nor 1.1" },
	{ "a folded line is refused", OK("A: b\r\n c\r\n"), "502: folded header line" },
	{ "a response over the limit is refused", OK("A: b\r\n"), "502: header too large",
	  .limits = { 20, 0, 5 } },
	{ "what CONNECT opens has no length", OK("Content-Length: 5\r\n"),
	  "200|OK|1.1 keep none Content-Length=5;", HTTP_CONNECT },
};

static void test_response(void **state)
{
	h1_head_case_check(*state, true);
}

int main(void)
{
	static struct CMUnitTest tests[N(responses)];

	for (size_t i = 0; i < N(responses); i++)
		tests[i] = (struct CMUnitTest) { .name = responses[i].sentence,
						 .test_func = test_response,
						 .initial_state = (void *)&responses[i] };
	return _cmocka_run_group_tests("h1_response", tests, N(tests), NULL, NULL);
}
