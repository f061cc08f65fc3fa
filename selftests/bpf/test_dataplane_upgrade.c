/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * Pinned maps of another version: what is copied, what is made anew, and that packets notice nothing.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/layout.h"
#include "dataplane/limit_map.h"
#include "dataplane/meter_map.h"
#include "dataplane/pin.h"
#include "dataplane/verdict_map.h"
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
	/* What was made is what the next start adopts. */
	dataplane_close(w->dp);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(fate(w, "layout_maps"), MAP_ADOPTED);
	check_contents(w);
	vip_lab_apply(w);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, vip_lab_open, vip_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(members_that_moved_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
