/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is told to the supervisor as real, and what it believes of a worker that tells what it likes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/peers.h"
#include "agent/proofs.h"
#include "base/addr.h"
#include "base/clock.h"
#include "event/loop.h"

#define NOW_NS (1000 * NS_PER_S)

static struct world {
	struct counters counters;
	struct proofs proofs;
	size_t n_classes; /* of each source */
	struct addr proven[4 * PROOFS_SOURCES_PER_S];
	size_t n_proven, records;
	int fails;
	/* of a worker */
	struct loop *loop;
	struct peers peers;
	size_t messages, told;
	int refuse;
} world;

static size_t classes(const struct addr *source, uint8_t ret[LIMIT_CLASSES], void *ctx)
{
	(void)source;
	(void)ctx;
	for (size_t i = 0; i < world.n_classes; i++)
		ret[i] = (uint8_t)(i + 1);
	return world.n_classes;
}

static bool known(const struct addr *source, void *ctx)
{
	(void)ctx;
	/* the newest is enough: sources come in order */
	return world.n_proven && addr_eq(&world.proven[world.n_proven - 1], source);
}

static int prove(const struct addr *source, const uint8_t *ids, size_t n, void *ctx)
{
	(void)ctx;
	if (world.fails)
		return world.fails;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ids[i], i + 1);
	world.proven[world.n_proven++] = *source;
	world.records += n + 1;
	return 0;
}

static int start(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.n_classes = 2;
	world.proofs.env = (struct proofs_env) { classes, known, prove, NULL, 2 };
	world.proofs.counters = &world.counters;
	return 0;
}

static uint64_t count(enum counter c)
{
	return counters_get(&world.counters, c);
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct addr numbered(uint32_t i)
{
	struct addr a = address("10.0.0.0");

	a.b[13] = (uint8_t)(i >> 16);
	a.b[14] = (uint8_t)(i >> 8);
	a.b[15] = (uint8_t)i;
	return a;
}

static void a_source_is_proven_once(void **state)
{
	const struct addr a = address("192.0.2.7");

	(void)state;
	proofs_take(&world.proofs, 0, &a, 1, NOW_NS);
	proofs_take(&world.proofs, 1, &a, 1, NOW_NS);
	assert_int_equal(world.n_proven, 1);
	assert_int_equal(count(COUNTER_PROOFS_MADE), 1);
	assert_int_equal(count(COUNTER_PROOFS_KNOWN), 1);
}

static void who_meets_no_limit_is_left_alone(void **state)
{
	const struct addr a = address("192.0.2.7");

	(void)state;
	world.n_classes = 0;
	proofs_take(&world.proofs, 0, &a, 1, NOW_NS);
	assert_int_equal(world.n_proven, 0);
	assert_int_equal(count(COUNTER_PROOFS_KNOWN), 0);
}

static void nobody_of_this_host_or_of_no_host_is_believed(void **state)
{
	static const char *const strangers[] = { "127.0.0.1", "127.8.8.8",	 "0.0.0.0",
						 "224.0.0.1", "255.255.255.255", "::",
						 "::1",	      "fe80::1",	 "ff02::1" };
	const size_t n = sizeof(strangers) / sizeof(strangers[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct addr a = address(strangers[i]);

		print_message("%s\n", strangers[i]);
		proofs_take(&world.proofs, 0, &a, 1, NOW_NS);
		assert_int_equal(count(COUNTER_PROOFS_SOURCE), i + 1);
	}
	assert_int_equal(world.n_proven, 0);
}

static void tell(uint32_t slot, uint32_t from, uint32_t n, uint64_t now_ns)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct addr a = numbered(from + i);

		proofs_take(&world.proofs, slot, &a, 1, now_ns);
	}
}

static void a_worker_has_its_share_of_records_and_no_more(void **state)
{
	const uint32_t share = PROOFS_RECORDS_PER_S / 2;

	(void)state;
	tell(0, 0, PROOFS_SOURCES_PER_S, NOW_NS);
	assert_true(world.records <= share && world.records > share - 3);
	assert_int_equal(count(COUNTER_PROOFS_BUDGET), PROOFS_SOURCES_PER_S - world.n_proven);
	/* The other one still has all of its own. */
	tell(1, 100000, 10, NOW_NS);
	assert_int_equal(world.n_proven, share / 3 + 10);
	/* And the next second is a new one, however late it comes. */
	tell(0, 200000, 10, NOW_NS + NS_PER_S);
	assert_int_equal(world.n_proven, share / 3 + 20);
}

static void many_limits_a_source_make_fewer_sources(void **state)
{
	(void)state;
	world.n_classes = 255;
	tell(0, 0, 1000, NOW_NS);
	assert_int_equal(world.n_proven, PROOFS_RECORDS_PER_S / 2 / 256);
}

static void looking_costs_too(void **state)
{
	const struct addr a = address("192.0.2.7");

	(void)state;
	for (uint32_t i = 0; i < 2 * PROOFS_SOURCES_PER_S; i++)
		proofs_take(&world.proofs, 0, &a, 1, NOW_NS);
	assert_int_equal(count(COUNTER_PROOFS_KNOWN), PROOFS_SOURCES_PER_S - 1);
	assert_int_equal(count(COUNTER_PROOFS_BUDGET), PROOFS_SOURCES_PER_S);
}

static void a_kernel_that_takes_none_is_counted(void **state)
{
	const struct addr a = address("192.0.2.7");

	(void)state;
	world.fails = -ENOMEM;
	proofs_take(&world.proofs, 0, &a, 1, NOW_NS);
	proofs_take(&world.proofs, MESSAGE_SLOTS_MAX, &a, 1, NOW_NS);
	assert_int_equal(count(COUNTER_PROOFS_FAILED), 1);
	assert_int_equal(count(COUNTER_PROOFS_MADE), 0);
}

static int send_peers(const struct addr *peers, size_t n, void *ctx)
{
	(void)ctx;
	assert_true(n && n <= PEERS_MAX && peers_is_peer(&peers[0]));
	world.messages++;
	if (!world.refuse)
		world.told += n;
	return world.refuse;
}

static void flush(void)
{
	size_t before = world.messages;

	for (int i = 0; i < 1000 && world.messages == before; i++)
		loop_turn(world.loop, 10);
	assert_int_equal(world.messages, before + 1);
}

static int start_worker(void **state)
{
	start(state);
	assert_int_equal(loop_new(&world.loop), 0);
	assert_int_equal(peers_init(&world.peers, world.loop, send_peers, NULL), 0);
	return 0;
}

static int stop_worker(void **state)
{
	(void)state;
	timer_stop(&world.peers.due);
	loop_free(world.loop);
	return 0;
}

static void a_peer_is_told_once_a_minute(void **state)
{
	const struct addr a = address("2001:db8::1"), same = address("2001:db8::2");
	const struct addr here = address("127.0.0.1");

	(void)state;
	peers_add(&world.peers, &here, 100);
	assert_false(timer_running(&world.peers.due));
	peers_add(&world.peers, &a, 100);
	peers_add(&world.peers, &same, 100); /* of the same /64 */
	flush();
	assert_int_equal(world.told, 1);
	peers_add(&world.peers, &a, 100 + PEERS_AGAIN_S - 1);
	assert_false(timer_running(&world.peers.due));
	peers_add(&world.peers, &a, 100 + PEERS_AGAIN_S);
	flush();
	assert_int_equal(world.told, 2);
}

static void who_found_no_room_is_told_with_the_next_connection(void **state)
{
	struct addr a;

	(void)state;
	for (uint32_t i = 0; i < PEERS_MAX + 50; i++) {
		a = numbered(i);
		peers_add(&world.peers, &a, 100);
	}
	flush();
	assert_int_equal(world.told, PEERS_MAX);
	peers_add(&world.peers, &a, 100);
	flush();
	assert_int_equal(world.told, PEERS_MAX + 1);
}

static void without_a_supervisor_nobody_counts_as_told(void **state)
{
	const struct addr a = address("192.0.2.7");

	(void)state;
	world.refuse = -ENOTCONN;
	peers_add(&world.peers, &a, 100);
	flush();
	world.refuse = 0;
	peers_add(&world.peers, &a, 101);
	flush();
	assert_int_equal(world.told, 1);
}

int main(void)
{
#define WORKER(fn) cmocka_unit_test_setup_teardown(fn, start_worker, stop_worker)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_source_is_proven_once, start),
		cmocka_unit_test_setup(who_meets_no_limit_is_left_alone, start),
		cmocka_unit_test_setup(nobody_of_this_host_or_of_no_host_is_believed, start),
		cmocka_unit_test_setup(a_worker_has_its_share_of_records_and_no_more, start),
		cmocka_unit_test_setup(many_limits_a_source_make_fewer_sources, start),
		cmocka_unit_test_setup(looking_costs_too, start),
		cmocka_unit_test_setup(a_kernel_that_takes_none_is_counted, start),
		WORKER(a_peer_is_told_once_a_minute),
		WORKER(who_found_no_room_is_told_with_the_next_connection),
		WORKER(without_a_supervisor_nobody_counts_as_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
