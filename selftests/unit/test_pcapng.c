/* SPDX-License-Identifier: BSD-2-Clause */
/* pcapng blocks as draft-ietf-opsawg-pcapng has them. That others can read them: e2e/see. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pcapng.h"

static uint32_t u32_at(const struct buf *b, size_t at)
{
	uint32_t value;

	assert_true(at + 4 <= buf_len(b));
	memcpy(&value, buf_head(b) + at, 4);
	return value;
}

/* Type and both lengths of the block at an offset; where the next one begins. */
static size_t assert_block(const struct buf *b, size_t at, uint32_t type)
{
	uint32_t bytes = u32_at(b, at + 4);

	assert_int_equal(u32_at(b, at), type);
	assert_int_equal(bytes % 4, 0);
	assert_int_equal(u32_at(b, at + bytes - 4), bytes);
	return at + bytes;
}

/* The value of an option of a list that begins there; NULL: the list ends without. */
static const char *option(const struct buf *b, size_t at, uint16_t code, uint16_t *ret_bytes)
{
	for (;;) {
		uint16_t head[2];

		assert_true(at + 4 <= buf_len(b));
		memcpy(head, buf_head(b) + at, 4);
		*ret_bytes = head[1];
		if (head[0] == code)
			return buf_head(b) + at + 4;
		if (head[0] == 0)
			return NULL;
		at += 4 + ((size_t)head[1] + 3) / 4 * 4;
	}
}

static void a_file_is_a_section_interfaces_and_packets(void **state)
{
	static const uint8_t frame[5] = { 1, 2, 3, 4, 5 };
	const struct pcapng_packet p = { .interface = 1,
					 .time_ns = 0x0123456789abcdefULL,
					 .data = frame,
					 .bytes = sizeof(frame),
					 .wire_bytes = 1514,
					 .comment = "limit_packets" };
	const char *value;
	struct buf b;
	uint16_t n;
	size_t at;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(pcapng_section(&b, "test 1"), 0);
	assert_int_equal(pcapng_interface(&b, "eth0"), 0);
	assert_int_equal(pcapng_interface(&b, "lo"), 0);
	assert_int_equal(pcapng_packet(&b, &p), 0);

	at = assert_block(&b, 0, 0x0a0d0d0a);
	assert_int_equal(u32_at(&b, 8), 0x1a2b3c4d);
	assert_int_equal(u32_at(&b, 12), 1); /* version 1.0 */
	assert_int_equal(u32_at(&b, 16), UINT32_MAX);
	assert_int_equal(u32_at(&b, 20), UINT32_MAX);
	value = option(&b, 24, 4, &n);
	assert_true(value && n == 6 && memcmp(value, "test 1", 6) == 0);

	assert_int_equal(u32_at(&b, at + 8), 1); /* Ethernet */
	value = option(&b, at + 16, 2, &n);
	assert_true(value && n == 4 && memcmp(value, "eth0", 4) == 0);
	value = option(&b, at + 16, 9, &n);
	assert_true(value && n == 1 && value[0] == 9);
	at = assert_block(&b, at, 1);
	at = assert_block(&b, at, 1);

	assert_int_equal(u32_at(&b, at + 8), 1);
	assert_int_equal(u32_at(&b, at + 12), 0x01234567);
	assert_int_equal(u32_at(&b, at + 16), 0x89abcdef);
	assert_int_equal(u32_at(&b, at + 20), 5);
	assert_int_equal(u32_at(&b, at + 24), 1514);
	assert_memory_equal(buf_head(&b) + at + 28, "\1\2\3\4\5\0\0\0", 8);
	value = option(&b, at + 36, 1, &n);
	assert_true(value && n == 13 && memcmp(value, "limit_packets", 13) == 0);
	value = option(&b, at + 36, 2, &n);
	assert_true(value && n == 4 && value[0] == 1); /* inbound */
	assert_int_equal(assert_block(&b, at, 6), buf_len(&b));
	buf_clear(&b);
}

static void every_length_is_padded(void **state)
{
	static const char text[] = "abcdefgh";
	uint8_t frame[16] = { 0 };

	(void)state;
	for (uint32_t bytes = 0; bytes <= sizeof(frame); bytes++) {
		const struct pcapng_packet p = { .data = frame,
						 .bytes = bytes,
						 .comment = bytes % 2 ? text + bytes % 8 : NULL };
		struct buf b;
		uint16_t n;

		buf_init(&b, 4096);
		assert_int_equal(pcapng_packet(&b, &p), 0);
		assert_int_equal(assert_block(&b, 0, 6), buf_len(&b));
		assert_int_equal(u32_at(&b, 20), bytes);
		assert_int_equal(option(&b, 28 + (bytes + 3) / 4 * 4, 1, &n) != NULL, bytes % 2);
		buf_clear(&b);
	}
}

static void what_has_no_room_adds_nothing(void **state)
{
	char text[PCAPNG_TEXT_MAX + 100];
	const struct pcapng_packet p = { .data = text, .bytes = 100, .comment = "x" };
	const struct pcapng_packet large = { .data = text, .bytes = UINT32_MAX };
	struct buf b;
	uint16_t n;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	buf_init(&b, 64);
	assert_int_equal(pcapng_packet(&b, &p), -ENOSPC);
	assert_int_equal(pcapng_packet(&b, &large), -ENOSPC);
	assert_int_equal(pcapng_interface(&b, text), -ENOSPC);
	assert_int_equal(pcapng_section(&b, text), -ENOSPC);
	assert_int_equal(buf_len(&b), 0);
	buf_clear(&b);
	/* A name that is too long is cut. */
	buf_init(&b, 4096);
	assert_int_equal(pcapng_interface(&b, text), 0);
	assert_int_equal(assert_block(&b, 0, 1), buf_len(&b));
	assert_non_null(option(&b, 16, 2, &n));
	assert_int_equal(n, PCAPNG_TEXT_MAX);
	buf_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_a_section_interfaces_and_packets),
		cmocka_unit_test(every_length_is_padded),
		cmocka_unit_test(what_has_no_room_adds_nothing),
	};

	return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
