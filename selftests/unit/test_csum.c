/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum: the example of RFC 1071, carries, and updates against recomputation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "sluice/algo/csum.h"

static void the_example_of_rfc_1071(void **state)
{
	static const uint8_t in[8] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(ntohs(csum_fold(csum_add_bytes(0, in, 8))), (uint16_t)~0xddf2);
}

static void a_header_with_its_checksum_sums_to_zero(void **state)
{
	/* From RFC 791's fields: 10.0.0.1 to 10.0.0.2, ICMP. */
	uint8_t ip[20] = { 0x45, 0, 0,	84, 0x1c, 0x46, 0x40, 0, 64, 1,
			   0,	 0, 10, 0,  0,	  1,	10,   0, 0,  2 };
	__sum16 sum = csum_fold(csum_add_bytes(0, ip, 20));

	(void)state;
	memcpy(ip + 10, &sum, 2);
	assert_int_equal(csum_fold(csum_add_bytes(0, ip, 20)), 0);
}

static void carries_go_around_the_end_more_than_once(void **state)
{
	uint8_t ones[65535];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	/* 32767 times 0xffff is 0 in one's complement, and a lone 0xff is left. */
	assert_int_equal(ntohs(csum_fold(csum_add_bytes(0, ones, 65535))), (uint16_t)~0xff00);
	assert_int_equal(csum_fold(0xffffffffffffffff), 0);
	assert_int_equal(csum_fold(0x1fffe), 0);
	/* An echo reply: type 8 becomes 0 under a checksum that has to carry. */
	assert_int_equal(csum_replace_16(htons(0xf7fe), htons(0x0800), 0), htons(0xfffe));
	assert_int_equal(csum_replace_16(htons(0xf800), htons(0x0800), 0), htons(0x0001));
}

static void an_update_equals_recomputation(void **state)
{
	uint8_t in[64];
	__be16 from_16, to_16;
	__be32 from_32, to_32;
	__sum16 sum;
	uint32_t i, at;

	(void)state;
	srand(1);
	for (i = 0; i < 20000; i++) {
		for (at = 0; at < sizeof(in); at++)
			in[at] = (uint8_t)rand();
		at = (uint32_t)rand() % 15 * 4;
		sum = csum_fold(csum_add_bytes(0, in, sizeof(in)));
		to_32 = (uint32_t)rand();
		memcpy(&from_32, in + at, 4);
		memcpy(in + at, &to_32, 4);
		sum = csum_replace_32(sum, from_32, to_32);
		assert_int_equal(sum, csum_fold(csum_add_bytes(0, in, sizeof(in))));
		to_16 = (uint16_t)rand();
		memcpy(&from_16, in + at, 2);
		memcpy(in + at, &to_16, 2);
		sum = csum_replace_16(sum, from_16, to_16);
		assert_int_equal(sum, csum_fold(csum_add_bytes(0, in, sizeof(in))));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1071),
		cmocka_unit_test(a_header_with_its_checksum_sums_to_zero),
		cmocka_unit_test(carries_go_around_the_end_more_than_once),
		cmocka_unit_test(an_update_equals_recomputation),
	};

	return cmocka_run_group_tests_name("csum", tests, NULL, NULL);
}
