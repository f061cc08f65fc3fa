/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plane_case.h"
#include "plane_pool.h"

#define CASES_MAX 512

struct plane_case {
	enum plane_hook hook;
	plane_test *fn;
	const void *row;
	const struct plane_settings *settings;
	bool shared;
};

static struct plane_case cases[CASES_MAX];
static struct CMUnitTest tests[CASES_MAX];
static size_t n_cases;
static const struct plane_settings *settings;
static bool shared;
static struct plane shared_plane[PLANE_HOOKS];

static void run_case(void **state)
{
	const struct plane_case *c = *state;
	struct plane *one = &shared_plane[c->hook];
	struct plane fresh;

	if (c->shared) {
		if (!one->skeleton)
			plane_open(one, c->hook, c->settings);
		c->fn(one, c->row);
		return;
	}
	plane_open(&fresh, c->hook, c->settings);
	c->fn(&fresh, c->row);
	plane_close(&fresh);
}

static void add(const char *sentence, plane_test *fn, const void *row)
{
	enum plane_hook hook;

	for (hook = PLANE_XDP; hook < PLANE_HOOKS; hook++) {
		struct plane_case *c = &cases[n_cases];
		char *name;

		if (n_cases == CASES_MAX ||
		    asprintf(&name, "%s: %s", plane_hook_name[hook], sentence) < 0)
			abort();
		*c = (struct plane_case) {
			.hook = hook, .fn = fn, .row = row, .settings = settings, .shared = shared
		};
		tests[n_cases++] = (struct CMUnitTest) { .name = name,
							 .test_func = run_case,
							 .initial_state = c };
	}
}

void plane_case_table(plane_test *fn, const void *rows, size_t row_bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const void *row = (const char *)rows + i * row_bytes;

		add(*(const char *const *)row, fn, row);
	}
}

void plane_case_add(const char *sentence, plane_test *fn)
{
	add(sentence, fn, NULL);
}

void plane_case_settings(const struct plane_settings *s)
{
	settings = s;
}

void plane_case_shared(bool on)
{
	shared = on;
}

int plane_case_run(const char *group)
{
	enum plane_hook hook;
	int failed;

	plane_pool_start();
	failed = _cmocka_run_group_tests(group, tests, n_cases, NULL, NULL);

	for (hook = PLANE_XDP; hook < PLANE_HOOKS; hook++) {
		if (shared_plane[hook].skeleton)
			plane_close(&shared_plane[hook]);
	}
	return failed ? 1 : 0;
}
