/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of limits step by step: what a packet meets before, between and after. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_fixture.h"
#include "dataplane/limit_row.h"
#include "dataplane/limit_set.h"
#include "limit_world.h"

/* The maps, and who points into them. */
struct tables {
	struct limit_set set[LIMIT_CLASSES];
	struct limit_ports ports[LIMIT_PORT_TABLES];
	uint8_t vip[LIMIT_WORLD_VIPS];
	struct limit_compiled *compiled; /* in force */
	struct limit_plan plan;
	uint8_t ids[LIMIT_CLASSES];
};

static struct limit_set_entry entry(const struct tables *t, const struct limit_packet *p,
				    uint8_t group)
{
	uint8_t service = 0;

	if (p->vip != NO_VIP)
		service = t->vip[p->vip];
	else if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP)
		service = t->ports[p->protocol == IPPROTO_TCP].service[p->dport];
	return t->set[group].service[service];
}

static uint8_t group_of(const struct limit_compiled *c, const struct limit_plan *plan,
			const struct limit_packet *p)
{
	return c ? plan->group[limit_compile_group(c, &p->src)] : 0;
}

static bool has(const uint8_t *list, size_t n, uint8_t id)
{
	return memchr(list, id, n) != NULL;
}

static struct limit_live live_of(struct tables *t)
{
	struct limit_live live = { .set = t->set, .ports = t->ports, .vip = t->vip };

	for (size_t g = 1; t->compiled && g < t->compiled->n_groups; g++)
		live.group_used[t->plan.group[g]] = true;
	for (size_t i = 0; i < LIMIT_WORLD_VIPS; i++)
		live.service_used[t->vip[i]] = true;
	return live;
}

static void point_vips(struct tables *t, const struct limit_compiled *c,
		       const struct limit_plan *plan)
{
	for (size_t i = 0; i < LIMIT_WORLD_VIPS; i++)
		t->vip[i] = plan->service[c->vip[i]];
}

/* A packet, and what it is to meet before and after. */
struct probe {
	struct limit_packet packet;
	uint8_t before[LIMIT_SELECTORS];
	uint8_t after[LIMIT_SELECTORS];
};

#define PROBES 60

static void expect(const struct tables *t, const struct probe *p, uint8_t group,
		   const uint8_t *want, const char *when)
{
	struct limit_set_entry e = entry(t, &p->packet, group);

	if (memcmp(e.limit_class, want, LIMIT_SET_CLASSES) != 0)
		fail_msg("%s: another limit than was meant", when);
}

/* Sources have moved, destinations not yet: nothing that is neither of before nor of after. */
static bool expect_between(const struct tables *t, const struct probe *p,
			   const struct limit_compiled *c, const struct limit_plan *plan)
{
	size_t compiled = limit_compile_group(c, &p->packet.src);
	uint8_t group = plan->group[compiled];
	struct limit_set_entry e = entry(t, &p->packet, group);

	/* Who joins those that keep their group meets what these met. */
	if (plan->group_kept[compiled] && group != group_of(t->compiled, &t->plan, &p->packet))
		return false;
	for (int i = 0; i < LIMIT_SET_CLASSES; i++)
		if (e.limit_class[i] && !has(p->before, LIMIT_SELECTORS, e.limit_class[i]) &&
		    !has(p->after, LIMIT_SELECTORS, e.limit_class[i]))
			fail_msg("between: a limit of neither");
	return true;
}

static size_t change(struct tables *t, const struct limit_compiled *c, struct probe *probes)
{
	struct limit_live live = live_of(t);
	struct limit_plan plan;
	struct errmsg err;
	size_t between = 0;

	if (limit_set_plan(c, LIMIT_WORLD_VIPS, t->ids, &live, &plan, &err))
		fail_msg("limit_set_plan: %s", err.text);
	limit_set_write(c, t->ids, &plan, &live);
	for (size_t i = 0; i < PROBES; i++)
		expect(t, &probes[i], group_of(t->compiled, &t->plan, &probes[i].packet),
		       probes[i].before, "sets are written");
	for (size_t i = 0; i < PROBES; i++)
		between += expect_between(t, &probes[i], c, &plan);
	limit_set_write_ports(c, &plan, t->ports);
	point_vips(t, c, &plan);
	for (size_t i = 0; i < PROBES; i++)
		expect(t, &probes[i], group_of(c, &plan, &probes[i].packet), probes[i].after,
		       "all is written");
	t->plan = plan;
	return between;
}

static void test_no_change_is_seen_half(void **state)
{
	static struct limit_world world[2];
	static struct tables t;
	struct probe probes[PROBES];
	size_t changes = 0, between = 0;

	(void)state;
	for (size_t i = 0; i < LIMIT_CLASSES; i++)
		t.ids[i] = (uint8_t)i;
	world[0].seed = 1;
	limit_world_make(&world[0]);
	world[0].conf.n_limits = 0;
	for (uint64_t round = 1; changes < 250; round++) {
		struct limit_world *old = &world[changes % 2], *new = &world[!(changes % 2)];
		struct limit_compiled *c = NULL;
		struct limit_fault fault;
		struct errmsg err;

		new->seed = round;
		limit_world_change(new, old);
		if (limit_compile(&new->conf, &c, &fault, &err))
			continue;
		for (size_t i = 0; i < PROBES; i++) {
			probes[i].packet = limit_world_packet(new);
			limit_world_met(old, &probes[i].packet, probes[i].before);
			limit_world_met(new, &probes[i].packet, probes[i].after);
		}
		between += change(&t, c, probes);
		limit_compile_free(t.compiled);
		t.compiled = c;
		changes++;
	}
	/* Most packets do not join a group that stays. */
	assert_true(between > changes * PROBES / 2);
	limit_compile_free(t.compiled);
}

#define RATE "packets: {rate: 1/s}}\n"

static void apply_text(struct tables *t, const char *text)
{
	struct conf *conf = conf_fixture(text);
	struct limit_live live = live_of(t);
	struct limit_compiled *c = NULL;
	struct limit_fault fault;
	struct errmsg err;

	for (size_t i = 0; i < LIMIT_CLASSES; i++)
		t->ids[i] = (uint8_t)i;
	assert_int_equal(limit_compile(conf, &c, &fault, &err), 0);
	assert_int_equal(limit_set_plan(c, 0, t->ids, &live, &t->plan, &err), 0);
	limit_set_write(c, t->ids, &t->plan, &live);
	limit_set_write_ports(c, &t->plan, t->ports);
	limit_compile_free(t->compiled);
	t->compiled = c;
	conf_free(conf);
}

static void test_what_keeps_its_meaning_keeps_its_id(void **state)
{
	static struct tables t;
	uint8_t group, service;

	(void)state;
	apply_text(&t, "limits:\n"
		       "  - {name: a, sources: [10.0.0.0/8], " RATE
		       "  - {name: dns, protocol: udp, ports: [53], " RATE);
	group = t.plan.group[1];
	service = t.ports[LIMIT_PORT_UDP].service[53];
	assert_int_not_equal(service, 0);
	apply_text(&t, "limits:\n"
		       "  - {name: a, sources: [10.0.0.0/8, 192.0.2.0/24], " RATE
		       "  - {name: dns, protocol: udp, ports: [53], " RATE
		       "  - {name: b, sources: [9.0.0.0/8], " RATE
		       "  - {name: web, protocol: tcp, ports: [80], " RATE);
	/* 9.0.0.0/8 comes first now, and gets another id for all that. */
	assert_int_equal(t.plan.group[2], group);
	assert_int_not_equal(t.plan.group[1], group);
	assert_int_equal(t.ports[LIMIT_PORT_UDP].service[53], service);
	assert_int_not_equal(t.ports[LIMIT_PORT_TCP].service[80], service);
	apply_text(&t, "limits:\n  - {name: none, " RATE);
	assert_int_equal(t.ports[LIMIT_PORT_UDP].service[53], 0);
	limit_compile_free(t.compiled);
}

static void test_too_many_groups_beside_those_in_force_are_refused(void **state)
{
	static struct tables t;
	static char text[64 << 10];
	struct limit_compiled *c = NULL;
	struct limit_live live;
	struct limit_fault fault;
	struct conf *conf;
	struct errmsg err;
	char *at = text;

	(void)state;
	at += sprintf(at, "dataplane: {limit_rows: 1000000}\nlimits:\n");
	for (int i = 0; i < 130; i++)
		at += sprintf(at, "  - {name: n%d, sources: [10.%d.0.0/16], rows: 256, " RATE, i,
			      i);
	conf = conf_fixture(text);
	apply_text(&t, text);
	assert_int_equal(limit_compile(conf, &c, &fault, &err), 0);
	live = live_of(&t);
	/* Other classes under the same names: nothing of before is what is wanted. */
	for (size_t i = 1; i < LIMIT_CLASSES; i++)
		t.ids[i] = (uint8_t)(LIMIT_CLASSES - i);
	assert_int_equal(limit_set_plan(c, 0, t.ids, &live, &t.plan, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "more than 250 together"));
	limit_compile_free(c);
	limit_compile_free(t.compiled);
	conf_free(conf);
}

static void test_a_class_that_is_forgotten_is_in_no_set(void **state)
{
	static struct limit_set set[LIMIT_CLASSES];

	(void)state;
	set[3].service[9] = (struct limit_set_entry) { { 7, 5, 6, 0 } };
	limit_set_forget(set, 7);
	assert_memory_equal(set[3].service[9].limit_class, ((uint8_t[]) { 5, 6, 0, 0 }), 4);
}

/* ---- rows ---- */

#define CELLS 4096

struct rows {
	struct limit_class classes[LIMIT_CLASSES];
	struct limit_meters cells[CELLS];
	struct limit_row_want want[8];
};

static void give_rates(struct rows *r, uint32_t id, bool any)
{
	r->classes[id].rates[0].unit[0].tolerance_fp = any;
}

/* Each in bounds, none in another's cells. */
static void check_rows(const struct rows *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct limit_class *a = &r->classes[r->want[i].limit_class];

		assert_int_equal(a->row_bits, r->want[i].row_bits);
		assert_true(a->row_first + (2ULL << a->row_bits) <= CELLS);
		for (size_t j = 0; j < i; j++) {
			const struct limit_class *b = &r->classes[r->want[j].limit_class];

			assert_true(a->row_first + (2U << a->row_bits) <= b->row_first ||
				    b->row_first + (2U << b->row_bits) <= a->row_first);
		}
	}
}

static int place(struct rows *r, size_t n, bool *moved)
{
	struct errmsg err = { "" };
	int code = limit_row_place(r->classes, r->cells, CELLS, r->want, n, moved, &err);

	for (size_t i = 0; !code && i < n; i++)
		give_rates(r, r->want[i].limit_class, true);
	return code;
}

static void test_rows_stay_where_they_are_and_come_clean(void **state)
{
	static struct rows r;
	bool moved;
	uint32_t first;

	(void)state;
	r.want[0] = (struct limit_row_want) { 1, 8 };
	r.want[1] = (struct limit_row_want) { 2, 9 };
	r.want[2] = (struct limit_row_want) { 3, 8 };
	assert_int_equal(place(&r, 3, &moved), 0);
	check_rows(&r, 3);
	first = r.classes[3].row_first;
	r.cells[r.classes[1].row_first].tat[0] = 99;
	r.cells[first].tat[0] = 77;
	/* 1 is gone; 4 takes its cells once its rates are. */
	give_rates(&r, 1, false);
	r.want[0] = (struct limit_row_want) { 4, 8 };
	assert_int_equal(place(&r, 3, &moved), 0);
	assert_false(moved);
	check_rows(&r, 3);
	assert_int_equal(r.classes[4].row_first, r.classes[1].row_first);
	assert_int_equal(r.cells[r.classes[4].row_first].tat[0], 0);
	assert_int_equal(r.classes[3].row_first, first);
	assert_int_equal(r.cells[first].tat[0], 77);
	/* Another size is another place. */
	r.want[2].row_bits = 9;
	assert_int_equal(place(&r, 3, &moved), 0);
	check_rows(&r, 3);
	assert_int_equal(r.cells[r.classes[3].row_first].tat[0], 0);
}

static void test_rows_in_pieces_are_all_placed_anew(void **state)
{
	static struct rows r;
	bool moved;

	(void)state;
	/* Eight of 512 fill all; every other one goes. */
	for (uint32_t i = 0; i < 8; i++)
		r.want[i] = (struct limit_row_want) { i + 1, 8 };
	assert_int_equal(place(&r, 8, &moved), 0);
	check_rows(&r, 8);
	for (uint32_t i = 0; i < 4; i++) {
		give_rates(&r, 2 * i + 1, false);
		r.want[i] = (struct limit_row_want) { 2 * i + 2, 8 };
	}
	r.want[4] = (struct limit_row_want) { 20, 10 };
	assert_int_equal(place(&r, 5, &moved), 0);
	assert_true(moved);
	check_rows(&r, 5);
	r.want[5] = (struct limit_row_want) { 21, 8 };
	assert_int_equal(place(&r, 6, &moved), -ENOSPC);
	check_rows(&r, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_change_is_seen_half),
		cmocka_unit_test(test_what_keeps_its_meaning_keeps_its_id),
		cmocka_unit_test(test_too_many_groups_beside_those_in_force_are_refused),
		cmocka_unit_test(test_a_class_that_is_forgotten_is_in_no_set),
		cmocka_unit_test(test_rows_stay_where_they_are_and_come_clean),
		cmocka_unit_test(test_rows_in_pieces_are_all_placed_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
