/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change of rates as user/dataplane/limit_class.c makes it: where one gets slower, the meters are
 * moved first, a part at a time and with packets in between; then the versions are flipped.
 */
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "dataplane/limit_debt.h"
#include "lane_part.h"
#include "model_debt.h"
#include "world.h"

enum step { STEP_ROW_0 = 1, STEP_ROW_1, STEP_TOTAL, STEP_CLIENTS, STEP_FLIP };

static void begin(struct draw *d, struct lane *l)
{
	struct lane_carry *c = &l->carry;
	uint32_t id = 1 + draw(d, MODEL_CLASSES - 1);
	struct limit_class *class = &l->model.policy.class[id];

	if (!class->row_bits)
		return;
	*c = (struct lane_carry) { .id = id, .from = class->rates[class->active] };
	world_rates(d, &c->to);
	if (model_debt_is_any(&c->from, &c->to)) {
		class->rates[class->active].flags |= LIMIT_CARRYING;
		c->step = STEP_ROW_0;
	} else {
		c->step = STEP_FLIP;
	}
}

static void move_row(struct lane *l, uint32_t row, uint64_t now_ns)
{
	const struct lane_carry *c = &l->carry;
	uint32_t cells = 1U << l->model.policy.class[c->id].row_bits, i;

	for (i = row * cells; i < (row + 1) * cells; i++) {
		model_debt_move(&l->model.state.cell[c->id][i], c->from.unit, c->to.unit, now_ns);
		limit_debt_move(&l->rows[c->id * MODEL_ROW_CELLS + i], c->from.unit, c->to.unit,
				gcra_now_fp(now_ns));
	}
}

static void move_total(struct lane *l, uint64_t now_ns)
{
	const struct lane_carry *c = &l->carry;
	int fd = plane_map(&l->plane, "limit_total");
	struct limit_meters m;

	if (bpf_map_lookup_elem(fd, &c->id, &m))
		abort();
	limit_debt_move(&m, c->from.total, c->to.total, gcra_now_fp(now_ns));
	lane_put(l, "limit_total", &c->id, &m);
	model_debt_move(&l->model.state.total[c->id], c->from.total, c->to.total, now_ns);
}

static void move_clients(struct lane *l, uint64_t now_ns)
{
	const struct lane_carry *c = &l->carry;
	int fd = plane_map(&l->plane, "clients");
	struct client found;
	uint32_t i;

	for (i = 0; i < l->model.state.n_client; i++) {
		struct model_client *own = &l->model.state.client[i];

		if (own->key.limit_class != c->id)
			continue;
		if (bpf_map_lookup_elem(fd, &own->key, &found))
			abort();
		limit_debt_move(&found.meters, c->from.unit, c->to.unit, gcra_now_fp(now_ns));
		lane_put(l, "clients", &own->key, &found);
		model_debt_move(&own->client.meters, c->from.unit, c->to.unit, now_ns);
	}
}

static void flip(struct lane *l)
{
	struct limit_class *class = &l->model.policy.class[l->carry.id];

	class->active = !class->active;
	class->rates[class->active] = l->carry.to;
	l->carry.id = 0;
}

void lane_carry_step(struct draw *d, struct lane *l, uint64_t now_ns)
{
	struct lane_carry *c = &l->carry;

	if (c->id == 0) {
		begin(d, l);
		return;
	}
	if (c->step == STEP_ROW_0 || c->step == STEP_ROW_1)
		move_row(l, c->step - STEP_ROW_0, now_ns);
	else if (c->step == STEP_TOTAL)
		move_total(l, now_ns);
	else if (c->step == STEP_CLIENTS)
		move_clients(l, now_ns);
	else
		flip(l);
	c->step++;
}

void lane_carry_rows(struct draw *d, struct lane *l)
{
	uint32_t id = 1 + draw(d, MODEL_CLASSES - 1);
	struct limit_class *class = &l->model.policy.class[id];

	if (id == l->carry.id)
		return;
	class->row_first = id * MODEL_ROW_CELLS;
	class->row_bits = 1 + draw(d, 8);
	memset(l->model.state.cell[id], 0, sizeof(l->model.state.cell[id]));
	memset(&l->rows[id * MODEL_ROW_CELLS], 0, MODEL_ROW_CELLS * sizeof(*l->rows));
}
