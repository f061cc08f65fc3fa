/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a backend's packets go: its neighbour, found, lost, changed, or given by hand. */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "vip_lab.h"

#define OLD_PORT 5454

/* Another vip, of mode nat, with the second backend; NULL: none, so that that one leaves. */
static void apply_nat(struct vip_lab *w, struct conf_backend *b)
{
	struct conf_vip vips[] = { w->vip, w->vip };

	vips[1].name = "old";
	vips[1].port = OLD_PORT;
	vips[1].mode = BACKEND_NAT;
	vips[1].drain_ms = 600000;
	vips[1].backends = b;
	vips[1].n_backends = b != NULL;
	w->conf.nat = (struct conf_nat) { .udp_opening_ms = 600000 };
	w->conf.vips = vips;
	w->conf.n_vips = 2;
	vip_lab_apply(w);
	w->conf.vips = &w->vip;
	w->conf.n_vips = 1;
}

/* A flow of that vip, after the first time there is one. */
static bool goes(struct vip_lab *w, uint16_t sport)
{
	struct lab_frame f = lab_ipv4("198.51.100.7", VIP_LAB_VIP, 17, sport, OLD_PORT);

	return lab_test_run(w->lab, f.bytes, f.n) != XDP_DROP;
}

static bool both_go(void *ctx)
{
	return goes(ctx, 7000) && goes(ctx, 7001);
}

static const char *why_leaving(struct vip_lab *w)
{
	struct vip_leaving_state l;

	assert_int_equal(vip_map_leaving(w->dp, "old", &l, 1), 1);
	return l.why;
}

static void close_and_open(struct vip_lab *w)
{
	dataplane_close(w->dp);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
}

static void a_lost_next_hop_leaves_the_ring_and_comes_back(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a;

	apply_nat(w, &w->backend[1]);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	lab_until(w->lab, both_go, w);
	apply_nat(w, NULL);
	lab_run("ip link set edge2 down");
	/* A short failure is none. */
	assert_int_equal(loop_turn(w->lab->loop, 100), 0);
	assert_true(vip_lab_state(w, 1).ready);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_string_equal(vip_lab_state(w, 1).state,
			    "no route to 10.0.2.11; add one (`ip route add`)");
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 0), VIP_LAB_FLOWS);
	/* So it is for one that was removed, and has flows: of those that are silent it has them yet. */
	assert_string_equal(why_leaving(w), vip_lab_state(w, 1).state);
	assert_false(goes(w, 7000));
	/* A new agent knows it by its record alone. */
	close_and_open(w);
	apply_nat(w, NULL);
	why_leaving(w); /* it leaves on */
	lab_run("ip link set edge2 up");
	lab_until(w->lab, vip_lab_all_in_ring, w);
	vip_lab_exchange(w);
	assert_string_equal(why_leaving(w), "");
	assert_false(goes(w, 7000));
	assert_true(goes(w, 7001));
}

/* Nobody is asked by what is known of the neighbour: the second host has another address. */
static void set_mac(struct vip_lab *w, const char *mac, const char *known)
{
	lab_enter(w->netns[1]);
	lab_run("ip link set eth0 address %s", mac);
	lab_enter(w->lab->netns);
	lab_run("ip neigh replace 10.0.2.11 lladdr %s dev edge2 nud permanent", known);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_turn(w->lab->loop, 20), 0);
}

static void reopen(struct vip_lab *w)
{
	close_and_open(w);
	vip_lab_apply(w);
}

/* Flows of mode nat, where they were, whoever is not in the ring any more. */
static void assert_same(struct vip_lab *w, const struct vip_arrivals *want)
{
	struct vip_arrivals is = vip_lab_exchange(w);

	assert_memory_equal(is.host, want->host, sizeof(is.host));
}

static void who_leaves_is_followed_to_another_hardware_address(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a;

	w->vip.mode = BACKEND_NAT;
	w->vip.drain_ms = 600000;
	w->conf.nat = (struct conf_nat) { .udp_opening_ms = 600000 };
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	a = vip_lab_exchange(w);
	assert_true(vip_lab_share(&a, 1) > 0);
	w->vip.n_backends = 1;
	vip_lab_apply(w);
	set_mac(w, "02:00:00:00:99:99", "02:00:00:00:99:99");
	assert_same(w, &a);
	/* A new agent knows it by its record alone. */
	reopen(w);
	set_mac(w, "02:00:00:00:99:98", "02:00:00:00:99:98");
	assert_same(w, &a);
	/* One that had its address by hand is where that says. */
	w->backend[1].has_mac = true;
	memcpy(w->backend[1].mac, "\x02\0\0\0\x99\x97", 6);
	w->vip.n_backends = 2;
	vip_lab_apply(w);
	set_mac(w, "02:00:00:00:99:97", "02:00:00:00:99:96");
	w->vip.n_backends = 1;
	vip_lab_apply(w);
	reopen(w);
	set_mac(w, "02:00:00:00:99:97", "02:00:00:00:99:95");
	assert_same(w, &a);
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
		TEST(who_leaves_is_followed_to_another_hardware_address),
		TEST(what_cannot_be_a_next_hop_says_why),
		TEST(a_fixed_hardware_address_asks_nobody),
		TEST(ipv6_backends_are_resolved_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
