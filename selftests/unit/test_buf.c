/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/buf_pool.h"

static void test_an_empty_buffer_holds_no_memory(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_null(b.data);
	assert_int_equal(buf_str(&b).len, 0);
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_null(b.data);
	assert_int_equal(buf_add(&b, "abc", 3), 0);
	buf_trim(&b);
	assert_non_null(b.data); /* there is data in it */
	buf_consume(&b, 3);
	buf_trim(&b);
	assert_null(b.data);
	assert_int_equal(buf_room(&b), 100);
}

static void test_the_limit_holds_and_a_refused_add_changes_nothing(void **state)
{
	static const char bytes[1001];
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_int_equal(buf_add(&b, bytes, 1001), -ENOSPC);
	assert_int_equal(buf_add(&b, bytes, 999), 0);
	assert_int_equal(buf_add(&b, bytes, 2), -ENOSPC);
	assert_int_equal(buf_len(&b), 999);
	assert_null(buf_reserve(&b, 2));
	assert_int_equal(buf_add(&b, bytes, 1), 0);
	assert_int_equal(buf_room(&b), 0);
	assert_true(b.cap <= 1000);
	buf_clear(&b);
}

static void test_bytes_survive_growing_and_moving(void **state)
{
	struct buf b;
	unsigned char next_in = 0, next_out = 0;

	(void)state;
	buf_init(&b, 4096);
	/* in steps that make the data wander, wrap to the front and grow */
	for (int round = 0; round < 2000; round++) {
		size_t in = (size_t)(round * 7 % 97), out = (size_t)(round * 5 % 89);

		for (size_t i = 0; i < in && buf_room(&b); i++, next_in++)
			assert_int_equal(buf_add(&b, &next_in, 1), 0);
		for (size_t i = 0; i < out && buf_len(&b); i++, next_out++) {
			assert_int_equal((unsigned char)*buf_head(&b), next_out);
			buf_consume(&b, 1);
		}
	}
	buf_clear(&b);
}

static void test_printf_fits_to_the_last_byte(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	assert_int_equal(buf_printf(&b, "%s", "123456789"), -ENOSPC);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_printf(&b, "%d", 12345678), 0);
	assert_memory_equal(buf_head(&b), "12345678", 8);
	buf_clear(&b);
}

static void test_a_pool_keeps_storage_up_to_its_bound(void **state)
{
	static const size_t sizes[] = { 256, 4096, 16384, 65536, 1000, 131072 };
	void *blocks[1000];

	(void)state;
	buf_pool_open();
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		for (int round = 0; round < 2; round++) {
			for (size_t i = 0; i < 1000; i++) {
				blocks[i] = buf_pool_get(sizes[k]);
				assert_non_null(blocks[i]);
				memset(blocks[i], (int)i, sizes[k]); /* nobody else's */
			}
			for (size_t i = 0; i < 1000; i++) {
				assert_int_equal(((unsigned char *)blocks[i])[sizes[k] - 1],
						 i & 255);
				buf_pool_put(blocks[i], sizes[k]);
			}
			assert_true(buf_pool_kept_bytes() <= BUF_POOL_MAX_BYTES);
		}
	}
	buf_pool_close();
	assert_int_equal(buf_pool_kept_bytes(), 0);
	buf_pool_put(malloc(4096), 4096); /* not kept any more: else a leak */
	assert_int_equal(buf_pool_kept_bytes(), 0);
}

static void test_control_bytes_are_found_wherever_they_are(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		for (size_t at = 0; at < 20; at++) {
			char text[20], expect[20];

			memset(text, at & 1 ? 0xff : ' ', sizeof(text));
			text[at] = (char)c;
			memcpy(expect, text, sizeof(text));
			expect[at] = (char)(c < 0x20 ? '?' : c);
			str_no_controls(text, sizeof(text));
			assert_memory_equal(text, expect, sizeof(text));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_buffer_holds_no_memory),
		cmocka_unit_test(test_the_limit_holds_and_a_refused_add_changes_nothing),
		cmocka_unit_test(test_bytes_survive_growing_and_moving),
		cmocka_unit_test(test_control_bytes_are_found_wherever_they_are),
		cmocka_unit_test(test_a_pool_keeps_storage_up_to_its_bound),
		cmocka_unit_test(test_printf_fits_to_the_last_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
