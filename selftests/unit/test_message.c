/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/chars.h"
#include "http/message.h"

static void test_each_known_name_is_found_in_any_case(void **state)
{
	(void)state;
	for (int i = HTTP_NAME_OTHER + 1; i <= HTTP_NAME_USER_AGENT; i++) {
		struct str text = http_name_text((enum http_name)i);
		char copy[64];

		assert_in_range(text.len, 1, sizeof(copy) - 1);
		assert_int_equal(http_name_of(text), i);
		for (size_t j = 0; j < text.len; j++)
			copy[j] = (char)toupper((unsigned char)text.ptr[j]);
		assert_int_equal(http_name_of((struct str) { copy, text.len }), i);
		copy[text.len] = 'x';
		assert_int_equal(http_name_of((struct str) { copy, text.len + 1 }),
				 HTTP_NAME_OTHER);
		for (size_t j = 0; j < text.len; j++) {
			char kept = copy[j];

			copy[j] = '_';
			assert_int_equal(http_name_of((struct str) { copy, text.len }),
					 HTTP_NAME_OTHER);
			copy[j] = kept;
		}
	}
	assert_int_equal(http_name_of(STR_LIT("x-unknown")), HTTP_NAME_OTHER);
	assert_int_equal(http_name_of(STR_LIT("")), HTTP_NAME_OTHER);
	assert_int_equal(http_name_text(HTTP_NAME_OTHER).len, 0);
}

static void test_each_method_is_found_by_its_name_only(void **state)
{
	static const char *const others[] = { "",	"get",	   "GEt",     "PUS",
					      "POSS",	"HEAR",	   "TRACK",   "PATCK",
					      "DELETF", "OPTIONT", "CONNECU", "PROPFIND" };

	(void)state;
	for (int i = HTTP_OTHER + 1; i <= HTTP_PATCH; i++) {
		const char *name = http_method_name((enum http_method)i);

		assert_true(*name);
		assert_int_equal(http_method_of(str_of(name)), i);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(http_method_of(str_of(others[i])), HTTP_OTHER);
	assert_string_equal(http_method_name(HTTP_OTHER), "");
	assert_string_equal(http_method_name((enum http_method)99), "");
}

static void test_idempotent_methods_are_those_of_rfc_9110(void **state)
{
	(void)state;
	assert_true(http_method_idempotent(HTTP_GET));
	assert_true(http_method_idempotent(HTTP_HEAD));
	assert_true(http_method_idempotent(HTTP_PUT));
	assert_true(http_method_idempotent(HTTP_DELETE));
	assert_true(http_method_idempotent(HTTP_OPTIONS));
	assert_true(http_method_idempotent(HTTP_TRACE));
	assert_false(http_method_idempotent(HTTP_POST));
	assert_false(http_method_idempotent(HTTP_PATCH));
	assert_false(http_method_idempotent(HTTP_CONNECT));
	assert_false(http_method_idempotent(HTTP_OTHER));
}

static void test_statuses_have_their_registered_reason(void **state)
{
	static const struct {
		unsigned int status;
		const char *text;
	} cases[] = {
		{ 100, "Continue" },
		{ 103, "Early Hints" },
		{ 200, "OK" },
		{ 208, "Already Reported" },
		{ 226, "IM Used" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 413, "Content Too Large" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 426, "Upgrade Required" },
		{ 428, "Precondition Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 451, "Unavailable For Legal Reasons" },
		{ 500, "Internal Server Error" },
		{ 505, "HTTP Version Not Supported" },
		{ 511, "Network Authentication Required" },
		{ 0, "" },
		{ 99, "" },
		{ 104, "" },
		{ 299, "" },
		{ 306, "" },
		{ 418, "" },
		{ 430, "" },
		{ 599, "" },
		{ 600, "" },
		{ 65535, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(http_status_text(cases[i].status), cases[i].text);
}

static void test_fields_are_found_by_name_and_the_first_wins(void **state)
{
	static const char base[] = "Via: aX-y: bx-Y: c";
	struct http_head h = { .base = base, .n_fields = 3 };

	(void)state;
	h.fields[0] = (struct http_field) { 0, 5, 1, 3, HTTP_NAME_VIA, false };
	h.fields[1] = (struct http_field) { 6, 11, 1, 3, HTTP_NAME_OTHER, false };
	h.fields[2] = (struct http_field) { 12, 17, 1, 3, HTTP_NAME_OTHER, false };
	assert_ptr_equal(http_field_known(&h, HTTP_NAME_VIA), &h.fields[0]);
	assert_null(http_field_known(&h, HTTP_NAME_HOST));
	assert_ptr_equal(http_field_find(&h, STR_LIT("X-Y")), &h.fields[1]);
	assert_ptr_equal(http_field_find(&h, STR_LIT("VIA")), &h.fields[0]);
	assert_null(http_field_find(&h, STR_LIT("x")));
	assert_memory_equal(http_field_value(&h, &h.fields[1]).ptr, "b", 1);
}

static void test_the_classes_of_bytes_are_those_of_the_rfcs(void **state)
{
	static const char tchar[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 s5.6.2, beside alphanumerics */

	(void)state;
	for (int i = 0; i < 256; i++) {
		char c = (char)i;
		bool ascii_alnum = i < 128 && isalnum(i);
		bool visible = i > 0x20 && i < 0x7f;

		assert_int_equal(http_char_is(c, HTTP_CHAR_TOKEN),
				 ascii_alnum || (i && strchr(tchar, c)));
		assert_int_equal(http_char_is(c, HTTP_CHAR_VALUE),
				 i == '\t' || i == ' ' || visible || i >= 0x80);
		assert_int_equal(http_char_is(c, HTTP_CHAR_TARGET), visible && i != '#');
		assert_int_equal(http_char_is(c, HTTP_CHAR_UNRESERVED),
				 ascii_alnum || (i && strchr("-._~", c)));
		assert_int_equal(http_char_is(c, HTTP_CHAR_HOST),
				 ascii_alnum || (i && strchr("-._", c)));
		assert_int_equal(http_char_is(c, HTTP_CHAR_DIGIT), i >= '0' && i <= '9');
		assert_int_equal(http_char_is(c, HTTP_CHAR_HEX), i < 128 && isxdigit(i));
		if (i < 128 && isxdigit(i)) {
			char text[2] = { c, 0 };

			assert_int_equal(http_char_hex(c), strtoul(text, NULL, 16));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_known_name_is_found_in_any_case),
		cmocka_unit_test(test_each_method_is_found_by_its_name_only),
		cmocka_unit_test(test_idempotent_methods_are_those_of_rfc_9110),
		cmocka_unit_test(test_statuses_have_their_registered_reason),
		cmocka_unit_test(test_fields_are_found_by_name_and_the_first_wins),
		cmocka_unit_test(test_the_classes_of_bytes_are_those_of_the_rfcs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
