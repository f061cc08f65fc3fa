/* SPDX-License-Identifier: BSD-2-Clause */
/* Request heads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h1_head_case.h"

#define N(a)   (sizeof(a) / sizeof((a)[0]))
#define GET(s) WIRE("GET / HTTP/1.1\r\nHost: x\r\n" s "\r\n")

static const struct head_case requests[] = {
	{ "a minimal request is read", GET(""), "GET|/||x|1.1 keep none Host=x;" },
	{ "the query is cut off the path",
	  WIRE("GET /a/b?c=d?e HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"),
	  "GET|/a/b|c=d?e|a.example:8080|1.1 keep none Host=a.example:8080;" },
	{ "bytes behind the head belong to the body",
	  WIRE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
	  "POST|/||x|1.1 keep length=3 Host=x; Content-Length=3;" },
	{ "any token is a method", WIRE("M-SEARCH!# / HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "M-SEARCH!#|/||x|1.1 keep none Host=x;" },
	{ "one empty line before the request is skipped",
	  WIRE("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), "GET|/||x|1.1 keep none Host=x;" },
	{ "a second empty line before the request is refused",
	  WIRE("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), "400: malformed method" },
	{ "a bare LF before the request is refused", WIRE("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: bare LF in the start line" },
	{ "white space around a value is not part of it", GET("A:  \t b \t c\t \r\nB:\r\nC: \r\n"),
	  "GET|/||x|1.1 keep none Host=x; A=b \t c; B=; C=;" },
	{ "obs-text in a value is let through", GET("A: \xc3\xa4\xff\r\n"),
	  "GET|/||x|1.1 keep none Host=x; A=\xc3\xa4\xff;" },
	{ "a value may hold colons and quotes", GET("A: \"b:c\", d\r\n"),
	  "GET|/||x|1.1 keep none Host=x; A=\"b:c\", d;" },

	/* request line */
	{ "a request line without version is refused", WIRE("GET /\r\n\r\n"),
	  "400: forbidden character in the request target" },
	{ "two spaces in the request line are refused", WIRE("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: empty request target" },
	{ "a tab in the request line is refused", WIRE("GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: malformed method" },
	{ "a space behind the version is refused", WIRE("GET / HTTP/1.1 \r\nHost: x\r\n\r\n"),
	  "400: unexpected byte in a header line" },
	{ "a space before the method is refused", WIRE(" GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: start line without a method" },
	{ "a bare LF behind the request line is refused", WIRE("GET / HTTP/1.1\nHost: x\r\n\r\n"),
	  "400: bare LF in a header line" },
	{ "a bare CR behind the request line is refused", WIRE("GET / HTTP/1.1\rHost: x\r\n\r\n"),
	  "400: bare CR in a header line" },
	{ "a control character in the target is refused",
	  WIRE("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: forbidden character in the request target" },
	{ "a byte above ASCII in the target is refused",
	  WIRE("GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: forbidden character in the request target" },
	{ "a fragment in the target is refused", WIRE("GET /#a HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: forbidden character in the request target" },
	{ "a NUL in the target is refused", WIRE("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: forbidden character in the request target" },
	{ "a method of 33 bytes is refused",
	  WIRE("AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDD / HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "501: method too long" },
	{ "TLS on a clear port is refused at its first byte", WIRE("\x16\x03\x01\x02"),
	  "400: malformed method" },

	/* version */
	{ "HTTP/1.0 closes by default and needs no Host", WIRE("GET / HTTP/1.0\r\n\r\n"),
	  "GET|/|||1.0 close none" },
	{ "HTTP/1.0 stays open when it asks to",
	  WIRE("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
	  "GET|/|||1.0 keep none ~Connection=Keep-Alive;" },
	{ "HTTP/1.2 is not served", WIRE("GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
	  "505: HTTP version is neither 1.0 nor 1.1" },
	{ "HTTP/2.0 is not served", WIRE("GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
	  "505: HTTP version is neither 1.0 nor 1.1" },
	{ "HTTP/0.9 is not served", WIRE("GET / HTTP/0.9\r\n\r\n"),
	  "505: HTTP version is neither 1.0 nor 1.1" },
	{ "a version of two digits is refused", WIRE("GET / HTTP/1.10\r\nHost: x\r\n\r\n"),
	  "400: unexpected byte in a header line" },
	{ "a version in lower case is refused", WIRE("GET / http/1.1\r\nHost: x\r\n\r\n"),
	  "400: no HTTP version in the start line" },
	{ "another protocol is refused", WIRE("OPTIONS * RTSP/1.0\r\n\r\n"),
	  "400: no HTTP version in the start line" },
	{ "the preface of HTTP/2 is refused", WIRE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	  "400: preface of HTTP/2" },

	/* forms of the target */
	{ "the authority of absolute-form wins over Host",
	  WIRE("GET http://a.example:81/b?c HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "GET|/b|c|a.example:81|1.1 keep none Host=x;" },
	{ "absolute-form without a path means the root",
	  WIRE("GET HTTPS://a.example?q HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "GET|/|q|a.example|1.1 keep none Host=x;" },
	{ "OPTIONS of a whole server may be in absolute-form",
	  WIRE("OPTIONS http://a.example HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "OPTIONS|*||a.example|1.1 keep none Host=x;" },
	{ "absolute-form needs a Host none the less",
	  WIRE("GET http://a.example/ HTTP/1.1\r\n\r\n"), "400: no Host" },
	{ "user information in absolute-form is refused",
	  WIRE("GET http://u:p@a.example/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: bad authority in the request target" },
	{ "absolute-form without a host is refused",
	  WIRE("GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: bad authority in the request target" },
	{ "another scheme is refused", WIRE("GET ftp://a.example/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: request target in no known form" },
	{ "a target without its slash is refused", WIRE("GET a HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: request target in no known form" },
	{ "asterisk-form is for OPTIONS", WIRE("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "OPTIONS|*||x|1.1 keep none Host=x;" },
	{ "asterisk-form with GET is refused", WIRE("GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: asterisk-form with another method than OPTIONS" },
	{ "authority-form is for CONNECT",
	  WIRE("CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "CONNECT|||a.example:443|1.1 keep none Host=x;" },
	{ "CONNECT without a port is refused",
	  WIRE("CONNECT a.example HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: CONNECT without a host and port" },
	{ "CONNECT to a path is refused", WIRE("CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: CONNECT without a host and port" },
	{ "authority-form with GET is refused",
	  WIRE("GET a.example:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
	  "400: request target in no known form" },

	/* Host */
	{ "no Host is refused", WIRE("GET / HTTP/1.1\r\n\r\n"), "400: no Host" },
	{ "a second Host is refused", GET("host: x\r\n"), "400: repeated Host" },
	{ "a second Host is refused in HTTP/1.0",
	  WIRE("GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n"), "400: repeated Host" },
	{ "an empty Host is refused", WIRE("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "400: bad Host" },
	{ "a list in Host is refused", WIRE("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
	  "400: bad Host" },
	{ "a path in Host is refused", WIRE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	  "400: bad Host" },
	{ "a user in Host is refused", WIRE("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
	  "400: bad Host" },
	{ "a port that is no number is refused", WIRE("GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n"),
	  "400: bad Host" },
	{ "an IPv6 address in brackets is a Host",
	  WIRE("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"),
	  "GET|/||[2001:db8::1]:80|1.1 keep none Host=[2001:db8::1]:80;" },

	/* field lines */
	{ "a folded line is refused", GET("A: b\r\n c\r\n"), "400: folded header line" },
	{ "a line folded by a tab is refused", GET("A: b\r\n\tc\r\n"), "400: folded header line" },
	{ "white space before the first header is refused",
	  WIRE("GET / HTTP/1.1\r\n Host: x\r\n\r\n"), "400: folded header line" },
	{ "a space before the colon is refused", GET("A : b\r\n"),
	  "400: white space in or behind a header name" },
	{ "a line without a name is refused", GET(": b\r\n"), "400: header line without a name" },
	{ "a line without a colon is refused", GET("A\r\n"), "400: header line without a colon" },
	{ "a character that no token has is refused in a name", GET("A(: b\r\n"),
	  "400: forbidden character in a header name" },
	{ "a byte above ASCII is refused in a name", GET("\xc3\xa4: b\r\n"),
	  "400: forbidden character in a header name" },
	{ "a bare LF behind a value is refused", GET("A: b\nC: d\r\n"),
	  "400: bare LF in a header line" },
	{ "a bare LF in a name is refused", GET("A\nB: c\r\n"), "400: bare LF in a header line" },
	{ "a bare CR in a value is refused", GET("A: b\rc\r\n"), "400: bare CR in a header line" },
	{ "two CR behind a value are refused", GET("A: b\r\r\n"), "400: bare CR in a header line" },
	{ "a bare CR at the end of the head is refused", GET("\r\r\n"),
	  "400: bare CR in a header line" },
	{ "a head that ends with bare LFs is refused", WIRE("GET / HTTP/1.1\r\nHost: x\r\n\n"),
	  "400: bare LF in a header line" },
	{ "a NUL in a name is refused", GET("A\0: b\r\n"), "400: NUL in a header line" },
	{ "a NUL in a value is refused", GET("A: \0\r\n"), "400: NUL in a header line" },
	{ "a control character in a value is refused", GET("A: \x7f\r\n"),
	  "400: unexpected byte in a header line" },

	/* length of the body */
	{ "a length of nothing is a length",
	  WIRE("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
	  "POST|/||x|1.1 keep length=0 Host=x; Content-Length=0;" },
	{ "the largest length is read", GET("Content-Length: 9223372036854775807\r\n"),
	  "GET|/||x|1.1 keep length=9223372036854775807 Host=x; "
	  "Content-Length=9223372036854775807;" },
	{ "a length of 2^63 is refused", GET("Content-Length: 9223372036854775808\r\n"),
	  "400: Content-Length too large" },
	{ "a length beyond all numbers is refused",
	  GET("Content-Length: 99999999999999999999999999\r\n"), "400: Content-Length too large" },
	{ "a repeated length is refused, though equal",
	  GET("Content-Length: 3\r\nContent-Length: 3\r\n"), "400: repeated Content-Length" },
	{ "a list of lengths is refused, though equal", GET("Content-Length: 3, 3\r\n"),
	  "400: malformed Content-Length" },
	{ "a signed length is refused", GET("Content-Length: +3\r\n"),
	  "400: malformed Content-Length" },
	{ "a negative length is refused", GET("Content-Length: -1\r\n"),
	  "400: malformed Content-Length" },
	{ "a hexadecimal length is refused", GET("Content-Length: 0x3\r\n"),
	  "400: malformed Content-Length" },
	{ "an empty length is refused", GET("Content-Length:\r\n"), "400: empty Content-Length" },
	{ "a length with a space in it is refused", GET("Content-Length: 3 4\r\n"),
	  "400: malformed Content-Length" },
	{ "a chunked body is read", GET("Transfer-Encoding: Chunked\r\n"),
	  "GET|/||x|1.1 keep chunked Host=x; ~Transfer-Encoding=Chunked;" },
	{ "length and chunks together are refused",
	  GET("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
	  "400: Content-Length with Transfer-Encoding" },
	{ "length and chunks together are refused in the other order too",
	  GET("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
	  "400: Content-Length with Transfer-Encoding" },
	{ "chunks in HTTP/1.0 are refused",
	  WIRE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  "400: Transfer-Encoding in HTTP/1.0" },
	{ "a final coding that is not chunked is refused", GET("Transfer-Encoding: gzip\r\n"),
	  "400: final transfer coding is not chunked" },
	{ "identity is refused", GET("Transfer-Encoding: identity\r\n"),
	  "400: final transfer coding is not chunked" },
	{ "chunked behind a coding that we do not know is not implemented",
	  GET("Transfer-Encoding: gzip, chunked\r\n"),
	  "501: unknown transfer coding before chunked" },
	{ "codings on two lines are one list",
	  GET("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
	  "501: unknown transfer coding before chunked" },
	{ "chunked before another coding is refused", GET("Transfer-Encoding: chunked, gzip\r\n"),
	  "400: chunked is not the last coding, or there twice" },
	{ "chunked twice is refused", GET("Transfer-Encoding: chunked, chunked\r\n"),
	  "400: chunked is not the last coding, or there twice" },
	{ "chunked on two lines is refused",
	  GET("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
	  "400: chunked is not the last coding, or there twice" },
	{ "an empty element before chunked is refused", GET("Transfer-Encoding: , chunked\r\n"),
	  "400: malformed Transfer-Encoding" },
	{ "an empty element behind chunked is refused", GET("Transfer-Encoding: chunked,\r\n"),
	  "400: malformed Transfer-Encoding" },
	{ "a parameter of chunked is refused", GET("Transfer-Encoding: chunked;a=b\r\n"),
	  "400: malformed Transfer-Encoding" },
	{ "a quoted coding is refused", GET("Transfer-Encoding: \"chunked\"\r\n"),
	  "400: malformed Transfer-Encoding" },
	{ "an empty list of codings is refused", GET("Transfer-Encoding:\r\n"),
	  "400: malformed Transfer-Encoding" },
	{ "a coding with a vertical tab is refused",
	  GET("Transfer-Encoding: \x0b"
	      "chunked\r\n"),
	  "400: unexpected byte in a header line" },
	{ "a tab behind a coding is refused", GET("Transfer-Encoding: chunked \t \r\n"),
	  "400: tab beside the length or the coding of a body" },
	{ "a tab before a length is refused", GET("Content-Length: \t3\r\n"),
	  "400: tab beside the length or the coding of a body" },
	{ "spaces around a length are not part of it", GET("Content-Length:  3  \r\n"),
	  "GET|/||x|1.1 keep length=3 Host=x; Content-Length=3;" },
	{ "xchunked is another coding", GET("Transfer-Encoding: xchunked\r\n"),
	  "400: final transfer coding is not chunked" },

	/* connection */
	{ "close is obeyed", GET("Connection: close\r\n"),
	  "GET|/||x|1.1 close none Host=x; ~Connection=close;" },
	{ "close wins over keep-alive", GET("Connection: keep-alive\r\nConnection: CLOSE\r\n"),
	  "GET|/||x|1.1 close none Host=x; ~Connection=keep-alive; ~Connection=CLOSE;" },
	{ "fields that Connection names are hop-by-hop, wherever they are",
	  GET("A: 1\r\nConnection: a,, B ,date,\r\nB: 2\r\nDate: 3\r\nC: 4\r\n"),
	  "GET|/||x|1.1 keep none Host=x; ~A=1; ~Connection=a,, B ,date,; ~B=2; ~Date=3; C=4;" },
	{ "some fields are hop-by-hop unnamed",
	  GET("TE: trailers\r\nTrailer: a\r\nKeep-Alive: b\r\nProxy-Connection: c\r\n"
	      "Upgrade: d\r\nProxy-Authorization: e\r\nProxy-Authenticate: f\r\n"),
	  "GET|/||x|1.1 keep none Host=x; ~TE=trailers; ~Trailer=a; ~Keep-Alive=b; "
	  "~Proxy-Connection=c; ~Upgrade=d; ~Proxy-Authorization=e; ~Proxy-Authenticate=f;" },
	{ "Connection must not name Host", GET("Connection: close, host\r\n"),
	  "400: Connection names a field that has to stay" },
	{ "Connection must not name Content-Length", GET("Connection: content-length\r\n"),
	  "400: Connection names a field that has to stay" },
	{ "Connection must not name X-Forwarded-For", GET("Connection: x-forwarded-for\r\n"),
	  "400: Connection names a field that has to stay" },
	{ "Connection is a list of tokens", GET("Connection: a b\r\n"),
	  "400: malformed Connection" },
	{ "Connection may name 16 fields", GET("Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p\r\n"),
	  "GET|/||x|1.1 keep none Host=x; ~Connection=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p;" },
	{ "Connection must not name 17 fields",
	  GET("Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n"),
	  "400: Connection names too many fields" },
	{ "an upgrade needs the option and the field",
	  GET("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
	  "GET|/||x|1.1 keep none upgrade Host=x; ~Connection=Upgrade; ~Upgrade=websocket;" },
	{ "an upgrade option without its field is none", GET("Connection: upgrade\r\n"),
	  "GET|/||x|1.1 keep none Host=x; ~Connection=upgrade;" },
	{ "HTTP/1.0 does not upgrade",
	  WIRE("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"),
	  "GET|/|||1.0 close none ~Connection=upgrade; ~Upgrade=a;" },
	{ "an expectation with a body is seen",
	  GET("Expect: 100-Continue\r\nContent-Length: 3\r\n"),
	  "GET|/||x|1.1 keep length=3 expect Host=x; Expect=100-Continue; Content-Length=3;" },
	{ "an expectation without a body is not", GET("Expect: 100-continue\r\n"),
	  "GET|/||x|1.1 keep none Host=x; Expect=100-continue;" },
	{ "an expectation in HTTP/1.0 is not",
	  WIRE("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
	  "PUT|/|||1.0 close length=1 Expect=100-continue; Content-Length=1;" },

	/* limits */
	{ "a head of just the limit is read", GET(""), "GET|/||x|1.1 keep none Host=x;",
	  .limits = { 27, 10, 5 } },
	{ "a head over the limit is refused", GET("A: b\r\n"), "431: header too large",
	  .limits = { 27, 10, 5 } },
	{ "a start line over the limit of the head is refused",
	  WIRE("GET /aaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\n\r\n"), "414: start line too long",
	  .limits = { 20, 20, 5 } },
	{ "a target of just the limit is read", WIRE("GET /aaaa HTTP/1.0\r\n\r\n"),
	  "GET|/aaaa|||1.0 close none", .limits = { 100, 5, 5 } },
	{ "a target over the limit is refused", WIRE("GET /aaaaa HTTP/1.0\r\n\r\n"),
	  "414: request target too long", .limits = { 100, 5, 5 } },
	{ "as many fields as the limit are read", GET("A: 1\r\n"),
	  "GET|/||x|1.1 keep none Host=x; A=1;", .limits = { 100, 5, 2 } },
	{ "fields over the limit are refused", GET("A: 1\r\nB: 2\r\n"),
	  "431: too many header fields", .limits = { 100, 5, 2 } },
	{ "half a head asks for more", WIRE("GET / HTTP/1.1\r\nHost: x\r\n"), "more" },
	{ "nothing asks for more", WIRE(""), "more" },
};

static void test_request(void **state)
{
	h1_head_case_check(*state, false);
}

static void test_the_second_of_two_pipelined_requests_is_read_behind_the_first(void **state)
{
	static const char wire[] =
		"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
	struct http_head h;
	struct h1_error err;
	size_t scanned = 0;
	int n = h1_parse_request(wire, sizeof(wire) - 1, &scanned, &h1_head_case_limits, &h, &err);

	(void)state;
	assert_int_equal(n, 28);
	assert_int_equal(h1_parse_request(wire + n, sizeof(wire) - 1 - (size_t)n, &scanned,
					  &h1_head_case_limits, &h, &err),
			 28);
	assert_memory_equal(h.path.ptr, "/2", 2);
}

/* Feed single bytes until they are refused; how many it took. */
static size_t bytes_until_refused(const char *wire, size_t len, const struct h1_limits *limits,
				  struct h1_error *err)
{
	struct http_head h;
	size_t scanned = 0;

	for (size_t n = 1; n <= len; n++) {
		if (h1_parse_request(wire, n, &scanned, limits, &h, err) == -EPROTO)
			return n;
	}
	return 0;
}

static void test_single_bytes_are_refused_as_soon_as_it_matters(void **state)
{
	static const char start_line[] = "\r\nGET * HTTP/1.1\r\nHost: x\r\n";
	static const char bare_lf[] = "GET / HTTP/1.1\r\nHost: x\nA: b\r\n";
	static const char endless[] = "GET / HTTP/1.1\r\nA: bbbbbbbbbbbbbbbbbbbbbb";
	const struct h1_limits limits = { 32, 32, 5 };
	struct h1_error err = { 0 };

	(void)state;
	assert_int_equal(bytes_until_refused(start_line, sizeof(start_line) - 1, &limits, &err),
			 18);
	assert_int_equal(bytes_until_refused(bare_lf, sizeof(bare_lf) - 1, &limits, &err), 24);
	assert_int_equal(bytes_until_refused(endless, sizeof(endless) - 1, &limits, &err), 32);
	assert_int_equal(err.status, 431);
}

static void test_no_more_fields_than_the_head_has_room_for(void **state)
{
	struct h1_limits wide = { 1 << 20, 1024, UINT32_MAX };
	struct http_head *h = malloc(sizeof(*h));
	static char wire[32 + (HTTP_FIELDS_MAX + 1) * 4];
	struct h1_error err;
	size_t scanned = 0;
	int n = sprintf(wire, "GET / HTTP/1.0\r\n");

	(void)state;
	assert_non_null(h);
	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		n += sprintf(wire + n, "a:\r\n");
	memcpy(wire + n, "\r\n", 2);
	assert_int_equal(h1_parse_request(wire, (size_t)n + 2, &scanned, &wide, h, &err), n + 2);
	assert_int_equal(h->n_fields, HTTP_FIELDS_MAX);
	n += sprintf(wire + n, "a:\r\n");
	memcpy(wire + n, "\r\n", 2);
	assert_int_equal(h1_parse_request(wire, (size_t)n + 2, &scanned, &wide, h, &err), -EPROTO);
	assert_int_equal(err.status, 431);
	free(h);
}

static void test_a_large_head_in_single_bytes_is_linear_work(void **state)
{
	/* Parsing the whole at every byte would be 10^10 steps here: minutes, where the runner waits one. */
	static char wire[1 << 18];
	struct h1_limits wide = { sizeof(wire), 1024, 50 };
	struct http_head h;
	struct h1_error err;
	size_t scanned = 0;
	int n = -EAGAIN;

	(void)state;
	memset(wire, 'a', sizeof(wire));
	memcpy(wire, "GET / HTTP/1.0\r\nA: ", 19);
	memcpy(wire + sizeof(wire) - 4, "\r\n\r\n", 4);
	for (size_t len = 1; len <= sizeof(wire); len++) {
		assert_int_equal(n, -EAGAIN);
		n = h1_parse_request(wire, len, &scanned, &wide, &h, &err);
	}
	assert_int_equal(n, sizeof(wire));
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(
			test_the_second_of_two_pipelined_requests_is_read_behind_the_first),
		cmocka_unit_test(test_single_bytes_are_refused_as_soon_as_it_matters),
		cmocka_unit_test(test_no_more_fields_than_the_head_has_room_for),
		cmocka_unit_test(test_a_large_head_in_single_bytes_is_linear_work),
	};
	static struct CMUnitTest tests[N(requests) + N(others)];
	size_t n = 0;

	for (size_t i = 0; i < N(requests); i++)
		tests[n++] = (struct CMUnitTest) { .name = requests[i].sentence,
						   .test_func = test_request,
						   .initial_state = (void *)&requests[i] };
	memcpy(tests + n, others, sizeof(others));
	return _cmocka_run_group_tests("h1_parse", tests, N(tests), NULL, NULL);
}
