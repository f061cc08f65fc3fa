/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * Vips over restarts and changes: which flow goes where, what is counted, what is refused.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/limit_map.h"
#include "dataplane/stats_map.h"
#include "vip_lab.h"

static void flows_reach_both_backends(void **state)
{
	struct vip_lab *w = *state;
	struct vip_backend_state s;
	struct stats_vip stats;
	struct vip_arrivals a;

	vip_lab_apply(w);
	assert_non_null(strstr(vip_lab_state(w, 0).state, "resolving"));
	lab_until(w->lab, vip_lab_all_in_ring, w);
	assert_string_equal(vip_lab_state(w, 1).state, "ready");
	a = vip_lab_exchange(w);
	assert_true(vip_lab_share(&a, 0) > VIP_LAB_FLOWS / 8 &&
		    vip_lab_share(&a, 1) > VIP_LAB_FLOWS / 8);
	assert_int_equal(vip_map_stats(w->dp, vip_map_id(w->dp, "web"), &stats), 0);
	assert_int_equal(stats.forwarded.packets, VIP_LAB_FLOWS);
	s = vip_lab_state(w, 0);
	assert_int_equal(s.forwarded.packets, vip_lab_share(&a, 0));
}

static void a_restart_moves_no_flow(void **state)
{
	struct vip_lab *w = *state;
	struct vip_backend_state before[VIP_LAB_HOSTS], after[VIP_LAB_HOSTS];
	struct vip_arrivals a, b;
	uint32_t id;
	int i;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	a = vip_lab_exchange(w);
	id = vip_map_id(w->dp, "web");
	vip_map_backends(w->dp, "web", before, VIP_LAB_HOSTS);
	before[0].conf = before[1].conf = NULL;
	dataplane_close(w->dp);

	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
	/* Nothing had time to be resolved: the hops of before are in force. */
	b = vip_lab_exchange(w);
	assert_memory_equal(a.host, b.host, sizeof(a.host));
	assert_int_equal(vip_map_id(w->dp, "web"), id);
	vip_map_backends(w->dp, "web", after, VIP_LAB_HOSTS);
	for (i = 0; i < VIP_LAB_HOSTS; i++) {
		assert_int_equal(after[i].id, before[i].id);
		assert_int_equal(after[i].forwarded.packets, 2 * before[i].forwarded.packets);
	}
}

static void another_ring_size_keeps_traffic_flowing(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a, b;
	int i, moved = 0;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	a = vip_lab_exchange(w);
	dataplane_close(w->dp);
	w->conf_dp.ring_size = 1021;
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	/* The stretched ring, before any vip was applied. */
	b = vip_lab_exchange(w);
	for (i = 0; i < VIP_LAB_FLOWS; i++)
		moved += a.host[i] != b.host[i];
	assert_true(moved <= VIP_LAB_FLOWS / 8);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	vip_lab_exchange(w);
}

struct expected_ring {
	struct vip_lab *w;
	uint32_t slots;
};

static bool has_ring_of(void *ctx)
{
	const struct expected_ring *e = ctx;

	return vip_lab_state(e->w, 0).slots + vip_lab_state(e->w, 1).slots == e->slots;
}

/* Beside each other in one map: a ring of its own size takes the first slots of its place. */
static void a_vip_has_a_ring_of_its_own_size(void **state)
{
	static const uint32_t sizes[] = { 101, 7, 0 };
	struct vip_lab *w = *state;
	struct vip_arrivals a, b;
	int i, moved;
	size_t turn;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	a = vip_lab_exchange(w);
	for (turn = 0; turn < sizeof(sizes) / sizeof(sizes[0]); turn++) {
		struct expected_ring e = { w, sizes[turn] ? sizes[turn] : w->conf_dp.ring_size };

		w->vip.ring_size = sizes[turn];
		vip_lab_apply(w);
		lab_until(w->lab, has_ring_of, &e);
		/* All of them arrive, at either. */
		b = vip_lab_exchange(w);
	}
	for (i = 0, moved = 0; i < VIP_LAB_FLOWS; i++)
		moved += a.host[i] != b.host[i];
	/* The first ring again. */
	assert_int_equal(moved, 0);
}

/* The lab's flows are those of one client. */
static void a_client_has_one_backend(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a;
	int host;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	a = vip_lab_exchange(w);
	assert_true(vip_lab_share(&a, 0) > 0 && vip_lab_share(&a, 1) > 0);
	w->vip.by_client = true;
	vip_lab_apply(w);
	a = vip_lab_exchange(w);
	host = vip_lab_share(&a, 0) ? 0 : 1;
	assert_int_equal(vip_lab_share(&a, host), VIP_LAB_FLOWS);
	w->vip.by_client = false;
	vip_lab_apply(w);
	a = vip_lab_exchange(w);
	assert_true(vip_lab_share(&a, 0) > 0 && vip_lab_share(&a, 1) > 0);
}

static uint64_t dropped(struct vip_lab *w, enum drop_reason reason)
{
	struct stats_count drops[DROP_REASON_COUNT];

	assert_int_equal(stats_map_drops(w->dp, drops), 0);
	return drops[reason].packets;
}

struct expected_drops {
	struct vip_lab *w;
	enum drop_reason reason;
	uint64_t packets;
};

static bool were_dropped(void *ctx)
{
	const struct expected_drops *e = ctx;

	return dropped(e->w, e->reason) >= e->packets;
}

static bool ring_is_empty(void *ctx)
{
	struct vip_lab *w = ctx;
	struct lab_frame f = lab_ipv4("198.51.100.7", VIP_LAB_VIP, 17, 1, VIP_LAB_PORT);

	return lab_test_run(w->lab, f.bytes, f.n) == XDP_DROP;
}

static void without_backends_packets_are_dropped_and_counted(void **state)
{
	struct vip_lab *w = *state;
	struct expected_drops e = { w, DROP_NO_BACKEND, 0 };

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	vip_lab_exchange(w);
	w->vip.n_backends = 0;
	vip_lab_apply(w);
	lab_until(w->lab, ring_is_empty, w);
	e.packets = dropped(w, DROP_NO_BACKEND) + VIP_LAB_FLOWS;
	vip_lab_send();
	lab_until(w->lab, were_dropped, &e);
	assert_int_equal(dropped(w, DROP_BACKEND_GONE), 0);
	/* And back: with the ids of before. */
	w->vip.n_backends = VIP_LAB_HOSTS;
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	vip_lab_exchange(w);
}

static void a_drained_backend_gets_nothing(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	w->backend[1].weight = 0;
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_string_equal(vip_lab_state(w, 1).state, "drained");
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 0), VIP_LAB_FLOWS);
}

static bool second_has_a_third(void *ctx)
{
	struct vip_lab *w = ctx;
	uint32_t slots = vip_lab_state(w, 1).slots, third = w->conf_dp.ring_size / 3;

	return slots >= third - 2 && slots <= third + 2;
}

static bool first_has_all(void *ctx)
{
	return vip_lab_state(ctx, 0).slots == ((struct vip_lab *)ctx)->conf_dp.ring_size;
}

/* Of backends that are checked, nobody has what was not given; what was outlives an agent. */
static void shares_are_parts_of_weights_also_over_a_restart(void **state)
{
	struct vip_lab *w = *state;
	struct conf_backend backends[VIP_LAB_HOSTS];
	struct vip_arrivals a, b;
	struct conf_vip old;
	const struct conf before = { .vips = &old, .n_vips = 1 };

	w->vip.health.type = CONF_HEALTH_TCP;
	vip_lab_apply(w);
	assert_int_equal(vip_map_share(w->dp, &w->conf, 0, 0), 0);
	assert_int_equal(vip_map_set_share(w->dp, &w->conf, 0, 0, VIP_SHARE_FULL), 0);
	assert_int_equal(vip_map_set_share(w->dp, &w->conf, 0, 2, VIP_SHARE_FULL), -ENOENT);
	assert_int_equal(vip_map_set_share(w->dp, &w->conf, 1, 0, VIP_SHARE_FULL), -ENOENT);
	lab_until(w->lab, first_has_all, w);
	assert_int_equal(vip_map_set_share(w->dp, &w->conf, 0, 1, VIP_SHARE_FULL / 2), 0);
	lab_until(w->lab, second_has_a_third, w);
	a = vip_lab_exchange(w);
	dataplane_close(w->dp);

	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
	b = vip_lab_exchange(w);
	assert_memory_equal(a.host, b.host, sizeof(a.host));
	assert_int_equal(vip_map_share(w->dp, &w->conf, 0, 0), VIP_SHARE_FULL);
	assert_in_range(vip_map_share(w->dp, &w->conf, 0, 1), 47, 53);
	/* A reload in another order, and one who still has the old one. */
	old = w->vip;
	memcpy(backends, w->backend, sizeof(backends));
	old.backends = backends;
	w->backend[0] = backends[1];
	w->backend[1] = backends[0];
	vip_lab_apply(w);
	assert_int_equal(vip_map_share(w->dp, &before, 0, 0), VIP_SHARE_FULL);
	assert_int_equal(vip_map_share(w->dp, &w->conf, 0, 1), VIP_SHARE_FULL);
	assert_int_equal(vip_map_set_share(w->dp, &before, 0, 0, VIP_SHARE_FULL - 1), 0);
	assert_int_equal(vip_map_share(w->dp, &w->conf, 0, 1), VIP_SHARE_FULL - 1);
	assert_int_equal(vip_map_set_share(w->dp, &before, 0, 0, VIP_SHARE_FULL), 0);
	memcpy(w->backend, backends, sizeof(backends));
	vip_lab_apply(w);
	assert_in_range(vip_map_share(w->dp, &w->conf, 0, 1), 47, 53);
	assert_int_equal(vip_map_set_share(w->dp, &w->conf, 0, 1, 0), 0);
	lab_until(w->lab, first_has_all, w);

	w->vip.health.type = CONF_HEALTH_NONE;
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	w->backend[1].drain_by = 1;
	vip_lab_apply(w);
	lab_until(w->lab, first_has_all, w);
	assert_string_equal(vip_lab_state(w, 1).state, "drained");
}

static void a_vip_that_is_gone_is_not_ours_any_more(void **state)
{
	struct lab_frame f = lab_ipv4("198.51.100.7", VIP_LAB_VIP, 17, 1, VIP_LAB_PORT);
	struct vip_lab *w = *state;
	uint32_t id;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	id = vip_map_id(w->dp, "web");
	w->conf.n_vips = 0;
	vip_lab_apply(w);
	assert_int_equal(lab_test_run(w->lab, f.bytes, f.n), XDP_PASS);
	assert_int_equal(vip_map_id(w->dp, "web"), 0);
	/* Another vip at once: not with the id whose ring packets may still read. */
	w->conf.n_vips = 1;
	w->vip.port = VIP_LAB_PORT + 1;
	w->vip.n_backends = 0;
	vip_lab_apply(w);
	assert_int_not_equal(vip_map_id(w->dp, "web"), id);
	f = lab_ipv4("198.51.100.7", VIP_LAB_VIP, 17, 1, VIP_LAB_PORT + 1);
	assert_int_equal(lab_test_run(w->lab, f.bytes, f.n), XDP_DROP);
}

static bool has_generations(struct vip_lab *w, uint32_t least)
{
	struct errmsg err;
	struct backend b;
	uint32_t id;

	/* Each time another address: ids 1..3 are soon given out a second time. */
	w->backend[0].address.b[15]++;
	if (vip_map_apply(w->dp, w->lab->loop, &w->conf, &err))
		return false;
	id = vip_lab_state(w, 0).id;
	assert_int_equal(bpf_map_lookup_elem(pinned_map_fd(w->dp, "backends"), &id, &b), 0);
	assert_true(addr_eq(&b.addr, &w->backend[0].address));
	return b.generation >= least;
}

static bool has_three_generations(void *ctx)
{
	return has_generations(ctx, 3);
}

static bool has_six_generations(void *ctx)
{
	return has_generations(ctx, 6);
}

static bool goes(struct vip_lab *w, uint16_t sport)
{
	struct lab_frame f = lab_ipv4("198.51.100.7", VIP_LAB_VIP, 17, sport, VIP_LAB_PORT);

	return lab_test_run(w->lab, f.bytes, f.n) != XDP_DROP;
}

static bool nothing_begins(void *ctx)
{
	static uint16_t sport = 7001; /* of a flow that there is not */

	return !goes(ctx, sport++);
}

static bool has_ended(void *ctx)
{
	return !goes(ctx, 7000);
}

static void apply_nat(struct vip_lab *w, struct conf_backend *b, size_t n, uint64_t drain_ms)
{
	w->vip.mode = BACKEND_NAT;
	w->vip.drain_ms = drain_ms;
	w->vip.backends = b;
	w->vip.n_backends = n;
	vip_lab_apply(w);
}

/* Flows of mode nat go on behind their backend's removal, until the drain is over. */
static void check_leaving(struct vip_lab *w)
{
	struct vip_leaving_state l = { 0 };

	w->conf.nat = (struct conf_nat) { .udp_opening_ms = 600000, .udp_established_ms = 600000 };
	apply_nat(w, &w->backend[1], 1, 600000);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	assert_true(goes(w, 7000));
	apply_nat(w, NULL, 0, 600000);
	lab_until(w->lab, nothing_begins, w);
	assert_true(goes(w, 7000));
	assert_int_equal(vip_map_leaving(w->dp, "web", &l, 1), 1);
	assert_string_equal(l.name, w->backend[1].name);
	assert_true(addr_eq(&l.address, &w->backend[1].address));
	assert_in_range(l.left_ms, 1, 600000);
	assert_in_range(l.nat.opened - l.nat.ended, 1, l.nat.opened);
	/* It comes back, and leaves anew. */
	apply_nat(w, &w->backend[1], 1, 600000);
	assert_int_equal(vip_map_leaving(w->dp, "web", &l, 1), 0);
	assert_true(goes(w, 7000));
	apply_nat(w, NULL, 0, 600000);
	assert_true(goes(w, 7000));
	apply_nat(w, NULL, 0, 1);
	lab_until(w->lab, has_ended, w);
	assert_int_equal(vip_map_leaving(w->dp, "web", &l, 1), 0);
}

static void a_recycled_id_has_a_new_generation(void **state)
{
	struct vip_lab *w = *state;

	w->vip.n_backends = 1;
	vip_lab_apply(w);
	lab_until(w->lab, has_three_generations, w);
	check_leaving(w);
	/* Those that leave make room for others, where ids are short. */
	w->backend[0].has_mac = true;
	w->backend[0].mac[0] = 2;
	apply_nat(w, w->backend, 1, 600000);
	lab_until(w->lab, has_six_generations, w);
	assert_true(vip_map_leaving(w->dp, "web", NULL, 0) > 0);
}

static void too_many_are_refused_and_what_runs_stays(void **state)
{
	struct conf_backend many[4];
	struct vip_lab *w = *state;
	struct errmsg err;
	int i;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	for (i = 0; i < 4; i++) {
		many[i] = w->backend[0];
		many[i].address.b[15] = (uint8_t)(100 + i);
	}
	w->vip.backends = many;
	w->vip.n_backends = 4;
	assert_int_equal(vip_map_apply(w->dp, w->lab->loop, &w->conf, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "dataplane.max_backends allows 3"));
	w->vip.backends = w->backend;
	w->vip.n_backends = VIP_LAB_HOSTS;
	w->vip.limit = (char[]) { "nothing" };
	assert_int_equal(vip_map_apply(w->dp, w->lab->loop, &w->conf, &err), -ENOENT);
	assert_true(vip_lab_all_in_ring(w));
	vip_lab_exchange(w);
}

static int passed(struct vip_lab *w, int n)
{
	struct lab_frame f = lab_ipv4("198.51.100.1", VIP_LAB_VIP, IPPROTO_UDP, 1234, VIP_LAB_PORT);
	int ok = 0;

	while (n--)
		ok += lab_test_run(w->lab, f.bytes, f.n) != XDP_DROP;
	return ok;
}

static void a_vip_has_the_service_of_its_limits(void **state)
{
	struct conf_rate four = { 1, 1000 * NS_PER_S, 4 }, six = { 1, 1000 * NS_PER_S, 6 };
	struct conf_ports port = { VIP_LAB_PORT, VIP_LAB_PORT };
	struct conf_limit limits[] = {
		{ .name = "vip", .rows = 256, .unit = { four } },
		{ .name = "port", .rows = 256, .protocol = IPPROTO_UDP, .unit = { six } },
	};
	struct vip_lab *w = *state;
	struct errmsg err;

	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	limits[1].ports = &port;
	limits[1].n_ports = 1;
	w->conf.limits = limits;
	w->conf.n_limits = 2;
	w->vip.limit = limits[0].name;
	assert_int_equal(limit_map_apply(w->dp, &w->conf, &err), 0);
	/* Not in force before the vips are told. */
	assert_int_equal(passed(w, 10), 10);
	vip_lab_apply(w);
	assert_int_equal(passed(w, 10), 4);
	/* Without the vip's own limit, the port's is left, as far as it was spent. */
	w->vip.limit = NULL;
	assert_int_equal(limit_map_apply(w->dp, &w->conf, &err), 0);
	vip_lab_apply(w);
	assert_int_equal(passed(w, 10), 2);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, vip_lab_open, vip_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(flows_reach_both_backends),
		TEST(a_vip_has_the_service_of_its_limits),
		TEST(a_restart_moves_no_flow),
		TEST(another_ring_size_keeps_traffic_flowing),
		TEST(a_vip_has_a_ring_of_its_own_size),
		TEST(a_client_has_one_backend),
		TEST(without_backends_packets_are_dropped_and_counted),
		TEST(a_drained_backend_gets_nothing),
		TEST(shares_are_parts_of_weights_also_over_a_restart),
		TEST(a_vip_that_is_gone_is_not_ours_any_more),
		TEST(a_recycled_id_has_a_new_generation),
		TEST(too_many_are_refused_and_what_runs_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
