/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the program that explains says of a packet just before the other one judges it. That it writes
 * nothing shows in all that is compared behind it.
 */
#include <stdio.h>
#include <string.h>

#include "bpf/plane_explain.h"
#include "lane_part.h"

/* Of so many packets one: the others show that it did not change anything for them. */
#define EXPLAIN_EVERY 8

struct explanation {
	bool asked;
	uint32_t returned, bytes;
	struct explain_trace trace;
	uint8_t out[FRAME_MAX + 256];
};

static _Thread_local struct explanation said;

void lane_explain_open(struct lane *l, const struct plane_settings *settings)
{
	if (!settings->planted && l->planted != LANE_PLANTED_YOUNG)
		plane_explain_open(&l->explain, &l->plane);
}

void lane_explain_close(struct lane *l)
{
	if (l->explain.object)
		plane_explain_close(&l->explain);
}

void lane_explain_ask(struct lane *l, const struct lane_packet *p)
{
	said.asked = false;
	/* That the map of flows is full cannot be told before a flow is put there. */
	if (l->model.state.flow.n_flow == MODEL_FLOWS)
		return;
	if (!l->explain.object || p->egress || p->segment_bytes ||
	    p->frame.len < LANE_TC_BYTES_MIN || l->n_explain++ % EXPLAIN_EVERY)
		return;
	said.asked = true;
	said.bytes = sizeof(said.out);
	said.returned = plane_explain_run(&l->explain, p->frame.bytes, p->frame.len, said.out,
					  &said.bytes, &said.trace);
	if (l->planted == LANE_PLANTED_EXPLAIN)
		++*l->plane.random;
}

/* The sequence number of a cookie for a listener is not made: making it would write to the listener. */
static bool is_cookie(const struct model_packet *want, enum model_fate fate)
{
	return fate == MODEL_REPLY && want->guard.replied && want->guard.made.listener;
}

/*
 * The world may give one class two places in a packet, which no configuration does: what the first
 * place charges then lacks in the second, and nothing is charged here.
 */
static bool meets_one_twice(const struct explain_trace *t)
{
	uint32_t i, j;

	for (i = 0; i < EXPLAIN_LIMITS; i++) {
		for (j = 0; j < i; j++) {
			if (t->limit[i].limit_class &&
			    t->limit[i].limit_class == t->limit[j].limit_class)
				return true;
		}
	}
	return false;
}

bool lane_explain_check(struct lane *l, const struct model_packet *want, enum model_fate fate,
			uint32_t returned, const uint8_t *out, uint32_t out_bytes)
{
	const struct explain_trace *t = &said.trace;
	uint32_t backend = fate == MODEL_TX ? want->backend_id : 0;

	if (!said.asked || meets_one_twice(t))
		return true;
	if (said.returned == returned && said.bytes == out_bytes &&
	    (is_cookie(want, fate) || memcmp(said.out, out, out_bytes) == 0) &&
	    t->reason == want->reason && t->result == (int)fate + 1 &&
	    (!backend || t->backend_id == backend))
		return true;
	snprintf(
		l->said, sizeof(l->said),
		"explained as %d, fate %u, reason %u, backend %u, %u bytes; then it was %d, fate %u, "
		"reason %u, backend %u, %u bytes",
		(int)said.returned, t->result, t->reason, t->backend_id, said.bytes, (int)returned,
		(int)fate + 1, want->reason, backend, out_bytes);
	return false;
}
