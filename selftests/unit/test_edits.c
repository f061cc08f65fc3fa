/* SPDX-License-Identifier: BSD-2-Clause */
/* Stored edits on top of a file that has changed meanwhile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/edits.h"
#include "base/log.h"

#define FILE_TEXT                                                 \
	"plans:\n"                                                \
	"  - {name: free, limits: [{name: second, rate: 1/s}]}\n" \
	"consumers:\n"                                            \
	"  - {name: alice, plan: free, keys: [alice-0123456789]}\n"

struct fixture {
	struct edits edits;
	struct conf *conf;
	struct errmsg err;
	struct conf_errors errors;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->edits.list = json_array();
	*state = f;
	return conf_parse(FILE_TEXT, strlen(FILE_TEXT), &f->conf, &f->errors);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	json_decref(f->edits.list);
	conf_free(f->conf);
	free(f);
	return 0;
}

static void store(struct fixture *f, const char *op, const char *name, const char *plan)
{
	json_t *edit =
		plan ? json_pack("{s:s,s:s,s:s,s:s}", "kind", "consumer", "op", op, "name", name,
				 "plan", plan)
		     : json_pack("{s:s,s:s,s:s}", "kind", "consumer", "op", op, "name", name);

	assert_int_equal(edits_add(&f->edits, edit, &f->err), 0);
	json_decref(edit);
}

static int apply_until(struct fixture *f, uint64_t until_ns)
{
	return edits_apply_fitting(&f->edits, f->conf, until_ns, &f->conf, &f->errors, &f->err);
}

static int apply(struct fixture *f)
{
	return apply_until(f, UINT64_MAX);
}

static const struct conf_consumer *find(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->conf->n_consumers; i++) {
		if (strcmp(f->conf->consumers[i].name, name) == 0)
			return &f->conf->consumers[i];
	}
	return NULL;
}

static void edits_that_all_fit_leave_no_warning(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(apply(f), 0);
	assert_int_equal(f->conf->n_consumers, 1);
	store(f, "add", "bob", "free");
	store(f, "del", "alice", NULL);
	assert_int_equal(apply(f), 0);
	assert_non_null(find(f, "bob"));
	assert_null(find(f, "alice"));
	assert_string_equal(f->edits.skipped_why.text, "");
}

static void those_that_do_not_fit_are_named_and_the_others_hold(void **state)
{
	struct fixture *f = *state;

	store(f, "add", "bob", "free");
	store(f, "set", "gone", "free");  /* not in the file any more */
	store(f, "add", "carol", "gold"); /* its plan is not */
	store(f, "add", "dave", "free");
	store(f, "del", "bob", NULL); /* in order: after it was added */
	assert_int_equal(apply(f), 0);
	assert_int_equal(f->conf->n_consumers, 2);
	assert_non_null(find(f, "alice"));
	assert_non_null(find(f, "dave"));
	assert_int_equal(strncmp(f->edits.skipped_why.text, "2 stored changes", 16), 0);
	assert_non_null(
		strstr(f->edits.skipped_why.text, "consumer set gone, consumer add carol;"));
	assert_non_null(strstr(f->edits.skipped_why.text, "--replace"));
	assert_int_equal(f->errors.n, 0);
	edits_settled(&f->edits);
	assert_string_equal(f->edits.skipped_why.text, "");
}

static void a_reload_still_refuses_them_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct conf *to = NULL;

	store(f, "add", "bob", "free");
	store(f, "set", "gone", "free");
	assert_int_equal(edits_apply(&f->edits, f->conf, &to, &f->errors, &f->err), -EINVAL);
	assert_null(to);
	assert_int_equal(f->errors.n, 1);
	assert_non_null(strstr(f->errors.error[0].text, "gone"));
}

static void many_that_do_not_fit_are_counted_and_a_few_are_named(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 500; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		store(f, "add", name, i % 2 ? "gold" : "free");
	}
	assert_int_equal(apply(f), 0);
	assert_int_equal(f->conf->n_consumers, 251);
	assert_int_equal(strncmp(f->edits.skipped_why.text, "250 stored", 10), 0);
	assert_non_null(strstr(f->edits.skipped_why.text, "consumer add c7, ...;"));
	assert_null(strstr(f->edits.skipped_why.text, "c9"));
}

static void when_the_time_is_over_nobody_searches_any_more(void **state)
{
	struct fixture *f = *state;

	store(f, "add", "bob", "free");
	store(f, "set", "gone", "free");
	assert_int_equal(apply_until(f, 0), 0);
	assert_int_equal(f->conf->n_consumers, 1);
	assert_non_null(strstr(f->edits.skipped_why.text, "consumer add bob, consumer set gone;"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(edits_that_all_fit_leave_no_warning),
		TEST(those_that_do_not_fit_are_named_and_the_others_hold),
		TEST(a_reload_still_refuses_them_as_a_whole),
		TEST(when_the_time_is_over_nobody_searches_any_more),
		TEST(many_that_do_not_fit_are_counted_and_a_few_are_named),
	};

	/* edits that are skipped make log lines */
	log_open_fd("test", STDERR_FILENO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
