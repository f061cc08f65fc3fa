/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "route/route.h"

#define N(a)	     (sizeof(a) / sizeof((a)[0]))
#define LIST(f, ...) .f = (char *[]) { __VA_ARGS__ }, .n_##f = N(((char *[]) { __VA_ARGS__ }))

/* One file; the cases ask it. */
static struct conf_route routes[] = {
	{ .name = "api", LIST(hosts, "api.example.com"), LIST(paths, "/v1", "/v2/", "=/v1/exact") },
	{ .name = "api-deep", LIST(hosts, "api.example.com"), LIST(paths, "/v1/deep") },
	{ .name = "api-again", LIST(hosts, "API.example.com."), LIST(paths, "/v1", "/again") },
	{ .name = "wild", LIST(hosts, "*.example.com"), LIST(paths, "/v1", "/wild") },
	{ .name = "wilder", LIST(hosts, "*.b.example.com") },
	{ .name = "six", LIST(hosts, "[2001:db8::1]") },
	{ .name = "any", LIST(paths, "/any", "=/"), LIST(listeners, "main", "other") },
	{ .name = "elsewhere", LIST(listeners, "other") },
	{ .name = "odd", LIST(paths, "/%6fdd//x/../y") },
	{ .name = "two", LIST(hosts, "one.example", "two.example"), LIST(paths, "/a", "/b") },
};

static const struct conf conf = { .routes = routes, .n_routes = N(routes) };

static const struct {
	const char *sentence;
	const char *host;
	const char *path;
	const char *route; /* NULL: none */
} cases[] = {
	{ "a prefix matches itself", "api.example.com", "/v1", "api" },
	{ "a prefix matches with a slash behind", "api.example.com", "/v1/", "api" },
	{ "a prefix matches what is below", "api.example.com", "/v1/x/y", "api" },
	{ "a prefix ends on a segment boundary", "api.example.com", "/v10", NULL },
	{ "a prefix with a slash matches what is below", "api.example.com", "/v2/x", "api" },
	{ "a prefix with a slash matches itself", "api.example.com", "/v2/", "api" },
	{ "a prefix with a slash does not match without", "api.example.com", "/v2", NULL },
	{ "a longer prefix wins", "api.example.com", "/v1/deep/x", "api-deep" },
	{ "a longer prefix ends on a boundary too", "api.example.com", "/v1/deeper", "api" },
	{ "an exact path matches", "api.example.com", "/v1/exact", "api" },
	{ "the first of equals wins", "api.example.com", "/v1", "api" },
	{ "a host written in capitals and with a dot is the same host", "api.example.com",
	  "/again/1", "api-again" },
	{ "the host is compared without case", "API.Example.COM", "/v1", "api" },
	{ "a port is ignored", "api.example.com:8443", "/v1", "api" },
	{ "an empty port is ignored", "api.example.com:", "/v1", "api" },
	{ "a dot at the end of the host is ignored", "api.example.com.", "/v1", "api" },
	{ "a host without that path falls back on a wildcard", "api.example.com", "/wild", "wild" },
	{ "a wildcard matches one label", "x.example.com", "/v1", "wild" },
	{ "a wildcard matches many labels", "z.y.x.example.com", "/v1", "wild" },
	{ "a wildcard does not match its own name", "example.com", "/v1", NULL },
	{ "a wildcard needs a label", ".example.com", "/v1", NULL },
	{ "a wildcard begins at a dot", "xexample.com", "/v1", NULL },
	{ "a longer wildcard wins", "x.b.example.com", "/v1", "wilder" },
	{ "a longer wildcard is not for its own name", "b.example.com", "/v1", "wild" },
	{ "a wildcard without that path falls back on any host", "x.example.com", "/any", "any" },
	{ "a bracketed address matches with its port", "[2001:db8::1]:443", "/", "six" },
	{ "a bracketed address matches without port", "[2001:DB8::1]", "/x", "six" },
	{ "a route without hosts is for any", "unknown.example", "/any/1", "any" },
	{ "a route without hosts is for no host at all", "", "/any", "any" },
	{ "an exact root is only the root", "unknown.example", "/", "any" },
	{ "nothing matches below an exact root", "unknown.example", "/x", NULL },
	{ "a path of the file is normalised", "unknown.example", "/odd/y/z", "odd" },
	{ "each host and path of a route count", "two.example", "/b/x", "two" },
	{ "each host and path of a route count in the other order", "one.example", "/a", "two" },
	{ "the asterisk matches nothing", "unknown.example", "*", NULL },
	{ "no path matches nothing", "unknown.example", "", NULL },
};

static struct route compiled[N(routes)];
static struct route_table *table;

static int setup(void **state)
{
	(void)state;
	return route_table_new(&conf, "main", compiled, &table);
}

static int teardown(void **state)
{
	(void)state;
	route_table_free(table);
	return 0;
}

static void test_match(void **state)
{
	size_t i = (size_t)*state;
	size_t host_len = strlen(cases[i].host), path_len = strlen(cases[i].path);
	char *host = malloc(host_len + 1), *path = malloc(path_len + 1);

	/* Without the terminator, so that ASan sees a read beyond the end. */
	assert_true(host && path);
	host = realloc(memcpy(host, cases[i].host, host_len), host_len ? host_len : 1);
	path = realloc(memcpy(path, cases[i].path, path_len), path_len ? path_len : 1);
	const struct route *r = route_match(table, (struct str) { host, host_len },
					    (struct str) { path, path_len });

	free(host);
	free(path);
	if (!cases[i].route) {
		assert_null(r);
		return;
	}
	assert_non_null(r);
	assert_string_equal(r->conf->name, cases[i].route);
	assert_ptr_equal(r, &compiled[r->index]);
}

static void test_a_route_is_only_on_its_listeners(void **state)
{
	struct route other[N(routes)] = { 0 };
	struct route_table *t;

	(void)state;
	assert_int_equal(route_table_new(&conf, "other", other, &t), 0);
	assert_string_equal(route_match(t, STR_LIT("a"), STR_LIT("/x"))->conf->name, "elsewhere");
	assert_string_equal(route_match(t, STR_LIT("a"), STR_LIT("/any"))->conf->name, "any");
	route_table_free(t);
	assert_int_equal(route_table_new(&conf, "third", other, &t), 0);
	assert_null(route_match(t, STR_LIT("a"), STR_LIT("/any")));
	assert_non_null(route_match(t, STR_LIT("a"), STR_LIT("/odd/y")));
	route_table_free(t);
}

static void test_a_table_without_routes_matches_nothing(void **state)
{
	const struct conf none = { 0 };
	struct route_table *t;

	(void)state;
	assert_int_equal(route_table_new(&none, "main", NULL, &t), 0);
	assert_null(route_match(t, STR_LIT("a"), STR_LIT("/")));
	route_table_free(t);
}

static void test_a_path_that_cannot_be_normalised_makes_no_table(void **state)
{
	struct conf_route bad = { .name = "bad", LIST(paths, "/%2f") };
	const struct conf c = { .routes = &bad, .n_routes = 1 };
	struct route_table *t = NULL;
	struct route r;

	(void)state;
	assert_int_equal(route_table_new(&c, "main", &r, &t), -EINVAL);
	assert_null(t);
}

static void test_a_host_of_nothing_but_dots_or_beyond_all_names_is_no_harm(void **state)
{
	char dots[4096];

	(void)state;
	memset(dots, '.', sizeof(dots));
	for (size_t len = 0; len <= sizeof(dots); len += len < 300 ? 1 : 997)
		assert_null(route_match(table, (struct str) { dots, len }, STR_LIT("/v1")));
}

static void test_every_suffix_of_a_long_host_may_have_a_route(void **state)
{
	enum { LABELS = 126 };
	static char names[LABELS][2 * LABELS + 8];
	static char *hosts[LABELS];
	static struct conf_route many[LABELS];
	static struct route made[LABELS];
	const struct conf c = { .routes = many, .n_routes = LABELS };
	struct route_table *t;
	char host[2 * LABELS + 8] = "";

	(void)state;
	for (int i = 0; i < LABELS; i++) {
		strcpy(names[i], "*");
		for (int j = 0; j <= i; j++)
			strcat(names[i], ".a");
		hosts[i] = names[i];
		many[i] =
			(struct conf_route) { .name = names[i], .hosts = &hosts[i], .n_hosts = 1 };
	}
	assert_int_equal(route_table_new(&c, "main", made, &t), 0);
	for (int i = 0; i < LABELS; i++) {
		strcat(host, i ? ".a" : "a");
		const struct route *r = route_match(t, str_of(host), STR_LIT("/"));

		if (i == 0)
			assert_null(r);
		else
			assert_string_equal(r->conf->name, names[i - 1]);
	}
	route_table_free(t);
}

static void test_a_thousand_routes_are_told_apart(void **state)
{
	enum { ROUTES = 1000 };
	static char paths[ROUTES][16];
	static char *lists[ROUTES];
	static struct conf_route many[ROUTES];
	static struct route made[ROUTES];
	const struct conf c = { .routes = many, .n_routes = ROUTES };
	struct route_table *t;

	(void)state;
	for (int i = 0; i < ROUTES; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/p%d", i);
		lists[i] = paths[i];
		many[i] = (struct conf_route) { .paths = &lists[i], .n_paths = 1 };
	}
	assert_int_equal(route_table_new(&c, "main", made, &t), 0);
	for (uint32_t i = 0; i < ROUTES; i++)
		assert_int_equal(route_match(t, STR_LIT("a"), str_of(paths[i]))->index, i);
	route_table_free(t);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_a_route_is_only_on_its_listeners),
		cmocka_unit_test(test_a_table_without_routes_matches_nothing),
		cmocka_unit_test(test_a_path_that_cannot_be_normalised_makes_no_table),
		cmocka_unit_test(test_a_host_of_nothing_but_dots_or_beyond_all_names_is_no_harm),
		cmocka_unit_test(test_every_suffix_of_a_long_host_may_have_a_route),
		cmocka_unit_test(test_a_thousand_routes_are_told_apart),
	};
	static struct CMUnitTest tests[N(cases) + N(others)];

	for (size_t i = 0; i < N(cases); i++)
		tests[i] = (struct CMUnitTest) { .name = cases[i].sentence,
						 .test_func = test_match,
						 .initial_state = (void *)i };
	memcpy(tests + N(cases), others, sizeof(others));
	return _cmocka_run_group_tests("route", tests, N(tests), setup, teardown);
}
