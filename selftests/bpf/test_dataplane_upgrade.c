/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * Pinned maps of another version: what is copied, what is made anew, and that packets notice nothing.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/layout.h"
#include "dataplane/limit_map.h"
#include "dataplane/meter_map.h"
#include "dataplane/pin.h"
#include "dataplane/pin_swap.h"
#include "dataplane/verdict_map.h"
#include "crash_lab.h"
#include "upgrade_lab.h"
#include "vip_lab.h"

#define METER_TAT 4711

/* Something in each kind of map, beside the vip. */
static void put_contents(struct vip_lab *w)
{
	struct prefix deny = lab_prefix("203.0.113.7/32"), source = lab_prefix("192.0.2.1");
	struct client_key key = { .source = lab_addr("192.0.2.1") };
	struct client client = { .proof = CLIENT_PROVEN_COOKIE };
	uint64_t *words;
	int slot;

	assert_int_equal(acl_map_add(w->dp, ACL_LIST_DENY, &deny, ACL_FROM_FILE), 0);
	assert_int_equal(
		verdict_map_set(w->dp, &source, VERDICT_DROP, VERDICT_REASON_OPERATOR, UINT64_MAX),
		0);
	assert_int_equal(bpf_map_update_elem(pinned_map_fd(w->dp, "clients"), &key, &client, 0), 0);
	slot = meter_map_slot(w->dp, "alice/requests");
	assert_true(slot > 0);
	words = pinned_map_mem(w->dp, "meters");
	words[slot] = METER_TAT;
}

static void check_contents(struct vip_lab *w)
{
	struct prefix source = lab_prefix("192.0.2.1");
	struct addr a = source.addr;
	struct client client;
	struct verdict v;
	const uint64_t *words = pinned_map_mem(w->dp, "meters");

	assert_int_equal(verdict_map_get(w->dp, &source, &v), 0);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(limit_map_client(w->dp, &a, 0, &client), 0);
	assert_int_equal(client.proof, CLIENT_PROVEN_COOKIE);
	assert_int_equal(words[meter_map_slot(w->dp, "alice/requests")], METER_TAT);
}

static struct vip_arrivals start(struct vip_lab *w)
{
	struct vip_arrivals a;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	a = vip_lab_exchange(w);
	put_contents(w);
	return a;
}

static uint64_t forwarded(struct vip_lab *w)
{
	struct stats_vip stats;

	assert_int_equal(vip_map_stats(w->dp, vip_map_id(w->dp, "web"), &stats), 0);
	return stats.forwarded.packets;
}

static enum map_fate fate(struct vip_lab *w, const char *map)
{
	const struct pinned_map *m = pinned_map_find(w->dp, map);

	assert_non_null(m);
	return m->fate;
}

/* Every struct has a member more than these programs know: an older agent after a newer one. */
static void members_that_moved_lose_nothing(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a = start(w), b;
	uint32_t link_id = lab_link_id(w->lab, "link_edge0_xdp"), prog_id = lab_xdp_on("edge0");
	struct errmsg line;

	dataplane_close(w->dp);
	assert_true(upgrade_lab_move_all(w->lab) > 40);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(fate(w, "vips"), MAP_CARRIED);
	assert_int_equal(fate(w, "vip_ring"), MAP_CARRIED);
	assert_int_equal(fate(w, "backends"), MAP_CARRIED);
	layout_describe(w->dp, &line);
	assert_non_null(strstr(line.text, "copied: "));
	assert_null(strstr(line.text, "anew"));
	/* The copies alone, before anything is applied. */
	b = vip_lab_exchange(w);
	assert_memory_equal(a.host, b.host, sizeof(a.host));
	assert_int_equal(lab_link_id(w->lab, "link_edge0_xdp"), link_id);
	assert_int_not_equal(lab_xdp_on("edge0"), prog_id);
	check_contents(w);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
	b = vip_lab_exchange(w);
	assert_memory_equal(a.host, b.host, sizeof(a.host));
	assert_int_equal(forwarded(w), 3 * VIP_LAB_FLOWS);
	upgrade_lab_check_tidy(w->lab);
}

static int fill_vips(struct dataplane *dp, void *ctx, struct errmsg *err)
{
	struct vip_lab *w = ctx;

	return vip_map_apply(dp, w->lab->loop, &w->conf, err);
}

static int open_filled(struct vip_lab *w,
		       int (*maps)(struct dataplane *dp, void *ctx, struct errmsg *err),
		       struct errmsg *err)
{
	const struct dataplane_fill fill = { maps, w };

	return dataplane_open_filled(w->lab->dir_fd, &w->conf_dp, &fill, &w->dp, err);
}

static int fill_nothing(struct dataplane *dp, void *ctx, struct errmsg *err)
{
	(void)dp;
	(void)ctx;
	return errmsg_set(err, -ENOSPC, "no room, as the test wants it");
}

/* The pinned maps and links are those of before: packets meet the old rings, an old agent finds all. */
static void check_failing_fill(struct vip_lab *w, const struct vip_arrivals *a)
{
	uint32_t prog_id = lab_xdp_on("edge0");
	size_t pins = lab_pins(w->lab);
	struct errmsg err = { "" };
	struct vip_arrivals b;

	assert_int_equal(open_filled(w, fill_nothing, &err), -ENOSPC);
	assert_string_equal(err.text, "no room, as the test wants it");
	assert_int_equal(lab_xdp_on("edge0"), prog_id);
	assert_int_equal(lab_pins(w->lab), pins);
	b = vip_lab_exchange(w);
	assert_memory_equal(a->host, b.host, sizeof(b.host));
	upgrade_lab_check_tidy(w->lab);
}

/* Ids and keys that the old maps had mean nothing now: vips begin anew, what is not theirs goes on. */
static void what_means_something_else_is_filled_before_packets_meet_it(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a = start(w);
	struct errmsg err = { "" };

	/* Nobody has checked them when they are new, and none is out for it. */
	w->vip.health.type = CONF_HEALTH_TCP;
	dataplane_close(w->dp);
	w->dp = NULL;
	upgrade_lab_change_meaning(w->lab, "vips");
	upgrade_lab_change_meaning(w->lab, "stats_drop");
	upgrade_lab_add_map(w->lab, "of_tomorrow");
	check_failing_fill(w, &a);
	assert_int_equal(open_filled(w, fill_vips, &err), 0);
	/* The loop has not turned. */
	a = vip_lab_exchange(w);
	assert_true(vip_lab_share(&a, 0) > VIP_LAB_FLOWS / 8 &&
		    vip_lab_share(&a, 1) > VIP_LAB_FLOWS / 8);
	assert_int_equal(fate(w, "vip_ring"), MAP_FORGOTTEN);
	assert_int_equal(fate(w, "stats_backend"), MAP_FORGOTTEN);
	assert_int_equal(fate(w, "verdict_source"), MAP_ADOPTED);
	assert_int_equal(fate(w, "limit_class"), MAP_ADOPTED);
	check_contents(w);
	assert_int_equal(forwarded(w), VIP_LAB_FLOWS);
	assert_non_null(strstr(dataplane_layout(w->dp), "made anew: "));
	assert_non_null(strstr(dataplane_layout(w->dp), ", stats_drop"));
	assert_false(lab_has_pin(w->lab, "of_tomorrow"));
	upgrade_lab_check_tidy(w->lab);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
}

static uint32_t map_id(struct vip_lab *w, const char *map)
{
	CLEANUP_FD int fd = pin_get(w->lab->dir_fd, map);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static void open_in_child(void *ctx)
{
	struct vip_lab *w = ctx;
	struct dataplane *dp = NULL;
	struct errmsg err;

	if (dataplane_open(w->lab->dir_fd, &w->conf_dp, &dp, &err))
		_exit(3);
}

/* The next start begins with this. */
static void check_recovered(struct vip_lab *w, const char *what, bool is_new)
{
	const uint32_t vips = map_id(w, "vips"), ring = map_id(w, "vip_ring");

	assert_int_equal(pin_swap_recover(w->lab->dir_fd), 0);
	upgrade_lab_check_tidy(w->lab);
	if (!is_new && (map_id(w, "vips") != vips || map_id(w, "vip_ring") != ring))
		fail_msg("%s: the old maps are pinned no more", what);
}

/* Packets find their backends at each of them, whichever maps their program has. */
static void a_crash_at_any_step_leaves_the_old_maps_or_the_new(void **state)
{
	static const struct {
		struct crash crash;
		bool is_new; /* it is finished, and not begun again */
		bool is_long;
		const char *what;
	} steps[] = {
		{ { CRASH_PIN, 1, NULL }, false, true, "the first pin" },
		{ { CRASH_PIN, 4, NULL }, false, true, "the last pin" },
		{ { CRASH_LINK_UPDATE, 1, NULL }, false, false, "the update of the link" },
		{ { CRASH_RENAME, 0, "new_layout" }, false, false, "the renaming of layout" },
		{ { CRASH_RENAME, 0, "new_vips" }, true, false, "the first of all" },
		{ { CRASH_RENAME, 0, "new_layout_maps" }, true, true, "the list" },
		{ { CRASH_RENAME, 0, PIN_COMMIT }, true, true, "the last of all" },
		{ { CRASH_RENAME, 0, "new_prog_xdp_ingress" }, true, true, "the program" },
	};
	struct vip_lab *w = *state;
	struct vip_arrivals a = start(w), b;
	bool move = true;

	dataplane_close(w->dp);
	w->dp = NULL;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint32_t old;

		if (steps[i].is_long && !getenv("SLUICE_LONG"))
			continue;
		if (move) {
			upgrade_lab_move_members(w->lab, "vips");
			upgrade_lab_move_members(w->lab, "vip_ring");
		}
		move = steps[i].is_new;
		old = map_id(w, "vips");
		if (!crash_lab_run(&steps[i].crash, open_in_child, w))
			fail_msg("%s: it came to its end", steps[i].what);
		check_recovered(w, steps[i].what, steps[i].is_new);
		if ((map_id(w, "vips") != old) != steps[i].is_new)
			fail_msg("%s: the wrong maps are pinned", steps[i].what);
	}
	b = vip_lab_exchange(w);
	assert_memory_equal(a.host, b.host, sizeof(a.host));
	/* What was made is what the next start adopts. */
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(fate(w, "layout_maps"), MAP_ADOPTED);
	check_contents(w);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
	b = vip_lab_exchange(w);
	assert_memory_equal(a.host, b.host, sizeof(a.host));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, vip_lab_open, vip_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(members_that_moved_lose_nothing),
		TEST(what_means_something_else_is_filled_before_packets_meet_it),
		TEST(a_crash_at_any_step_leaves_the_old_maps_or_the_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
