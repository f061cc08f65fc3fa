/* SPDX-License-Identifier: BSD-2-Clause */
/* What routers said of the way to a backend becomes its MTU, for a while; so does its route's. */
#include <string.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "dataplane/path_mtu_map.h"
#include "dataplane/pinned_map.h"
#include "sluice/abi/path_mtu.h"
#include "vip_lab.h"

#define OUTER 20

static int map(struct vip_lab *w)
{
	return pinned_map_fd(w->dp, "path_mtu");
}

static struct path_mtu said(struct vip_lab *w, size_t i)
{
	struct path_mtu ret;

	assert_int_equal(bpf_map_lookup_elem(map(w), &w->backend[i].address, &ret), 0);
	return ret;
}

static bool has_entries(void *ctx)
{
	struct vip_lab *w = ctx;
	uint32_t n = 0;

	return vip_lab_all_in_ring(w) && pinned_map_count(map(w), 0, &n) == 0 && n == VIP_LAB_HOSTS;
}

static void open_paths(struct vip_lab *w)
{
	w->vip.mode = BACKEND_IPIP;
	vip_lab_apply(w);
	lab_until(w->lab, has_entries, w);
}

static void say(struct vip_lab *w, uint32_t mtu, uint64_t ago_s)
{
	struct path_mtu s = said(w, 0);

	s.mtu = mtu;
	s.heard_ns = clock_now_ns() - ago_s * NS_PER_S;
	assert_int_equal(bpf_map_update_elem(map(w), &w->backend[0].address, &s, BPF_EXIST), 0);
}

static bool is_lowered(void *ctx)
{
	return vip_lab_state(ctx, 0).mtu == 1400 - OUTER;
}

static bool is_least(void *ctx)
{
	return vip_lab_state(ctx, 0).mtu == 576;
}

static bool is_whole(void *ctx)
{
	return vip_lab_state(ctx, 0).mtu == 1500 - OUTER;
}

static void what_is_said_holds_for_a_while(void **state)
{
	struct vip_lab *w = *state;

	open_paths(w);
	assert_int_equal(said(w, 0).mtu, PATH_MTU_UNHEARD);
	assert_int_equal(said(w, 0).floor, 576 + OUTER);
	say(w, 1400, 0);
	lab_until(w->lab, is_lowered, w);
	assert_int_equal(vip_lab_state(w, 1).mtu, 1500 - OUTER);
	/* A change of something else leaves it. */
	w->backend[1].weight = 2;
	vip_lab_apply(w);
	assert_true(is_lowered(w));
	say(w, 1400, PATH_MTU_LIFE_S + 1);
	lab_until(w->lab, is_whole, w);
	assert_int_equal(said(w, 0).mtu, PATH_MTU_UNHEARD);
	say(w, 100, 0);
	lab_until(w->lab, is_least, w);
}

static void what_nobody_encapsulates_for_is_not_listened_for(void **state)
{
	struct vip_lab *w = *state;
	uint32_t n = 0;

	open_paths(w);
	w->vip.mode = BACKEND_L2;
	vip_lab_apply(w);
	assert_int_equal(pinned_map_count(map(w), 0, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(vip_lab_state(w, 0).mtu, 1500);
}

static void the_mtu_of_a_route_is_the_backends(void **state)
{
	struct vip_lab *w = *state;

	open_paths(w);
	lab_run("ip route replace 10.0.1.11 dev edge1 mtu 1400");
	lab_until(w->lab, is_lowered, w);
	lab_run("ip route del 10.0.1.11 dev edge1");
	lab_until(w->lab, is_whole, w);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, vip_lab_open, vip_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(what_is_said_holds_for_a_while),
		TEST(what_nobody_encapsulates_for_is_not_listened_for),
		TEST(the_mtu_of_a_route_is_the_backends),
	};

	return cmocka_run_group_tests_name("dataplane_path_mtu", tests, NULL, NULL);
}
