/* SPDX-License-Identifier: BSD-2-Clause */
/* What the exit says of packets: the heavy hitters, and the drops that somebody captures. */
#include <string.h>

#include "model_meter.h"
#include "model_step.h"

#define STEP 1024 /* samples, after which strata grow */

static struct model_top_window *window_at(struct model_top_table *t, uint64_t epoch)
{
	struct model_top_window *w = &t->window[epoch & 1];
	const struct model_top_window *before = &t->window[~epoch & 1];

	if (w->begun && w->epoch == epoch) {
		if (t->samples >= STEP)
			t->sampled = true;
		return w;
	}
	*w = (struct model_top_window) { .epoch = epoch, .begun = true };
	t->samples = 0;
	/* As long as 2^14 of them need for as much as the window before. */
	if (before->begun && before->epoch + 1 == epoch && before->credit >= 1 << 15)
		t->sampled = true;
	return w;
}

static void credit(struct model_top_table *t, const struct model_packet *p, uint64_t weight,
		   uint32_t note)
{
	static const struct addr nobody;
	uint32_t half = p->ipv6 ? 0 : 2;
	struct model_top_window *w;

	if (t->sampled)
		return;
	t->samples++;
	w = window_at(t, p->frame->now_ns >> TOP_WINDOW_SHIFT);
	w->credit += weight;
	if (memcmp(&p->source, &nobody, sizeof(nobody)) == 0)
		return;
	if (w->n == MODEL_TOP_SAMPLES) {
		t->sampled = true;
		return;
	}
	w->sample[w->n++] = (struct model_top_sample) { .key = (uint64_t)p->source.w[half] << 32 |
							       p->source.w[half + 1],
							.weight = weight,
							.kind = p->ipv6,
							.note = note };
}

static uint32_t class_that_dropped(const struct model_packet *p)
{
	uint32_t i;

	for (i = 0; i < MODEL_LIMITS_MAX; i++) {
		if (p->limit[i].outcome == MODEL_REFUSED)
			return p->limit[i].id;
	}
	return 0;
}

static void capture(struct model *m, struct model_packet *p)
{
	const struct capture *c = &m->policy.capture;
	struct model_capture_state *s = &m->state.capture;
	model_time now = meter_now(p->frame->now_ns);

	if (p->frame->now_ns >= c->until_ns || !(c->reasons >> p->reason & 1))
		return;
	p->captured = meter_has(&s->tat[p->reason], &c->rate, now, 1, true);
	if (p->captured)
		meter_take(&s->tat[p->reason], &c->rate, now, 1);
	else
		s->missed++;
	p->capture_class = class_that_dropped(p);
}

void model_top_egress(struct model *m, struct model_packet *p, enum model_fate fate)
{
	if (fate == MODEL_DROP)
		credit(&m->state.top[TOP_DROPS], p, p->packets,
		       top_note(p->reason, class_that_dropped(p)));
}

void model_top(struct model *m, struct model_packet *p, enum model_fate fate)
{
	uint32_t note = 0;

	if (fate == MODEL_DROP) {
		note = top_note(p->reason, class_that_dropped(p));
		credit(&m->state.top[TOP_DROPS], p, p->packets, note);
		capture(m, p);
	}
	credit(&m->state.top[TOP_BYTES], p, p->wire_bytes, note);
}
