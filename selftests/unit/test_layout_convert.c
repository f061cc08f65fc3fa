/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of another layout; what a pinned list says of them may be anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/layout_convert.h"

static struct layout_map of(uint32_t n, const struct layout_field *f)
{
	struct layout_map l = { .version = 1, .n_fields = n };

	memcpy(l.field, f, n * sizeof(*f));
	return l;
}

/* { u32 a; u32 b; } of before is { u64 c; u32 b; u32 a; } now: c is new, and so zero. */
static void members_find_their_new_places(void **state)
{
	const struct layout_field was[] = { { 1, 0, 4 }, { 2, 4, 4 } };
	const struct layout_field is[] = { { 3, 0, 8 }, { 2, 8, 4 }, { 1, 12, 4 } };
	const struct layout_map old = of(2, was), new = of(3, is);
	struct pinned_map m = { .shape.value_bytes = 16 };
	const uint32_t from[] = { 7, 8 };
	uint32_t to[4];

	(void)state;
	memset(to, 0xff, sizeof(to));
	m.moves = layout_moves_new(&old, 8, &new, 16);
	assert_non_null(m.moves);
	assert_int_equal(layout_old_bytes(&m), 8);
	layout_convert(&m, from, to);
	assert_int_equal(to[0], 0);
	assert_int_equal(to[1], 0);
	assert_int_equal(to[2], 8);
	assert_int_equal(to[3], 7);
	free(m.moves);
}

static void each_cpu_has_its_own(void **state)
{
	const struct layout_field was[] = { { 1, 0, 4 } }, is[] = { { 1, 4, 4 } };
	const struct layout_map old = of(1, was), new = of(1, is);
	struct pinned_map m = { .shape.value_bytes = 8 };
	const uint32_t from[] = { 5, 0, 6, 0 }; /* 4 bytes take 8 */
	uint32_t to[4];

	(void)state;
	m.moves = layout_moves_new(&old, 4, &new, 8);
	assert_non_null(m.moves);
	layout_convert_cpus(&m, from, to, 2);
	assert_int_equal(to[1], 5);
	assert_int_equal(to[3], 6);
	free(m.moves);
}

static void what_cannot_be_copied_is_refused(void **state)
{
	static const struct {
		const char *what;
		struct layout_field was;
		uint32_t old_bytes;
	} rows[] = {
		{ "a member of another size", { 1, 0, 8 }, 8 },
		{ "one that is not there", { 2, 0, 4 }, 8 },
		{ "one behind the value's end", { 1, 8, 4 }, 8 },
		{ "one over the value's end", { 1, 6, 4 }, 8 },
		{ "one whose end wraps around", { 1, UINT32_MAX - 1, 4 }, 8 },
	};
	const struct layout_field is[] = { { 1, 0, 4 } };
	const struct layout_map new = of(1, is);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct layout_map old = of(1, &rows[i].was);

		if (layout_moves_new(&old, rows[i].old_bytes, &new, 4))
			fail_msg("%s", rows[i].what);
	}
}

static void a_list_of_too_many_members_is_refused(void **state)
{
	const struct layout_field is[] = { { 1, 0, 4 } };
	const struct layout_map new = of(1, is);
	struct layout_map old = of(1, is);

	(void)state;
	old.n_fields = LAYOUT_FIELDS_MAX + 1;
	assert_null(layout_moves_new(&old, 8, &new, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_find_their_new_places),
		cmocka_unit_test(each_cpu_has_its_own),
		cmocka_unit_test(what_cannot_be_copied_is_refused),
		cmocka_unit_test(a_list_of_too_many_members_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
