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

/* What a translated packet is summed up by: addresses of the pseudo-header, ports, and a word of the rest. */
struct summed {
	__be16 src[8], dst[8], sport, dport, rest;
};

/* As bpf/stage/nat_rewrite.h has it: the changes are summed up first, and told to the checksum at once. */
static __sum16 rewritten(__sum16 check, const struct summed *from, const struct summed *to)
{
	const __be16 *a = (const __be16 *)from, *b = (const __be16 *)to;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < offsetof(struct summed, rest) / 2; i++)
		sum += (~a[i] & 0xffff) + (uint64_t)b[i];
	return csum_fold((~check & 0xffff) + sum);
}

static __sum16 sum_of(const struct summed *s)
{
	return csum_fold(csum_add_bytes(0, s, sizeof(*s)));
}

/* Each word that translation changes takes all values, on either side of it. */
static void a_rewrite_is_right_for_every_value_of_every_word(void **state)
{
	static const size_t words[] = { 0, 7, 8, 15, 16, 17 };
	struct summed from, to;
	uint32_t i, k;

	(void)state;
	memset(&from, 0x5a, sizeof(from));
	memset(&to, 0xc3, sizeof(to));
	to.rest = from.rest;
	for (k = 0; k < 2 * sizeof(words) / sizeof(words[0]); k++) {
		__be16 *word = (__be16 *)(k & 1 ? &to : &from) + words[k / 2], was = *word;

		for (i = 0; i < 65536; i++) {
			*word = (uint16_t)i;
			if (rewritten(sum_of(&from), &from, &to) != sum_of(&to))
				fail_msg("word %zu is %#x", words[k / 2], i);
		}
		*word = was;
	}
}

/* RFC 768: a sum of 0 is sent as 0xffff, and both are as good to who sums up. */
static void a_rewrite_is_right_for_every_checksum(void **state)
{
	struct summed from, to;
	uint32_t i, n_zero = 0;
	__sum16 check;

	(void)state;
	memset(&from, 0x11, sizeof(from));
	memset(&to, 0xee, sizeof(to));
	for (i = 0; i < 65536; i++) {
		from.rest = to.rest = (uint16_t)i;
		check = sum_of(&from) ? sum_of(&from) : 0xffff;
		check = rewritten(check, &from, &to);
		n_zero += check == 0;
		if (csum_fold(csum_add_bytes(check, &to, sizeof(to))) != 0)
			fail_msg("%#x", i);
	}
	/* 65,535 sums, of which that one has two words. */
	assert_in_range(n_zero, 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_rfc_1071),
		cmocka_unit_test(a_header_with_its_checksum_sums_to_zero),
		cmocka_unit_test(carries_go_around_the_end_more_than_once),
		cmocka_unit_test(an_update_equals_recomputation),
		cmocka_unit_test(a_rewrite_is_right_for_every_value_of_every_word),
		cmocka_unit_test(a_rewrite_is_right_for_every_checksum),
	};

	return cmocka_run_group_tests_name("csum", tests, NULL, NULL);
}
