/* SPDX-License-Identifier: BSD-2-Clause */
/* The header of the PROXY protocol, byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRS  "\xc0\x00\x02\x01\xc6\x33\x64\x02\x04\xd2\x01\xbb"
#define V6_ADDRS                                                           \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0" \
	"\0\0\0\0\0\0\0\0\x02\xff\xff\0\x50"
#define UNIX54	"123456789012345678901234567890123456789012345678901234"
#define UNIX216 UNIX54 UNIX54 UNIX54 UNIX54

struct row {
	const char *what;
	const char *bytes;
	size_t n;
	int code;	    /* 0: the header is all of it */
	const char *source; /* NULL: not announced */
	const char *destination;
};

#define ROW(what, bytes, ...)                               \
	{                                                   \
		what, bytes, sizeof(bytes) - 1, __VA_ARGS__ \
	}

static const struct row rows[] = {
	ROW("version 1, IPv4", "PROXY TCP4 192.0.2.1 198.51.100.2 1234 443\r\n", 0,
	    "192.0.2.1:1234", "198.51.100.2:443"),
	ROW("version 1, IPv6", "PROXY TCP6 2001:db8::1 2001:DB8::2 65535 80\r\n", 0,
	    "[2001:db8::1]:65535", "[2001:db8::2]:80"),
	ROW("version 1, a mapped address", "PROXY TCP6 ::ffff:192.0.2.1 ::1 0 1\r\n", 0,
	    "192.0.2.1:0", "[::1]:1"),
	ROW("version 1, nobody", "PROXY UNKNOWN\r\n", 0, NULL, NULL),
	ROW("version 1, nobody with addresses", "PROXY UNKNOWN ffff::1 ::2 1 2\r\n", 0, NULL, NULL),
	ROW("version 1, another family", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, lower case", "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, a longer word", "PROXY UNKNOWNS\r\n", -EPROTO, 0, 0),
	ROW("version 1, the other family", "PROXY TCP4 ::1 ::2 1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, IPv4 as IPv6", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, two spaces", "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, a space behind", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", -EPROTO, 0, 0),
	ROW("version 1, a word less", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", -EPROTO, 0, 0),
	ROW("version 1, a word more", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", -EPROTO, 0, 0),
	ROW("version 1, leading zeros", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, too large a port", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, a sign", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, a name", "PROXY TCP4 localhost 1.2.3.4 1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, NUL", "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", -EPROTO, 0, 0),
	ROW("version 1, a bare LF", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", -EPROTO, 0, 0),
	ROW("version 1, nothing", "PROXY \r\n", -EPROTO, 0, 0),
	ROW("version 1, 107 bytes without an end",
	    "PROXY UNKNOWN 1234567890123456789012345678901234567890123456789012345678901234567890"
	    "12345678901234567890123",
	    -EPROTO, 0, 0),
	ROW("version 2, IPv4", SIGNATURE "\x21\x11\0\x0c" V4_ADDRS, 0, "192.0.2.1:1234",
	    "198.51.100.2:443"),
	ROW("version 2, IPv6", SIGNATURE "\x21\x21\0\x24" V6_ADDRS, 0, "[2001:db8::1]:65535",
	    "[2001:db8::2]:80"),
	ROW("version 2, LOCAL", SIGNATURE "\x20\0\0\0", 0, NULL, NULL),
	ROW("version 2, LOCAL with what is ignored", SIGNATURE "\x20\x11\0\x04\xff\xff\xff\xff", 0,
	    NULL, NULL),
	ROW("version 2, UNSPEC", SIGNATURE "\x21\0\0\x03\xff\xff\xff", 0, NULL, NULL),
	ROW("version 2, UNIX", SIGNATURE "\x21\x31\0\xd8" UNIX216, 0, NULL, NULL),
	ROW("version 2, TLVs",
	    SIGNATURE "\x21\x11\0\x15" V4_ADDRS "\x04\0\0\x02\0\x03"
		      "abc",
	    0, "192.0.2.1:1234", "198.51.100.2:443"),
	ROW("version 2, the checksum",
	    SIGNATURE "\x21\x11\0\x13" V4_ADDRS "\x03\0\x04"
		      "\x3f\x39\x34\x85",
	    0, "192.0.2.1:1234", "198.51.100.2:443"),
	ROW("version 2, another checksum",
	    SIGNATURE "\x21\x11\0\x13" V4_ADDRS "\x03\0\x04\x3f\x39\x34\x84", -EPROTO, 0, 0),
	ROW("version 2, a checksum of three bytes",
	    SIGNATURE "\x21\x11\0\x12" V4_ADDRS "\x03\0\x03\0\0\0", -EPROTO, 0, 0),
	ROW("version 2, half a TLV", SIGNATURE "\x21\x11\0\x0e" V4_ADDRS "\x04\0", -EPROTO, 0, 0),
	ROW("version 2, a TLV past the end", SIGNATURE "\x21\x11\0\x10" V4_ADDRS "\x04\0\x02x",
	    -EPROTO, 0, 0),
	ROW("version 2, addresses cut short",
	    SIGNATURE "\x21\x11\0\x0b\x01\x02\x03\x04\x05\x06\x07"
		      "\x08\x09\x0a\x0b",
	    -EPROTO, 0, 0),
	ROW("version 2, UDP", SIGNATURE "\x21\x12\0\x0c" V4_ADDRS, -EPROTO, 0, 0),
	ROW("version 2, another family", SIGNATURE "\x21\x41\0\x0c" V4_ADDRS, -EPROTO, 0, 0),
	ROW("version 2, another command", SIGNATURE "\x22\x11\0\x0c" V4_ADDRS, -EPROTO, 0, 0),
	ROW("version 3", SIGNATURE "\x31\x11\0\x0c" V4_ADDRS, -EPROTO, 0, 0),
	ROW("version 2, too long", SIGNATURE "\x21\x11\x0f\xf1", -EMSGSIZE, 0, 0),
	ROW("version 2, as long as may be", SIGNATURE "\x21\x11\x0f\xf0", -EAGAIN, 0, 0),
	ROW("nothing", "", -EAGAIN, 0, 0),
	ROW("a request that begins alike", "PROPFIND / HTTP/1.1\r\n", -ENOENT, 0, 0),
	ROW("TLS", "\x16\x03\x01", -ENOENT, 0, 0),
	ROW("empty lines", "\r\n\r\nGET", -ENOENT, 0, 0),
};

static void expect_place(const char *text, const struct addr *a, uint16_t port)
{
	char got[ADDR_TEXT_MAX];

	assert_string_equal(addr_format_port(a, port, got), text);
}

static void every_row_is_read_as_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct proxy_header h = { 0 };
		const char *why = NULL;
		int code = proxy_header_decode(r->bytes, r->n, &h, &why);

		if (code != (r->code ? r->code : (int)r->n))
			fail_msg("%s: %d (%s)", r->what, code, why ? why : "");
		assert_true((why != NULL) == (code == -EPROTO || code == -EMSGSIZE));
		if (code <= 0)
			continue;
		assert_int_equal(h.announced, r->source != NULL);
		if (!r->source)
			continue;
		expect_place(r->source, &h.source, h.source_port);
		expect_place(r->destination, &h.destination, h.destination_port);
	}
}

/* However it is cut, it is waited for; what follows it is not looked at. */
static void every_row_is_the_same_in_pieces(void **state)
{
	char more[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct proxy_header h;
		const char *why;

		if (r->code)
			continue;
		for (size_t n = 0; n < r->n; n++)
			assert_int_equal(proxy_header_decode(r->bytes, n, &h, &why), -EAGAIN);
		memcpy(more, r->bytes, r->n);
		memcpy(more + r->n, "GET / HTTP/1.1\r\n", 16);
		assert_int_equal(proxy_header_decode(more, r->n + 16, &h, &why), r->n);
	}
}

static void flipping_any_bit_of_a_checked_header_is_found(void **state)
{
	char bytes[] = SIGNATURE "\x21\x11\0\x13" V4_ADDRS "\x03\0\x04\x3f\x39\x34\x85";
	const size_t n = sizeof(bytes) - 1, from = 16;
	struct proxy_header h;
	const char *why;

	(void)state;
	assert_int_equal(proxy_header_decode(bytes, n, &h, &why), n);
	for (size_t bit = from * 8; bit < n * 8; bit++) {
		if (bit / 8 == 28) /* the type: it is no checksum then, which is allowed */
			continue;
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(proxy_header_decode(bytes, n, &h, &why), -EPROTO);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void expect_encoded(uint8_t version, const char *source, const char *destination,
			   const char *bytes, size_t n)
{
	struct proxy_header h = { .version = version, .announced = source != NULL };
	uint8_t out[PROXY_HEADER_OUT_MAX];

	if (source) {
		assert_int_equal(addr_parse_port(source, &h.source, &h.source_port), 0);
		assert_int_equal(addr_parse_port(destination, &h.destination, &h.destination_port),
				 0);
	}
	assert_int_equal(proxy_header_encode(&h, out), n);
	assert_memory_equal(out, bytes, n);
}

static void what_we_write_is_what_we_read(void **state)
{
	static const char mapped[] = "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n";

	(void)state;
	expect_encoded(1, "192.0.2.1:1234", "198.51.100.2:443", rows[0].bytes, rows[0].n);
	expect_encoded(1, "192.0.2.1:1", "[2001:db8::2]:2", mapped, sizeof(mapped) - 1);
	expect_encoded(1, NULL, NULL, "PROXY UNKNOWN\r\n", 15);
	expect_encoded(2, "192.0.2.1:1234", "198.51.100.2:443", SIGNATURE "\x21\x11\0\x0c" V4_ADDRS,
		       28);
	expect_encoded(2, "[2001:db8::1]:65535", "[2001:db8::2]:80",
		       SIGNATURE "\x21\x21\0\x24" V6_ADDRS, 52);
	expect_encoded(2, NULL, NULL, SIGNATURE "\x20\0\0\0", 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_read_as_it_says),
		cmocka_unit_test(every_row_is_the_same_in_pieces),
		cmocka_unit_test(flipping_any_bit_of_a_checked_header_is_found),
		cmocka_unit_test(what_we_write_is_what_we_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
