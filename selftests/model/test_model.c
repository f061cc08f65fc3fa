/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: timeout=300
 * The programs do what the reference model says, and the comparison finds bugs that are planted in
 * them. `make fuzz-dataplane` is the long run; docs/CONTRIBUTING.md says how to read it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fuzz.h"
#include "race.h"

#define BOTH (1 << PLANE_XDP | 1 << PLANE_TC)

static void run(struct fuzz_options *o, struct fuzz_result *r)
{
	o->every = o->every ? o->every : 64;
	fuzz_run(o, r);
}

/* LIMIT_CONTENDED takes two CPUs, INTERNAL maps that are too small; of ports four are easily used up. */
static void expect_all_reached(const struct fuzz_result *r)
{
	uint32_t i;

	for (i = 1; i < DROP_REASON_COUNT; i++) {
		if (i != DROP_LIMIT_CONTENDED && i != DROP_INTERNAL && i != DROP_LIMIT_CONCURRENT &&
		    i != DROP_NAT_EXHAUSTED && r->dropped[i] < 10)
			fail_msg("drop reason %u was met %llu times", i,
				 (unsigned long long)r->dropped[i]);
	}
	for (i = STATS_PASS; i < STATS_ACTIONS; i++)
		assert_true(r->action[i] > 100);
	assert_true(r->marked > 100);
	assert_true(r->echoed > 20 && r->too_big > 5);
	assert_true(r->nat.opened > 200 && r->nat.ended > 200 && r->nat.answer_packets > 200);
	assert_true(r->nat_errors > 100);
	assert_true(r->nat_moved > 5 && r->nat_lost > 5);
	assert_true(r->captured > 100 && r->sampled > 10000);
	assert_true(r->admitted > 1000 && r->would_drop > 1000);
	for (i = 1; i < GUARD_COUNT_COUNT; i++)
		assert_true(r->guarded[i] > 20);
	for (i = 0; i < 3; i++)
		assert_true(r->quic[i] > 20);
	assert_true(r->quic_encrypted > 20 || !plane_encrypts());
}

#define PLANTED_SEEDS 15

/* Fewer on kernels that may be emulated; more when all is run at full size. */
static uint64_t new_packets(void)
{
	if (getenv("SLUICE_SLOWER"))
		return 20000;
	return getenv("SLUICE_LONG") ? 3000000 : 100000;
}

static uint64_t same_packets(void)
{
	return getenv("SLUICE_SLOWER") ? 20000 : 100000;
}

/* Always the same packets, and some that nobody has tried yet. */
static void the_programs_do_what_the_model_says(void **state)
{
	struct fuzz_options o = {
		.seed = 2, .packets = same_packets(), .hooks = BOTH, .threads = 2
	};
	static struct fuzz_result r;
	int turn;

	(void)state;
	for (turn = 0; turn < 2; turn++) {
		run(&o, &r);
		if (r.failed)
			fail_msg(
				"%s: %s, packet %s; fuzz_dataplane --hook %s --seed %#llx --packets %llu",
				plane_hook_name[r.hook], r.said, r.hex, plane_hook_name[r.hook],
				(unsigned long long)r.seed, (unsigned long long)r.nth);
		assert_int_equal(r.packets[PLANE_XDP], o.packets);
		assert_int_equal(r.packets[PLANE_TC], o.packets);
		/* A few thousand need not meet all there is, nor need those that nobody knows. */
		if (turn == 0 && o.packets >= 100000)
			expect_all_reached(&r);
		o.seed = (uint64_t)time(NULL);
		o.packets = new_packets();
	}
}

/* Is it found? If repeats: then its seed shows it again at the same packet, and one packet earlier there is nothing to see. */
static bool is_found(uint32_t planted, uint64_t seed, bool repeats)
{
	struct fuzz_options o = { .seed = seed,
				  .packets = 100000,
				  .hooks = 1 << PLANE_XDP,
				  .planted = planted,
				  .threads = 1 };
	static struct fuzz_result first, again;

	run(&o, &first);
	if (!first.failed || !repeats)
		return first.failed;
	o.seed = first.seed;
	o.packets = first.nth;
	run(&o, &again);
	assert_true(again.failed);
	assert_int_equal(again.nth, first.nth);
	assert_string_equal(again.hex, first.hex);
	assert_string_equal(again.said, first.said);
	o.packets = first.nth - 1;
	run(&o, &again);
	assert_false(again.failed);
	return true;
}

static void a_planted_bug_is_found(uint32_t planted, bool repeats)
{
	uint64_t seed;

	repeats = repeats || getenv("SLUICE_LONG");
	for (seed = 1; seed <= PLANTED_SEEDS; seed++) {
		if (is_found(planted, seed, repeats))
			return;
	}
	fail_msg("none of %d seeds showed it", PLANTED_SEEDS);
}

/* Loading the programs is most of what it takes: of those that others stand for, once if time is short. */
#define PLANTED_ONCE(n, name) PLANTED_TIMES(n, name, false)
#define PLANTED(n, name)      PLANTED_TIMES(n, name, true)
#define PLANTED_TIMES(n, name, repeats)             \
	static void name(void **state)              \
	{                                           \
		(void)state;                        \
		a_planted_bug_is_found(n, repeats); \
	}

PLANTED(1, a_later_fragment_that_walks_past_the_deny_list_is_found)
PLANTED_ONCE(2, bytes_without_vlan_tags_are_found)
PLANTED_ONCE(3, a_limit_per_ipv6_address_is_found)
PLANTED(4, a_refill_that_loses_nanoseconds_is_found)
PLANTED_ONCE(5, fragments_that_meet_two_backends_are_found)
PLANTED_ONCE(6, an_mtu_that_counts_the_link_header_is_found)
PLANTED_ONCE(7, an_acknowledgement_that_proves_its_source_is_found)
PLANTED_ONCE(20, fragments_that_are_no_answers_are_found)
PLANTED_ONCE(21, marks_for_who_does_not_understand_are_found)
PLANTED_ONCE(10, an_echo_whose_checksum_does_not_carry_is_found)
PLANTED_ONCE(11, an_answer_to_a_fragment_is_found)
PLANTED(12, a_checksum_that_is_none_and_is_translated_is_found)
PLANTED_ONCE(13, a_key_that_is_every_configurations_is_found)
PLANTED_ONCE(14, young_flows_that_a_smaller_table_has_no_more_are_found)
PLANTED_ONCE(15, an_explanation_that_takes_a_number_is_found)
PLANTED_ONCE(8, a_drop_remembered_across_a_change_is_found)
PLANTED(9, a_drop_remembered_past_its_end_is_found)

#define RACE_PACKETS  20000 /* of each CPU */
#define RACE_ATTEMPTS 50

static void two_cpus_at_once_leave_nothing_odd(void **state)
{
	const struct race_options o = { .seed = (uint64_t)time(NULL), .packets = RACE_PACKETS };
	struct race_result r = { 0 };

	(void)state;
	race_run(&o, &r);
	if (r.failed)
		fail_msg("%s", r.said);
	assert_true(r.opened > 100 && r.refused > 10);
}

/* By chance, so as often as it takes: a few thousand packets are enough on an idle machine. */
static void what_two_cpus_count_once_is_found(void **state)
{
	struct race_options o = { .packets = RACE_PACKETS, .planted = 16 };
	struct race_result r = { 0 };

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	for (o.seed = 1; o.seed <= RACE_ATTEMPTS && !r.failed; o.seed++)
		race_run(&o, &r);
	assert_true(r.failed);
}

int main(void)
{
	const struct CMUnitTest everywhere[] = {
		cmocka_unit_test(the_programs_do_what_the_model_says),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_programs_do_what_the_model_says),
		cmocka_unit_test(a_later_fragment_that_walks_past_the_deny_list_is_found),
		cmocka_unit_test(bytes_without_vlan_tags_are_found),
		cmocka_unit_test(a_limit_per_ipv6_address_is_found),
		cmocka_unit_test(a_refill_that_loses_nanoseconds_is_found),
		cmocka_unit_test(fragments_that_meet_two_backends_are_found),
		cmocka_unit_test(an_mtu_that_counts_the_link_header_is_found),
		cmocka_unit_test(an_acknowledgement_that_proves_its_source_is_found),
		cmocka_unit_test(an_echo_whose_checksum_does_not_carry_is_found),
		cmocka_unit_test(an_answer_to_a_fragment_is_found),
		cmocka_unit_test(a_checksum_that_is_none_and_is_translated_is_found),
		cmocka_unit_test(a_key_that_is_every_configurations_is_found),
		cmocka_unit_test(young_flows_that_a_smaller_table_has_no_more_are_found),
		cmocka_unit_test(an_explanation_that_takes_a_number_is_found),
		cmocka_unit_test(fragments_that_are_no_answers_are_found),
		cmocka_unit_test(marks_for_who_does_not_understand_are_found),
		cmocka_unit_test(a_drop_remembered_across_a_change_is_found),
		cmocka_unit_test(a_drop_remembered_past_its_end_is_found),
		cmocka_unit_test(two_cpus_at_once_leave_nothing_odd),
		cmocka_unit_test(what_two_cpus_count_once_is_found),
	};

	/* That planted bugs are found says nothing of a kernel, and takes minutes in an emulator. */
	if (getenv("SLUICE_SLOWER"))
		return cmocka_run_group_tests_name("model", everywhere, NULL, NULL);
	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
