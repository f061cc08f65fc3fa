/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists as others publish them: what each format says, and that everything wrong is named. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "conf/acl_feed.h"

struct row {
	const char *says;
	enum acl_feed_format format;
	const char *column;
	const char *text;
	const char *prefixes; /* each followed by a space */
	const char *errors;   /* "LINE:" each */
};

static const struct row rows[] = {
	{ "one per line, with comments, spaces and empty lines", ACL_FEED_LINES, NULL,
	  "# feed\n192.0.2.1\n\n 198.51.100.0/24 ; SBL1\r\n2001:db8::/32#x\n",
	  "192.0.2.1/32 198.51.100.0/24 2001:db8::/32 ", "" },
	{ "a last line without its end", ACL_FEED_AUTO, NULL, "192.0.2.1", "192.0.2.1/32 ", "" },
	{ "nothing", ACL_FEED_AUTO, NULL, "", "", "" },
	{ "a range is its prefixes", ACL_FEED_AUTO, NULL, "10.0.0.1-10.0.0.6\n",
	  "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32 ", "" },
	{ "a range with spaces that is one prefix", ACL_FEED_AUTO, NULL, "10.0.0.0 - 10.0.0.255\n",
	  "10.0.0.0/24 ", "" },
	{ "a range of one address", ACL_FEED_AUTO, NULL, "10.0.0.9-10.0.0.9\n", "10.0.0.9/32 ",
	  "" },
	{ "the range of all of IPv4", ACL_FEED_AUTO, NULL, "0.0.0.0-255.255.255.255\n",
	  "0.0.0.0/0 ", "" },
	{ "a range up to the end of IPv4", ACL_FEED_AUTO, NULL, "255.255.255.254-255.255.255.255\n",
	  "255.255.255.254/31 ", "" },
	{ "a range of /64s", ACL_FEED_AUTO, NULL, "2001:db8::-2001:db8:0:2:ffff:ffff:ffff:ffff\n",
	  "2001:db8::/63 2001:db8:0:2::/64 ", "" },
	{ "the range of all of IPv6", ACL_FEED_AUTO, NULL,
	  "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n", "::/0 ", "" },
	{ "every line that is wrong is named", ACL_FEED_LINES, NULL,
	  "x\n192.0.2.1\n192.0.2.1/24\n300.1.1.1\n10.0.0.2-10.0.0.1\n10.0.0.1-::1\n2001:db8::1\n"
	  "10.0.0.0/33\n10.0.0.1-\n-\n2001:db8::1-2001:db8::2\n1.2.3.4 5.6.7.8\n",
	  NULL, "1:3:4:5:6:7:8:9:10:11:12:" },
	{ "a set as nft prints it", ACL_FEED_AUTO, NULL,
	  "table inet filter {\n\tset bad {\n\t\ttype ipv4_addr\n\t\tflags interval,timeout\n"
	  "\t\telements = { 192.0.2.1, 198.51.100.0/24 timeout 1h expires 59m,\n"
	  "\t\t\t     10.0.0.0-10.0.0.3 comment \"a, } b\",\n"
	  "\t\t\t     10.1.0.0/16 counter packets 0 bytes 0 }\n\t}\n"
	  "\tset six {\n\t\ttype ipv6_addr\n\t\telements = { 2001:db8::/48 }\n\t}\n}\n",
	  "192.0.2.1/32 198.51.100.0/24 10.0.0.0/30 10.1.0.0/16 2001:db8::/48 ", "" },
	{ "a set that is empty", ACL_FEED_NFT, NULL,
	  "table ip x {\n set y {\n type ipv4_addr\n}\n}\n", "", "" },
	{ "a text that is no set", ACL_FEED_NFT, NULL, "192.0.2.1\n", NULL, "1:" },
	{ "what is wrong in a set, at its line", ACL_FEED_NFT, NULL,
	  "set x {\n elements = { 192.0.2.1 . 80,\n 10.0.0.1 : drop,\n 10.0.0.1 comment \"x }",
	  NULL, "2:3:4:4:" },
	{ "CSV by its first column, the first line being words", ACL_FEED_AUTO, NULL,
	  "ip,port,seen\n192.0.2.1,80,today\n\"198.51.100.0/24\",\"a \"\"b\"\", c\",x\n# end\n",
	  "192.0.2.1/32 198.51.100.0/24 ", "" },
	{ "CSV by the number of a column, without a first line", ACL_FEED_CSV, "2",
	  "80,192.0.2.1\n443,192.0.2.2\n", "192.0.2.1/32 192.0.2.2/32 ", "" },
	{ "CSV by the name of a column", ACL_FEED_CSV, "dst_ip",
	  "seen,\"dst_ip\"\ntoday,192.0.2.1\n", "192.0.2.1/32 ", "" },
	{ "a column that the first line has not", ACL_FEED_CSV, "ip", "seen,address\nx,192.0.2.1\n",
	  NULL, "1:" },
	{ "rows with too few columns, and wrong ones", ACL_FEED_CSV, "2",
	  "1,192.0.2.1\n2\n3,x\n4,\n", NULL, "2:3:4:" },
	{ "a broken first line is no header", ACL_FEED_CSV, NULL, "192.0.2.x,1\n192.0.2.1,2\n",
	  NULL, "1:" },
};

static void test_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct acl_feed feed = { 0 };
		char got[512] = "", lines[128] = "", text[ADDR_TEXT_MAX];
		int err = acl_feed_parse(&feed, row->text, strlen(row->text), row->format,
					 row->column);

		for (size_t j = 0; j < feed.n; j++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ",
				 prefix_format(&feed.v[j], text));
		for (size_t j = 0; j < feed.n_errors; j++)
			snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
				 "%u:", feed.error[j].line);
		if (strcmp(lines, row->errors) || err != (row->errors[0] ? -EINVAL : 0) ||
		    (row->prefixes && strcmp(got, row->prefixes)))
			fail_msg("%s: %d, prefixes '%s', errors '%s' (%s)", row->says, err, got,
				 lines, feed.n_errors ? feed.error[0].text : "");
		acl_feed_clear(&feed);
	}
}

/* Every cut of a text is read without going past it. */
static void test_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t len = 0; len <= strlen(rows[i].text); len++) {
			struct acl_feed feed = { 0 };
			char *copy = malloc(len ? len : 1);

			memcpy(copy, rows[i].text, len);
			for (int format = ACL_FEED_AUTO; format <= ACL_FEED_CSV; format++)
				(void)acl_feed_parse(&feed, copy, len, (enum acl_feed_format)format,
						     rows[i].column);
			acl_feed_clear(&feed);
			free(copy);
		}
	}
}

/* What is longer than a /64 would deny more than it says: the error says what could be written. */
static void test_a_prefix_inside_of_a_source_is_refused_with_the_source(void **state)
{
	static const char text[] = "2001:db8:1:2::/64\n2001:db8:1:2:3::7\n2001:db8::/65\n";
	struct acl_feed feed = { 0 };

	(void)state;
	assert_int_equal(acl_feed_parse(&feed, text, strlen(text), ACL_FEED_LINES, NULL), -EINVAL);
	assert_int_equal(feed.n_errors, 2);
	assert_int_equal(feed.error[0].line, 2);
	assert_string_equal(feed.error[0].text, "'2001:db8:1:2:3::7' is inside of one source: "
						"write 2001:db8:1:2::/64, or leave it out");
	assert_int_equal(feed.error[1].line, 3);
	assert_non_null(strstr(feed.error[1].text, "write 2001:db8::/64"));
	acl_feed_clear(&feed);
}

static void test_many_errors(void **state)
{
	struct acl_feed feed = { 0 };
	struct buf out;
	char text[3000] = "";

	(void)state;
	for (int i = 0; i < 1000; i++)
		strcat(text, "\001\n");
	assert_int_equal(acl_feed_parse(&feed, text, strlen(text), ACL_FEED_LINES, NULL), -EINVAL);
	assert_int_equal(feed.n_errors, 1000);
	buf_init(&out, 1 << 16);
	assert_int_equal(acl_feed_errors(&feed, "feed", &out), 0);
	assert_int_equal(buf_add(&out, "", 1), 0);
	assert_non_null(strstr(buf_head(&out), "feed:1: '?' is not an address"));
	assert_non_null(strstr(buf_head(&out), "feed:20: "));
	assert_null(strstr(buf_head(&out), "feed:21: "));
	assert_non_null(strstr(buf_head(&out), "feed: and 980 lines more that are wrong\n"));
	buf_clear(&out);
	acl_feed_clear(&feed);
}

/* Ranges at random: their prefixes are disjoint, in order, and cover exactly the range. */
static void test_ranges(void **state)
{
	uint64_t x = 88172645463325252ULL;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct acl_feed feed = { 0 };
		uint32_t a, b, at;
		char text[64];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		a = (uint32_t)x;
		b = a + (uint32_t)(x >> 32) % (i % 2 ? 1000U : UINT32_MAX - a);
		snprintf(text, sizeof(text), "%u.%u.%u.%u-%u.%u.%u.%u", a >> 24, a >> 16 & 255,
			 a >> 8 & 255, a & 255, b >> 24, b >> 16 & 255, b >> 8 & 255, b & 255);
		if (b < a)
			continue;
		assert_int_equal(acl_feed_parse(&feed, text, strlen(text), ACL_FEED_AUTO, NULL), 0);
		assert_in_range(feed.n, 1, 62);
		at = a;
		for (size_t j = 0; j < feed.n; j++) {
			const uint8_t *p = feed.v[j].addr.b + 12;
			uint32_t bits = feed.v[j].len_bits - ADDR_V4_BITS;

			assert_int_equal(at, (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]);
			at += (uint32_t)(1ULL << (32 - bits));
		}
		assert_int_equal(at, b + 1);
		acl_feed_clear(&feed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_a_prefix_inside_of_a_source_is_refused_with_the_source),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
