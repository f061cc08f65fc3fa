/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/uri.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct uri_case {
	const char *sentence;
	const char *path;
	const char *normal; /* NULL: refused */
};

static const struct uri_case cases[] = {
	{ "the root stays", "/", "/" },
	{ "a plain path stays", "/a/b.c/~d", "/a/b.c/~d" },
	{ "a slash at the end stays", "/a/", "/a/" },
	{ "runs of slashes are folded", "//a///b//", "/a/b/" },
	{ "only slashes are the root", "///", "/" },
	{ "a dot is removed", "/a/./b", "/a/b" },
	{ "a dot at the end leaves the slash", "/a/.", "/a/" },
	{ "two dots remove the segment before", "/a/b/../c", "/a/c" },
	{ "two dots at the end leave the slash", "/a/b/..", "/a/" },
	{ "two dots above the root are dropped", "/../../a", "/a" },
	{ "two dots alone are the root", "/..", "/" },
	{ "two dots remove no empty segment", "/a//../b", "/b" },
	{ "three dots are a name", "/.../a", "/.../a" },
	{ "dots within a name stay", "/a./.b/..c/d..", "/a./.b/..c/d.." },
	{ "many dots are followed", "/a/b/c/./../../g/../../h", "/h" },
	{ "encoded dots are dots", "/a/%2e%2E/b/%2e/c", "/b/c" },
	{ "unreserved characters are decoded", "/%41%7a%2D%5f%7E%30", "/Az-_~0" },
	{ "other escapes are in upper case", "/%c3%a4%3a", "/%C3%A4%3A" },
	{ "an encoded percent stays, so nothing is decoded twice", "/%252e%252e/", "/%252e%252e/" },
	{ "an encoded space stays", "/a%20b", "/a%20b" },
	{ "reserved characters stay", "/a;b=c,d@e!f$g&h'(i)*+:", "/a;b=c,d@e!f$g&h'(i)*+:" },
	{ "an empty path is refused", "", NULL },
	{ "a path without slash is refused", "a", NULL },
	{ "the asterisk is refused", "*", NULL },
	{ "half an escape is refused", "/%4", NULL },
	{ "an escape without digits is refused", "/%", NULL },
	{ "an escape of other letters is refused", "/%4g", NULL },
	{ "an encoded NUL is refused", "/a%00b", NULL },
	{ "an encoded slash is refused", "/a%2fb", NULL },
	{ "an encoded backslash is refused", "/a%5cb", NULL },
	{ "a backslash is refused", "/a\\b", NULL },
	{ "an encoded LF is refused", "/a%0ab", NULL },
	{ "an encoded DEL is refused", "/%7F", NULL },
	{ "a control character is refused", "/a\x01", NULL },
	{ "a space is refused", "/a b", NULL },
	{ "a byte above ASCII is refused", "/\xc3\xa4", NULL },
	{ "a query is refused", "/a?b", NULL },
	{ "a fragment is refused", "/a#b", NULL },
};

static void test_path(void **state)
{
	const struct uri_case *c = *state;
	size_t len = strlen(c->path);
	char *path = malloc(len ? len : 1); /* sized to the byte, for ASan */
	char *out = malloc(len + 1);
	char *again = malloc(len + 1);

	assert_true(path && out && again);
	memcpy(path, c->path, len);
	int n = uri_normalize((struct str) { path, len }, out);

	if (!c->normal) {
		assert_int_equal(n, -EINVAL);
	} else {
		assert_int_equal(n, (int)strlen(c->normal));
		assert_string_equal(out, c->normal);
		assert_int_equal(uri_normalize((struct str) { out, (size_t)n }, again), n);
		assert_string_equal(again, out);
	}
	free(path);
	free(out);
	free(again);
}

static void test_an_authority_is_a_host_and_perhaps_a_port(void **state)
{
	static const char *const good[] = {
		"a",   "a.example", "A-b_c.example.", "192.0.2.1",	    "a:",
		"a:0", "a:65535",   "[::1]",	      "[2001:db8::1]:8080", "[::ffff:192.0.2.1]",
	};
	static const char *const bad[] = {
		"",	   ":80",     "a:65536",   "a:99999999999999999999",
		"a:b",	   "a:1:2",   "a b",	   "a,b",
		"a/b",	   "a?b",     "a#b",	   "a@b",
		"a%20b",   "a\\b",    "a\tb",	   "\xc3\xa4",
		"::1",	   "[::1",    "[]",	   "[::1]a",
		"[::1]80", "[a]",     "[1.2.3.4]", "[::1%25lo]",
		"[v1.a]",  "[::1]:x", "a]",	   "a*b",
	};

	(void)state;
	for (size_t i = 0; i < N(good); i++)
		assert_true(uri_authority_valid(str_of(good[i]), false));
	for (size_t i = 0; i < N(bad); i++) {
		assert_false(uri_authority_valid(str_of(bad[i]), false));
		assert_false(uri_authority_valid(str_of(bad[i]), true));
	}
	assert_false(uri_authority_valid((struct str) { "a\0b", 3 }, false));
	assert_false(uri_authority_valid((struct str) { "[::1\0]", 6 }, false));
}

static void test_an_authority_may_have_to_have_a_port(void **state)
{
	(void)state;
	assert_true(uri_authority_valid(STR_LIT("a:1"), true));
	assert_true(uri_authority_valid(STR_LIT("[::1]:1"), true));
	assert_false(uri_authority_valid(STR_LIT("a"), true));
	assert_false(uri_authority_valid(STR_LIT("a:"), true));
	assert_false(uri_authority_valid(STR_LIT("[::1]"), true));
}

static void test_an_authority_has_a_limit(void **state)
{
	char text[URI_AUTHORITY_MAX + 1];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(uri_authority_valid((struct str) { text, URI_AUTHORITY_MAX }, false));
	assert_false(uri_authority_valid((struct str) { text, URI_AUTHORITY_MAX + 1 }, false));
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_an_authority_is_a_host_and_perhaps_a_port),
		cmocka_unit_test(test_an_authority_may_have_to_have_a_port),
		cmocka_unit_test(test_an_authority_has_a_limit),
	};
	static struct CMUnitTest tests[N(cases) + N(others)];

	for (size_t i = 0; i < N(cases); i++)
		tests[i] = (struct CMUnitTest) { .name = cases[i].sentence,
						 .test_func = test_path,
						 .initial_state = (void *)&cases[i] };
	memcpy(tests + N(cases), others, sizeof(others));
	return _cmocka_run_group_tests("uri", tests, N(tests), NULL, NULL);
}
