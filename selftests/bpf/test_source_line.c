/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of the lists' tables: those that say which IPv6 prefixes a source is looked up in, all that cover
 * it and hardly another; and the answers of whole /16s of IPv4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/source_v6_line.h"
#include "source_world.h"

static struct source_v6_line *lines_new(void)
{
	struct source_v6_line *lines = calloc(SOURCE_V6_LINES, sizeof(*lines));

	assert_non_null(lines);
	return lines;
}

static uint64_t draw64(struct source_world *w)
{
	return (uint64_t)source_world_draw(w, ~0U) << 32 | source_world_draw(w, ~0U);
}

static struct source_net draw_net(struct source_world *w, uint32_t len)
{
	return (struct source_net) { .addr = draw64(w) & ~0ULL << (64 - len), .len = (uint8_t)len };
}

static void whoever_a_prefix_covers_is_looked_up_in_it(void **state)
{
	struct source_world *w = source_world_open(16);
	struct source_v6_line *lines = lines_new();
	uint32_t len, i;

	(void)state;
	for (len = 1; len <= 64; len++) {
		struct source_net net = draw_net(w, len);

		source_v6_line_add(lines, &net);
		for (i = 0; i < 1000; i++) {
			/* its first, its last, others */
			uint64_t inside = i && len < 64 ? ~0ULL >> len : 0;

			inside &= i > 1 ? draw64(w) : ~0ULL;
			assert_true(source_world_asks(lines, net.addr | inside, len));
		}
	}
	free(lines);
	source_world_close(w);
}

/* As many prefixes a line as a million have in all of them: a miss asks for less than one in fifty. */
static void hardly_anybody_else_is(void **state)
{
	static const uint32_t length[] = { 64, 48, 56, 40, 32, 29, 24 };
	struct source_world *w = source_world_open(16);
	struct source_v6_line *lines = lines_new();
	uint32_t asked = 0, i, k;

	(void)state;
	for (i = 0; i < 1000000; i++) {
		struct source_net net = draw_net(w, length[i % 5]);

		source_v6_line_add(lines, &net);
	}
	for (i = 0; i < 20000; i++) {
		struct source_net net = draw_net(w, length[5 + i % 2]);

		source_v6_line_add(lines, &net);
	}
	for (i = 0; i < 10000; i++) {
		uint64_t addr = draw64(w);

		for (k = 0; k < 7; k++)
			asked += source_world_asks(lines, addr, length[k]);
	}
	assert_in_range(asked, 1, 7 * 10000 / 50);
	free(lines);
	source_world_close(w);
}

static void lines_set_anew_have_what_is_left_and_nothing_else(void **state)
{
	struct source_world *w = source_world_open(16);
	struct source_v6_line *lines = lines_new(), *want = lines_new();
	struct source_nets left = { 0 };
	uint32_t i;

	(void)state;
	lines[SOURCE_V6_REST].lengths = want[SOURCE_V6_REST].lengths = SOURCE_DENY;
	for (i = 0; i < 10000; i++) {
		struct source_net net = draw_net(w, 12 + i % 53);

		source_v6_line_add(lines, &net);
		if (i % 3)
			continue;
		source_v6_line_add(want, &net);
		assert_int_equal(source_nets_push(&left, &net), 0);
	}
	assert_memory_not_equal(lines, want, SOURCE_V6_LINES * sizeof(*lines));
	assert_int_equal(source_v6_line_set(lines, &left), 0);
	assert_memory_equal(lines, want, SOURCE_V6_LINES * sizeof(*lines));
	source_nets_clear(&left);
	free(lines);
	free(want);
	source_world_close(w);
}

/* Single prefixes come and go for months: what they leave in the lines is bounded. */
static void what_single_prefixes_leave_is_cleared(void **state)
{
	struct source_world *w = source_world_open(16);
	struct source_case none = { .n_deny = 0 };
	uint32_t most = 0, now = 0, i;

	(void)state;
	source_world_apply(w, &none);
	for (i = 0; i < 5000 && now >= most; i++) {
		struct prefix p = { 64, { .w = { source_world_draw(w, ~0U), i } } };

		most = now;
		assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &p), 0);
		assert_int_equal(source_table_del(w->t, SOURCE_LIST_DENY, &p), 0);
		if (i < 10 || i > 4000)
			now = source_world_v6_lines(w);
	}
	assert_true(most > 3000);
	assert_int_equal(now, 0);
	source_world_close(w);
}

static uint32_t count_wide(const struct source_world *w, uint8_t answer)
{
	uint32_t n = 0, i;

	for (i = 0; i < 1 << 16; i++)
		n += w->v4[SOURCE_WIDE + i] == answer;
	return n;
}

static void a_slash16_of_one_answer_is_asked_no_further(void **state)
{
	struct source_case l = { .group = { { source_world_prefix_of("0.0.0.0/0"), 7 } },
				 .n_groups = 1,
				 .deny = { source_world_prefix_of("10.1.2.0/24"),
					   source_world_prefix_of("10.2.3.4/32"),
					   source_world_prefix_of("10.8.0.0/14") },
				 .n_deny = 3 };
	struct prefix rest = source_world_prefix_of("10.1.0.0/16");
	struct source_world *w = source_world_open(64);

	(void)state;
	source_world_apply(w, &l);
	assert_int_equal(count_wide(w, SOURCE_SPLIT), 2);
	assert_int_equal(count_wide(w, SOURCE_DENY), 4);
	assert_int_equal(count_wide(w, 7), 65536 - 6);
	assert_int_equal(source_table_add(w->t, SOURCE_LIST_DENY, &rest), 0);
	assert_int_equal(count_wide(w, SOURCE_SPLIT), 1);
	assert_int_equal(count_wide(w, SOURCE_DENY), 5);
	source_world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_a_prefix_covers_is_looked_up_in_it),
		cmocka_unit_test(hardly_anybody_else_is),
		cmocka_unit_test(lines_set_anew_have_what_is_left_and_nothing_else),
		cmocka_unit_test(what_single_prefixes_leave_is_cleared),
		cmocka_unit_test(a_slash16_of_one_answer_is_asked_no_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
