/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames that `explain` makes of words, and the line it makes of a frame. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "control/explain_frame.h"
#include "sluice/algo/csum.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct explain_packet packet(const char *from, const char *to, uint8_t proto)
{
	struct explain_packet p = { .sport = 4000, .dport = 53, .proto = proto, .tcp_flags = 2 };

	assert_int_equal(addr_parse(from, &p.source), 0);
	assert_int_equal(addr_parse(to, &p.dst), 0);
	return p;
}

static const struct made_case {
	const char *sentence, *from, *to;
	uint8_t proto;
	uint32_t bytes;
	const char *text; /* NULL: refused */
} made[] = {
	{ "a SYN", "198.51.100.7", "192.0.2.1", 6, 0,
	  "198.51.100.7 > 192.0.2.1 tcp 4000 > 53 syn, ttl 64, 54 bytes" },
	{ "UDP of a length", "198.51.100.7", "192.0.2.1", 17, 1514,
	  "198.51.100.7 > 192.0.2.1 udp 4000 > 53, ttl 64, 1514 bytes" },
	{ "IPv6", "2001:db8::7", "2001:db8::1", 17, 0,
	  "2001:db8::7 > 2001:db8::1 udp 4000 > 53, ttl 64, 62 bytes" },
	{ "an echo request", "198.51.100.7", "192.0.2.1", 1, 0,
	  "198.51.100.7 > 192.0.2.1 icmp type 8 code 0, ttl 64, 42 bytes" },
	{ "an echo request of IPv6", "2001:db8::7", "2001:db8::1", 58, 0,
	  "2001:db8::7 > 2001:db8::1 icmp6 type 128 code 0, ttl 64, 62 bytes" },
	{ "a protocol without a header that is known", "198.51.100.7", "192.0.2.1", 47, 0,
	  "198.51.100.7 > 192.0.2.1 protocol 47, ttl 64, 34 bytes" },
	{ "two families are refused", "198.51.100.7", "2001:db8::1", 6, 0, NULL },
	{ "less than its headers is refused", "198.51.100.7", "192.0.2.1", 6, 53, NULL },
	{ "more than there is room for is refused", "198.51.100.7", "192.0.2.1", 6, 2000, NULL },
};

/* Of the pseudo-header and all of the transport's: 0 where the checksum is right. */
static uint16_t l4_rest(const uint8_t *frame, size_t n, const struct explain_packet *p)
{
	bool v4 = addr_is_v4(&p->source);
	size_t l4 = v4 ? 34 : 54;
	uint64_t sum = csum_add_bytes(0, frame + l4, (uint32_t)(n - l4));

	for (int i = v4 ? 3 : 0; i < 4 && p->proto != IPPROTO_ICMP; i++)
		sum = csum_add_32(csum_add_32(sum, p->source.w[i]), p->dst.w[i]);
	if (p->proto != IPPROTO_ICMP)
		sum = csum_add_32(csum_add_32(sum, htonl(p->proto)), htonl((uint32_t)(n - l4)));
	return csum_fold(sum);
}

static void frames_are_as_the_words_say(void **state)
{
	uint8_t frame[1600];
	char text[EXPLAIN_FRAME_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < N(made); i++) {
		struct explain_packet p = packet(made[i].from, made[i].to, made[i].proto);
		struct errmsg err = { "" };
		int n;

		p.bytes = made[i].bytes;
		n = explain_frame_make(&p, frame, sizeof(frame), &err);
		if (!made[i].text) {
			assert_int_equal(n, -EINVAL);
			assert_true(err.text[0]);
			continue;
		}
		assert_true(n > 0);
		assert_string_equal(explain_frame_text(frame, (size_t)n, false, text),
				    made[i].text);
		if (addr_is_v4(&p.source))
			assert_int_equal(csum_fold(csum_add_bytes(0, frame + 14, 20)), 0);
		if (p.proto != 47)
			assert_int_equal(l4_rest(frame, (size_t)n, &p), 0);
	}
}

/* Outer headers of both modes around a datagram. */
static void what_is_inside_is_told(void **state)
{
	struct explain_packet inner = packet("198.51.100.7", "192.0.2.1", 17);
	struct explain_packet outer = packet("10.0.0.1", "10.0.0.11", 4);
	uint8_t frame[200], in[100];
	char text[EXPLAIN_FRAME_TEXT];
	struct errmsg err;
	int n = explain_frame_make(&inner, in, sizeof(in), &err) - 14;

	(void)state;
	outer.bytes = 34 + (uint32_t)n;
	assert_int_equal(explain_frame_make(&outer, frame, sizeof(frame), &err), outer.bytes);
	memcpy(frame + 34, in + 14, (size_t)n);
	assert_string_equal(explain_frame_text(frame, outer.bytes, true, text),
			    "10.0.0.1 > 10.0.0.11 ipip, ttl 64; in it 198.51.100.7 > 192.0.2.1 udp "
			    "4000 > 53, ttl 64, 62 bytes");
	outer.proto = IPPROTO_UDP;
	outer.dport = 6080;
	outer.bytes = 42 + (uint32_t)n;
	assert_int_equal(explain_frame_make(&outer, frame, sizeof(frame), &err), outer.bytes);
	memcpy(frame + 42, in + 14, (size_t)n);
	assert_string_equal(explain_frame_text(frame, outer.bytes, true, text),
			    "10.0.0.1 > 10.0.0.11 udp 4000 > 6080, ttl 64; in it 198.51.100.7 > "
			    "192.0.2.1 udp 4000 > 53, ttl 64, 70 bytes");
}

/* Whatever the bytes: a text that ends, and nothing is read behind them (the sanitizers look). */
static void any_frame_has_a_line(void **state)
{
	struct explain_packet p = packet("198.51.100.7", "192.0.2.1", 6);
	char text[EXPLAIN_FRAME_TEXT];
	uint8_t frame[54];
	struct errmsg err;
	int n, at, value;

	(void)state;
	assert_int_equal(explain_frame_make(&p, frame, sizeof(frame), &err), 54);
	for (n = 0; n <= 54; n++) {
		uint8_t *cut = malloc((size_t)n + 1);

		assert_non_null(cut);
		memcpy(cut, frame, (size_t)n);
		assert_true(strlen(explain_frame_text(cut, (size_t)n, true, text)) > 0);
		free(cut);
	}
	for (at = 12; at < 34; at++) {
		uint8_t was = frame[at];

		for (value = 0; value < 256; value++) {
			frame[at] = (uint8_t)value;
			assert_true(strlen(explain_frame_text(frame, 54, true, text)) > 0);
		}
		frame[at] = was;
	}
}

static void hexadecimal_is_read_or_refused(void **state)
{
	uint8_t bytes[4];
	struct errmsg err;

	(void)state;
	assert_int_equal(explain_frame_hex("00fFa1", bytes, sizeof(bytes), &err), 3);
	assert_memory_equal(bytes, "\x00\xff\xa1", 3);
	assert_int_equal(explain_frame_hex("", bytes, sizeof(bytes), &err), 0);
	assert_int_equal(explain_frame_hex("0", bytes, sizeof(bytes), &err), -EINVAL);
	assert_int_equal(explain_frame_hex("0g", bytes, sizeof(bytes), &err), -EINVAL);
	assert_int_equal(explain_frame_hex("0011223344", bytes, sizeof(bytes), &err), -EINVAL);
}

static void flags_are_named(void **state)
{
	struct errmsg err;
	uint8_t flags = 0;

	(void)state;
	assert_int_equal(explain_frame_flags("syn,ack", &flags, &err), 0);
	assert_int_equal(flags, 0x12);
	assert_int_equal(explain_frame_flags("", &flags, &err), 0);
	assert_int_equal(flags, 0);
	assert_int_equal(explain_frame_flags("syn,", &flags, &err), 0);
	assert_int_equal(explain_frame_flags("sy", &flags, &err), -EINVAL);
	assert_int_equal(explain_frame_flags(",ack", &flags, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_as_the_words_say),
		cmocka_unit_test(what_is_inside_is_told),
		cmocka_unit_test(any_frame_has_a_line),
		cmocka_unit_test(hexadecimal_is_read_or_refused),
		cmocka_unit_test(flags_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
