/* SPDX-License-Identifier: BSD-2-Clause */
/* Watched addresses: found by address and by neighbour, and looked at once each, in order. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "dataplane/neigh_table.h"

#define MAX 10000

static struct addr host(uint32_t n)
{
	struct addr a = { 0 };

	a.w[2] = htonl(0xffff);
	a.w[3] = htonl(0x0a000000 + n);
	return a;
}

static void add(struct neigh_table *t, uint32_t n)
{
	struct addr a = host(n);
	struct hop_watch *w;

	assert_int_equal(neigh_table_add(t, &a, &w), 0);
	assert_true(addr_eq(&w->addr, &a));
}

static struct hop_watch *find(const struct neigh_table *t, uint32_t n)
{
	struct addr a = host(n);

	return neigh_table_find(t, &a);
}

static void there_are_no_more_than_the_most_and_places_are_used_again(void **state)
{
	struct neigh_table t;
	struct hop_watch *w;
	struct addr a;
	uint32_t i;

	(void)state;
	assert_int_equal(neigh_table_open(&t, MAX), 0);
	for (i = 0; i < MAX; i++)
		add(&t, i);
	a = host(MAX);
	assert_int_equal(neigh_table_add(&t, &a, &w), -ENOSPC);
	for (i = 0; i < MAX; i += 2)
		neigh_table_remove(&t, find(&t, i));
	for (i = 0; i < MAX; i++)
		assert_int_equal(find(&t, i) != NULL, i % 2);
	for (i = 0; i < MAX; i += 2)
		add(&t, MAX + i);
	assert_int_equal(t.used, MAX);
	assert_int_equal(neigh_table_add(&t, &a, &w), -ENOSPC);
	for (i = 0; i < MAX; i++) {
		a = host(i % 2 ? i : MAX + i);
		assert_true(addr_eq(&neigh_table_find(&t, &a)->addr, &a));
	}
	neigh_table_clear(&t);
}

static void a_neighbours_change_is_for_those_behind_it(void **state)
{
	const struct addr gateway = host(500000);
	struct neigh_table t;
	struct hop_watch *w;
	uint32_t i, n = 0;

	(void)state;
	assert_int_equal(neigh_table_open(&t, MAX), 0);
	for (i = 0; i < 1000; i++) {
		add(&t, i);
		neigh_table_set_next(&t, find(&t, i), i % 2 ? 7 : 8,
				     i % 4 ? &gateway : &find(&t, i)->addr);
	}
	assert_false(neigh_table_queue_next(&t, 9, &gateway));
	assert_null(neigh_table_pop(&t));
	assert_true(neigh_table_queue_next(&t, 8, &gateway));
	for (; (w = neigh_table_pop(&t)); n++)
		assert_int_equal(ntohl(w->addr.w[3]) % 4, 2);
	assert_int_equal(n, 250);
	assert_true(neigh_table_queue_next(&t, 8, &find(&t, 4)->addr));
	assert_ptr_equal(neigh_table_pop(&t), find(&t, 4));
	assert_null(neigh_table_pop(&t));
	neigh_table_clear(&t);
}

static void the_queue_has_each_once_and_nobody_who_is_gone(void **state)
{
	struct neigh_table t;
	uint32_t i, turn;

	(void)state;
	assert_int_equal(neigh_table_open(&t, MAX), 0);
	for (i = 0; i < 100; i++)
		add(&t, i);
	for (turn = 0; turn < 2; turn++)
		for (i = 0; i < 100; i++)
			neigh_table_queue(&t, find(&t, i));
	neigh_table_remove(&t, find(&t, 0));
	neigh_table_remove(&t, find(&t, 50));
	neigh_table_remove(&t, find(&t, 99));
	add(&t, 1000); /* not in a place that is queued for who had it */
	for (i = 1; i < 99; i++)
		if (i != 50)
			assert_ptr_equal(neigh_table_pop(&t), find(&t, i));
	assert_null(neigh_table_pop(&t));
	add(&t, 1001);
	add(&t, 1002);
	add(&t, 1003);
	assert_int_equal(t.used, 101);
	assert_int_equal(t.n, 101);
	neigh_table_queue(&t, find(&t, 1003));
	assert_ptr_equal(neigh_table_pop(&t), find(&t, 1003));
	neigh_table_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_are_no_more_than_the_most_and_places_are_used_again),
		cmocka_unit_test(a_neighbours_change_is_for_those_behind_it),
		cmocka_unit_test(the_queue_has_each_once_and_nobody_who_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
