/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a backend's packets go: its neighbour, found, lost, changed, or given by hand. */
#include <string.h>

#include "vip_lab.h"

static void a_lost_next_hop_leaves_the_ring_and_comes_back(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	lab_run("ip link set edge2 down");
	/* A short failure is none. */
	assert_int_equal(loop_turn(w->lab->loop, 100), 0);
	assert_true(vip_lab_state(w, 1).ready);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_string_equal(vip_lab_state(w, 1).state,
			    "no route to 10.0.2.11; add one (`ip route add`)");
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 0), VIP_LAB_FLOWS);
	lab_run("ip link set edge2 up");
	lab_until(w->lab, vip_lab_all_in_ring, w);
	vip_lab_exchange(w);
}

static void a_stale_neighbour_stays_and_a_new_address_is_followed(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	lab_run("ip neigh change 10.0.2.11 dev edge2 nud stale");
	assert_int_equal(loop_turn(w->lab->loop, 50), 0);
	assert_true(vip_lab_state(w, 1).ready);
	lab_enter(w->netns[1]);
	lab_run("ip link set eth0 address 02:00:00:00:99:99");
	lab_enter(w->lab->netns);
	lab_run("ip neigh replace 10.0.2.11 lladdr 02:00:00:00:99:99 dev edge2 nud reachable");
	assert_int_equal(loop_turn(w->lab->loop, 50), 0);
	assert_int_equal(loop_turn(w->lab->loop, 50), 0);
	a = vip_lab_exchange(w);
	assert_true(vip_lab_share(&a, 1) > 0);
}

static void what_cannot_be_a_next_hop_says_why(void **state)
{
	struct vip_lab *w = *state;
	static const struct {
		const char *address;
		const char *why;
	} cases[] = {
		{ "203.0.113.9", "no route to 203.0.113.9; add one" },
		{ "10.0.1.1", "10.0.1.1 is an address of this host; give the backend's" },
		{ "172.16.0.9", "172.16.0.9 is behind a gateway; take mode ipip or gue" },
	};
	size_t i;

	lab_run("ip route add 172.16.0.0/12 via 10.0.1.11");
	w->vip.n_backends = 1;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int turns;

		w->backend[0].address = lab_addr(cases[i].address);
		vip_lab_apply(w);
		for (turns = 0; turns < 100; turns++) {
			if (strstr(vip_lab_state(w, 0).state, cases[i].why))
				break;
			loop_turn(w->lab->loop, 20);
		}
		if (!strstr(vip_lab_state(w, 0).state, cases[i].why))
			fail_msg("%s: %s", cases[i].address, vip_lab_state(w, 0).state);
		assert_int_equal(vip_lab_state(w, 0).slots, 0);
	}
}

static void a_fixed_hardware_address_asks_nobody(void **state)
{
	struct vip_lab *w = *state;
	static char device[] = "edge1";

	w->vip.n_backends = 1;
	w->backend[0].address = lab_addr("203.0.113.200"); /* nobody answers for it */
	w->backend[0].has_mac = true;
	w->backend[0].device = device;
	lab_enter(w->netns[0]);
	lab_run("ip link set eth0 address 02:00:00:00:11:11");
	lab_enter(w->lab->netns);
	memcpy(w->backend[0].mac, "\x02\0\0\0\x11\x11", 6);
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	vip_lab_exchange(w);
}

static void ipv6_backends_are_resolved_too(void **state)
{
	struct vip_lab *w = *state;

	lab_run("ip addr add 2001:db8:1::1/64 dev edge1 nodad");
	lab_enter(w->netns[0]);
	lab_run("ip addr add 2001:db8:1::11/64 dev eth0 nodad");
	lab_enter(w->lab->netns);
	w->vip.n_backends = 1;
	w->vip.address = lab_addr("2001:db8:ffff::80");
	w->backend[0].address = lab_addr("2001:db8:1::11");
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, vip_lab_open, vip_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(a_lost_next_hop_leaves_the_ring_and_comes_back),
		TEST(a_stale_neighbour_stays_and_a_new_address_is_followed),
		TEST(what_cannot_be_a_next_hop_says_why),
		TEST(a_fixed_hardware_address_asks_nobody),
		TEST(ipv6_backends_are_resolved_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
