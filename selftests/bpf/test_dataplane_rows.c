/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * The rows of limits: their cells, and the key that spreads sources over them.
 */
#include <errno.h>
#include <string.h>

#include "agent/limit_rotation.h"
#include "base/clock.h"
#include "dataplane/dataplane_state.h"
#include "limit_lab.h"

static void a_new_key_of_the_rows_is_no_second_burst(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = limit_lab_burst("web", 10, &net);
	struct limit_state *limits;
	struct limit_lab *w = *state;
	uint32_t key;

	limit_lab_apply(w, &web, 1);
	limits = pinned_map_mem(w->dp, "limit_state");
	key = limits->active_key;
	assert_int_equal(limit_map_rotate_end(w->dp), -ENOENT);
	/* 10 of 1 in 1,000 s are longer than anybody waits. */
	assert_int_equal(limit_map_rotate(w->dp), 10000);
	assert_int_equal(limit_map_rotate(w->dp), -EALREADY);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 6), 6);
	assert_int_equal(limit_map_rotate_end(w->dp), 0);
	assert_int_not_equal(limits->active_key, key);
	assert_memory_not_equal(&limits->key[0], &limits->key[1], sizeof(limits->key[0]));
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 10), 4);
}

/* As the supervisor does it, by its tick. */
static void the_key_changes_when_its_lifetime_is_over(void **state)
{
	struct prefix net = lab_prefix("192.0.2.0/24");
	struct conf_limit web = limit_lab_burst("web", 10, &net);
	struct limit_rotation r = { 0 }, next = { 0 };
	struct limit_state *limits;
	struct limit_key key;
	struct limit_lab *w = *state;
	uint64_t now_ns, day_ns = 86400 * NS_PER_S;
	uint32_t active;

	limit_lab_apply(w, &web, 1);
	limits = pinned_map_mem(w->dp, "limit_state");
	active = limits->active_key;
	assert_int_equal(limit_map_key(w->dp, &key), 0);
	assert_true(key.since_ns && key.since_ns <= clock_now_ns());
	now_ns = key.since_ns + day_ns;
	assert_int_equal(limit_rotation_tick(&r, w->dp, 86400000, now_ns - 1), LIMIT_ROTATION_IDLE);
	assert_int_equal(limit_rotation_tick(&r, w->dp, 0, now_ns * 9), LIMIT_ROTATION_IDLE);
	assert_int_equal(limits->charge_both, 0);
	assert_int_equal(limit_rotation_tick(&r, w->dp, 86400000, now_ns), LIMIT_ROTATION_BEGUN);
	assert_int_equal(limit_rotation_begin(&r, w->dp, LIMIT_ROTATION_OPERATOR, now_ns),
			 -EALREADY);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 6), 6);

	/* The supervisor dies; the next one lets it wait its whole time again, and ends it. */
	now_ns += 9 * NS_PER_S;
	assert_int_equal(limit_rotation_tick(&next, w->dp, 0, now_ns), LIMIT_ROTATION_IDLE);
	assert_int_equal(limit_rotation_tick(&next, w->dp, 0, now_ns + 10 * NS_PER_S - 1),
			 LIMIT_ROTATION_IDLE);
	assert_int_equal(limits->charge_both, 1);
	assert_int_equal(limit_rotation_tick(&next, w->dp, 0, now_ns + 10 * NS_PER_S),
			 LIMIT_ROTATION_DONE);
	assert_int_equal(next.cause, LIMIT_ROTATION_ADOPTED);
	assert_int_equal(limits->charge_both, 0);
	assert_int_not_equal(limits->active_key, active);
	assert_int_equal(limit_lab_passed(w, "192.0.2.7", 10), 4);
	assert_int_equal(limit_rotation_tick(&next, w->dp, 86400000, clock_now_ns() + NS_PER_S),
			 LIMIT_ROTATION_IDLE);
}

static void rows_go_with_the_class_and_come_clean(void **state)
{
	struct prefix a = lab_prefix("10.1.0.0/16"), b = lab_prefix("10.2.0.0/16");
	struct conf_limit two[] = { limit_lab_burst("one", 10, &a),
				    limit_lab_burst("two", 10, &b) };
	struct limit_lab *w = *state;
	const struct limit_class *classes = pinned_map_mem(w->dp, "limit_class");
	uint32_t one, two_id, first;
	struct errmsg err;

	limit_lab_apply(w, two, 2);
	one = limit_map_class(w->dp, "one");
	two_id = limit_map_class(w->dp, "two");
	assert_int_equal(classes[one].row_bits, 8);
	assert_true(classes[one].row_first + 512 <= classes[two_id].row_first ||
		    classes[two_id].row_first + 512 <= classes[one].row_first);
	first = classes[one].row_first;
	assert_int_equal(limit_lab_passed(w, "10.1.0.1", 20), 10);
	/* Gone, and its cells another's: who is new there has a full bucket. */
	limit_lab_apply(w, &two[1], 1);
	two[0] = limit_lab_burst("three", 10, &a);
	limit_lab_apply(w, two, 2);
	assert_int_equal(classes[limit_map_class(w->dp, "three")].row_first, first);
	assert_int_equal(limit_lab_passed(w, "10.1.0.1", 20), 10);
	two[0].rows = 1U << 20;
	assert_int_equal(limit_lab_try(w, two, 2, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "dataplane.limit_rows has 65536"));
	assert_int_equal(limit_lab_passed(w, "10.1.0.1", 20), 0);
}

static void fewer_and_more_cells_keep_what_fits(void **state)
{
	struct prefix a = lab_prefix("10.1.0.0/16"), b = lab_prefix("10.2.0.0/16");
	struct conf_limit two[] = { limit_lab_burst("one", 10, &a),
				    limit_lab_burst("two", 10, &b) };
	struct limit_lab *w = *state;
	const struct limit_class *classes;
	uint32_t id;

	two[0].rows = 16384;
	limit_lab_apply(w, two, 2);
	assert_int_equal(limit_lab_passed(w, "10.2.0.1", 6), 6);
	/* "two" is behind 32,768 cells: it gets others, and with them a full bucket. */
	two[0].rows = 256;
	limit_lab_reopen(w, 2048);
	limit_lab_apply(w, two, 2);
	classes = pinned_map_mem(w->dp, "limit_class");
	id = limit_map_class(w->dp, "two");
	assert_true(classes[id].row_first + 512 <= 2048);
	assert_int_equal(limit_lab_passed(w, "10.2.0.1", 20), 10);
	limit_lab_reopen(w, 4096);
	limit_lab_apply(w, two, 2);
	assert_int_equal(limit_lab_passed(w, "10.2.0.1", 20), 0);
	assert_int_equal(limit_lab_passed(w, "10.1.0.1", 20), 10);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, limit_lab_open, limit_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(a_new_key_of_the_rows_is_no_second_burst),
		TEST(the_key_changes_when_its_lifetime_is_over),
		TEST(rows_go_with_the_class_and_come_clean),
		TEST(fewer_and_more_cells_keep_what_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
