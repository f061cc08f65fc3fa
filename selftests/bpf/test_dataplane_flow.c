/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows as the agent opens, keeps and ends them, with the program and real next hops. */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/flow_list.h"
#include "dataplane/map_batch.h"
#include "dataplane/vip_flow.h"
#include "dataplane/vip_state.h"
#include "dataplane/vip_sweep.h"
#include "sluice/abi/vip_flow.h"
#include "vip_lab.h"

#define MANY	    131072 /* more than a part has time for */
#define GONE	    4096
#define VERY_MANY   (1U << 20) /* with SLUICE_LONG */
#define TURN_MAX_MS 200	       /* of the loop, while they are moved: others wait for so long */

static void apply_weights(struct vip_lab *w, uint32_t first, uint32_t second)
{
	w->backend[0].weight = first;
	w->backend[1].weight = second;
	vip_lab_apply(w);
}

/* A vip of datagrams that keeps flows, balanced over both, and where its flows are. */
static struct vip_arrivals begin(struct vip_lab *w)
{
	w->vip.drain_ms = 3600 * 1000;
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	return vip_lab_exchange(w);
}

static struct vip_flow_state flows(struct vip_lab *w)
{
	struct vip_flow_state s;

	assert_int_equal(vip_flow_get(w->dp, "web", &s), 0);
	return s;
}

static void assert_same(struct vip_lab *w, const struct vip_arrivals *want)
{
	struct vip_arrivals is = vip_lab_exchange(w);

	assert_memory_equal(is.host, want->host, sizeof(is.host));
}

static struct vip_window *window(struct vip_lab *w)
{
	struct vip_window *all = pinned_map_mem(w->dp, "vip_window");

	assert_non_null(all);
	return &all[vip_map_id(w->dp, "web")];
}

static bool is_over(void *ctx)
{
	return !flows(ctx).is_open;
}

static bool nothing_is_noted(void *ctx)
{
	struct vip_lab *w = ctx;
	uint32_t n;

	assert_int_equal(pinned_map_count(pinned_map_fd(w->dp, "vip_flow"), 0, &n), 0);
	return n == 0;
}

static void changes_restarts_and_the_end_move_no_flow(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a = begin(w);

	/* A first ring is no change. */
	assert_false(flows(w).is_open);
	assert_true(nothing_is_noted(w));
	apply_weights(w, 1, 0);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_true(flows(w).is_open && flows(w).left_ms > 3500 * 1000);
	assert_same(w, &a);
	assert_true(flows(w).counts.noted > 0);
	dataplane_close(w->dp);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
	assert_true(flows(w).is_open && flows(w).left_ms > 3500 * 1000);
	assert_same(w, &a);
	apply_weights(w, 1, 1);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	assert_same(w, &a);
	apply_weights(w, 1, 0);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_same(w, &a);
	/* What is noted stays where it is; without notes the ring alone says. */
	window(w)->until_ns = 1;
	lab_until(w->lab, is_over, w);
	assert_same(w, &a);
	w->vip.drain_ms = 0;
	window(w)->opened_ns = window(w)->until_ns;
	vip_lab_apply(w);
	lab_until(w->lab, nothing_is_noted, w);
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 0), VIP_LAB_FLOWS);
	assert_true(nothing_is_noted(w));
}

/* As the agent does it: the new ones are in force before those of before are closed. */
static void reload(struct vip_lab *w)
{
	struct dataplane *next = lab_dataplane(w->lab, &w->conf_dp);

	vip_map_stop(w->dp);
	dataplane_close(w->dp);
	w->dp = next;
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
}

static void forget_notes(struct vip_lab *w)
{
	const int fd = pinned_map_fd(w->dp, "vip_flow");
	struct flow_key key;

	while (bpf_map_get_next_key(fd, NULL, &key) == 0)
		assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
}

static bool ring_has_its_size(void *ctx)
{
	struct vip_lab *w = ctx;
	const uint32_t slots = vip_lab_state(w, 0).slots + vip_lab_state(w, 1).slots;

	return slots == (w->vip.ring_size ? w->vip.ring_size : w->conf_dp.ring_size) &&
	       !w->dp->vip->services[0].dirty;
}

/* The ring in force, with the notes of none and then with those that this makes. */
static void check_size(struct vip_lab *w, const struct vip_arrivals *a)
{
	lab_until(w->lab, ring_has_its_size, w);
	assert_true(flows(w).is_open && flows(w).left_ms > 3500 * 1000);
	forget_notes(w);
	assert_same(w, a);
	assert_same(w, a);
}

static bool has_before(struct vip_lab *w)
{
	uint32_t vip = vip_map_id(w->dp, "web"), id;

	return bpf_map_lookup_elem(pinned_map_fd(w->dp, "vip_before"), &vip, &id) == 0;
}

static void a_ring_of_another_size_moves_no_flow(void **state)
{
	static const uint32_t sizes[] = { 1021, 61 };
	struct vip_lab *w = *state;
	struct vip_arrivals a = begin(w);
	uint64_t noted;

	assert_false(has_before(w));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		w->conf_dp.ring_size = sizes[i];
		reload(w);
		check_size(w, &a);
	}
	w->vip.ring_size = 31;
	vip_lab_apply(w);
	check_size(w, &a);
	assert_true(has_before(w));
	/* Another change meanwhile: who is noted stays, and so do flows of before it all. */
	apply_weights(w, 1, 0);
	lab_until(w->lab, vip_lab_second_is_out, w);
	forget_notes(w);
	assert_same(w, &a);
	noted = flows(w).counts.noted;
	assert_true(noted > 0);
	window(w)->until_ns = 1;
	lab_until(w->lab, is_over, w);
	assert_same(w, &a);
	assert_int_equal(flows(w).counts.noted, noted);
	assert_false(has_before(w));
	forget_notes(w);
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 0), VIP_LAB_FLOWS);
	/* Of one vip, with no window open. */
	apply_weights(w, 1, 1);
	w->vip.ring_size = 101;
	vip_lab_apply(w);
	check_size(w, &a);
	assert_true(has_before(w));
}

static bool first_is_out(void *ctx)
{
	return vip_lab_state(ctx, 0).slots == 0;
}

static void a_failure_moves_flows_and_so_does_no_drain(void **state)
{
	struct vip_lab *w = *state;
	struct vip_arrivals a;

	begin(w);
	w->vip.drain_ms = 0;
	apply_weights(w, 1, 0);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_false(flows(w).is_open);
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 0), VIP_LAB_FLOWS);
	assert_true(nothing_is_noted(w));
	w->vip.drain_ms = 3600 * 1000;
	apply_weights(w, 1, 1);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 0), VIP_LAB_FLOWS); /* as before the change */
	assert_int_equal(vip_map_set_share(w->dp, &w->conf, 0, 0, 0), 0);
	lab_until(w->lab, first_is_out, w);
	a = vip_lab_exchange(w);
	assert_int_equal(vip_lab_share(&a, 1), VIP_LAB_FLOWS);
}

static bool says_before(struct vip_lab *w, uint32_t id)
{
	const uint64_t *slots = pinned_map_mem(w->dp, "vip_ring");
	uint64_t first = (uint64_t)vip_map_id(w->dp, "web") * 2 * w->conf_dp.ring_size, i;

	for (i = first; i < first + 2ULL * w->conf_dp.ring_size; i++) {
		if (VIP_SLOT_BEFORE(slots[i]) == id)
			return true;
	}
	return false;
}

struct wanted {
	struct vip_lab *w;
	uint32_t id;
};

/* Other addresses, until one gets the id. */
static bool is_recycled(void *ctx)
{
	const struct wanted *t = ctx;
	struct vip_lab *w = t->w;
	struct errmsg err;
	struct backend b;

	w->backend[1].address.b[15]++;
	if (vip_map_apply(w->dp, w->lab->loop, &w->conf, &err))
		return false;
	assert_int_equal(bpf_map_lookup_elem(pinned_map_fd(w->dp, "backends"), &t->id, &b), 0);
	return vip_lab_state(w, 1).id == t->id && b.generation > 1;
}

static void an_id_that_is_given_out_again_is_nobodys_of_before(void **state)
{
	struct vip_lab *w = *state;
	struct wanted t = { .w = w };

	begin(w);
	t.id = vip_lab_state(w, 1).id;
	apply_weights(w, 1, 0);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_true(says_before(w, t.id));
	lab_until(w->lab, is_recycled, &t);
	assert_false(says_before(w, t.id));
}

static void note(struct map_batch *b, uint32_t i, const struct vip_flow *f)
{
	struct flow_key key = { .src = lab_addr("198.51.100.7"),
				.dst = lab_addr(VIP_LAB_VIP),
				.sport = (uint16_t)i,
				.dport = htons(VIP_LAB_PORT),
				.proto = IPPROTO_UDP };

	key.src.w[3] = i;
	assert_int_equal(map_batch_put(b, &key, f), 0);
}

static void note_many(struct vip_lab *w, uint32_t n)
{
	const uint32_t id = vip_lab_state(w, 0).id;
	struct vip_flow f = { .backend = id,
			      .generation = w->dp->vip->table[id].generation,
			      .made_ns = clock_now_ns() };
	struct map_batch b;

	f.seen_ns = f.made_ns + 1;
	assert_int_equal(map_batch_open(&b, pinned_map_fd(w->dp, "vip_flow"),
					sizeof(struct flow_key), sizeof(f)),
			 0);
	for (uint32_t i = 0; i < n; i++)
		note(&b, i, &f);
	f.generation++;
	for (uint32_t i = n; i < n + GONE; i++)
		note(&b, i, &f);
	assert_int_equal(map_batch_flush(&b), 0);
	map_batch_clear(&b);
}

static int count_row(const struct flow_row *row, void *ctx)
{
	assert_string_equal(row->vip, "web");
	assert_string_equal(row->backend, "b0");
	++*(size_t *)ctx;
	return 0;
}

/* Parts that leave the loop to others, all of them together all flows, also over a change of vips. */
static void check_list(struct vip_lab *w)
{
	const struct flow_filter all = { 0 };
	struct flow_list *l[FLOW_LISTS_MAX], *more;
	size_t n = 0;

	for (size_t i = 0; i < FLOW_LISTS_MAX; i++)
		assert_int_equal(flow_list_open(w->dp, &all, &l[i]), 0);
	assert_int_equal(flow_list_open(w->dp, &all, &more), -EBUSY);
	assert_int_equal(flow_list_next(l[0], count_row, &n), 1);
	assert_in_range(n, 0, MANY - 1);
	assert_in_range(flow_list_percent(l[0]), 0, 99);
	vip_lab_apply(w);
	while (flow_list_next(l[0], count_row, &n))
		;
	assert_int_equal(n, MANY);
	assert_int_equal(flow_list_percent(l[0]), 100);
	for (size_t i = 0; i < FLOW_LISTS_MAX - 1; i++)
		flow_list_close(l[i]);
	dataplane_close(w->dp);
	assert_int_equal(flow_list_next(l[FLOW_LISTS_MAX - 1], count_row, &n), -ESTALE);
	flow_list_close(l[FLOW_LISTS_MAX - 1]);
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
}

/* All parts that are left, without the rest that the loop has between them. */
static void finish_sweep(struct vip_lab *w)
{
	struct timer *t = &w->dp->vip->sweep.timer;

	while (timer_running(t)) {
		timer_stop(t);
		t->on_due(t);
	}
}

static void many_are_read_in_parts(void **state)
{
	struct vip_lab *w = *state;
	uint32_t n = 0;

	dataplane_close(w->dp);
	w->conf_dp.max_flows = 2 * MANY;
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	begin(w);
	note_many(w, MANY);
	check_list(w);
	/* A part of the sweep has not read all; at the end all are counted, and those of nobody gone. */
	assert_int_equal(vip_sweep_start(w->dp->vip), 0);
	assert_true(timer_running(&w->dp->vip->sweep.timer));
	assert_int_equal(flows(w).flows, 0);
	finish_sweep(w);
	assert_int_equal(flows(w).flows, MANY);
	assert_int_equal(pinned_map_count(pinned_map_fd(w->dp, "vip_flow"), 0, &n), 0);
	assert_int_equal(n, MANY);
	/* Services that are others meanwhile are counted by the next one. */
	assert_int_equal(vip_sweep_start(w->dp->vip), 0);
	w->dp->vip->services[0].flows = 1;
	vip_lab_apply(w);
	finish_sweep(w);
	assert_int_equal(flows(w).flows, 1);
	assert_int_equal(vip_sweep_start(w->dp->vip), 0);
	finish_sweep(w);
	assert_int_equal(flows(w).flows, MANY);
}

static uint32_t notes(struct vip_lab *w)
{
	uint32_t n = 0;

	assert_int_equal(pinned_map_count(pinned_map_fd(w->dp, "vip_flow"), 0, &n), 0);
	return n;
}

static bool is_moving(struct vip_lab *w)
{
	const int outer = pinned_map_fd(w->dp, "vip_flow_old");
	uint32_t zero = 0, id;
	const bool is = bpf_map_lookup_elem(outer, &zero, &id) == 0;

	assert_int_equal(lab_has_pin(w->lab, "old_vip_flow"), is);
	return is;
}

static bool says_moving(struct vip_lab *w)
{
	const char *lines[32];
	size_t n = dataplane_warnings(w->dp, lines, 32);

	for (size_t i = 0; i < n; i++) {
		if (strstr(lines[i], "max_flows changed"))
			return true;
	}
	return false;
}

/* The longest turn of the loop meanwhile. */
static uint64_t move_all_ns(struct vip_lab *w)
{
	uint64_t longest = 0;

	while (is_moving(w)) {
		uint64_t began = clock_now_ns();

		assert_int_equal(loop_turn(w->lab->loop, 0), 0);
		began = clock_now_ns() - began;
		longest = began > longest ? began : longest;
	}
	return longest;
}

/* All but the last of the window's notes are those that decide, wherever they are. */
static void flows_follow_their_notes_while_these_are_moved(void **state)
{
	struct vip_lab *w = *state;
	const uint32_t many = getenv("SLUICE_LONG") ? VERY_MANY : MANY;
	struct vip_arrivals a = begin(w);
	uint64_t longest_ns;

	dataplane_close(w->dp);
	w->conf_dp.max_flows = 2 * many;
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	vip_lab_apply(w);
	lab_until(w->lab, vip_lab_all_in_ring, w);
	move_all_ns(w); /* of none */
	apply_weights(w, 1, 0);
	lab_until(w->lab, vip_lab_second_is_out, w);
	assert_same(w, &a);
	window(w)->until_ns = 1;
	lab_until(w->lab, is_over, w);
	note_many(w, many);
	assert_true(notes(w) > many);
	/* In force at once; an agent that is killed meanwhile leaves the rest to the next. */
	w->conf_dp.max_flows = 3 * many;
	reload(w);
	assert_true(is_moving(w) && says_moving(w));
	assert_int_equal(notes(w), 0);
	assert_same(w, &a);
	assert_int_equal(notes(w), 0);
	dataplane_close(w->dp);
	w->conf_dp.max_flows = 2 * many; /* another size again: what is left is moved before */
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	assert_true(is_moving(w) && notes(w) == 0);
	assert_same(w, &a);
	vip_lab_apply(w);
	assert_same(w, &a);
	longest_ns = move_all_ns(w);
	print_message("%u flows moved; the longest turn of the loop took %u ms\n", many,
		      (unsigned int)(longest_ns / NS_PER_MS));
	if (getenv("SLUICE_LONG"))
		assert_true(longest_ns < TURN_MAX_MS * NS_PER_MS);
	assert_false(says_moving(w));
	assert_true(notes(w) > many);
	assert_same(w, &a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vip_lab_open, vip_lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(changes_restarts_and_the_end_move_no_flow),
		TEST(a_ring_of_another_size_moves_no_flow),
		TEST(a_failure_moves_flows_and_so_does_no_drain),
		TEST(flows_follow_their_notes_while_these_are_moved),
		TEST(many_are_read_in_parts),
		TEST(an_id_that_is_given_out_again_is_nobodys_of_before),
	};

	return cmocka_run_group_tests_name("dataplane_flow", tests, NULL, NULL);
}
