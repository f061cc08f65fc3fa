/* SPDX-License-Identifier: BSD-2-Clause */
/* Which backend a packet has in a slot that a change has moved. */
#include <string.h>

#include "bpf/plane.h"
#include "model_step.h"

static struct model_flow *find(struct model_flow_state *s, const struct flow_key *key)
{
	uint32_t i;

	for (i = 0; i < s->n_flow; i++) {
		if (memcmp(&s->flow[i].key, key, sizeof(*key)) == 0)
			return &s->flow[i];
	}
	return NULL;
}

static const struct backend *alive(const struct model_policy *policy, uint32_t id)
{
	const struct backend *b = id && id < MODEL_BACKENDS ? &policy->backend[id] : NULL;

	return b && (b->flags & BACKEND_READY) && !(b->flags & BACKEND_DEAD) ? b : NULL;
}

/* May one more be noted in this second? */
static bool is_in_rate(struct vip_flow_meter *m, uint64_t now_ns, uint32_t per_s)
{
	if (now_ns - m->second_ns >= PLANE_SECOND)
		*m = (struct vip_flow_meter) { .second_ns = now_ns };
	if (m->notes >= per_s)
		return false;
	m->notes++;
	return true;
}

static bool note(struct model *m, const struct flow_key *key, uint32_t vip, uint32_t backend,
		 bool syn, uint64_t now_ns)
{
	struct model_flow_state *s = &m->state.flow;
	struct stats_flow *count = &m->counters.flow[vip];
	struct model_flow *f = find(s, key);
	enum vip_flow_kind kind = syn ? VIP_FLOW_SYN : VIP_FLOW_OTHER;

	if (!is_in_rate(&m->state.flow_meter[vip][kind], now_ns,
			syn ? PLANE_SYNS_PER_S : PLANE_NOTES_PER_S)) {
		count->over_rate++;
		return false;
	}
	if (!f && s->n_flow == MODEL_FLOWS) {
		count->refused++;
		return false;
	}
	if (!f)
		f = &s->flow[s->n_flow++];
	f->key = *key;
	f->note = (struct vip_flow) { .backend = backend,
				      .generation = m->policy.backend[backend].generation,
				      .made_ns = now_ns,
				      .seen_ns = now_ns };
	count->noted++;
	return true;
}

/* What is not noted stays with the backend of before, if it can. */
static uint32_t choose_new(struct model *m, const struct model_packet *p,
			   const struct flow_key *key, const struct vip_slot *slot)
{
	bool is_told_by_ring = slot->backend == slot->before && !find(&m->state.flow, key);

	if (!alive(&m->policy, slot->backend) || is_told_by_ring ||
	    note(m, key, p->vip->id, slot->backend, true, p->frame->now_ns))
		return slot->backend;
	return alive(&m->policy, slot->before) ? slot->before : slot->backend;
}

static uint32_t choose_other(struct model *m, const struct model_packet *p,
			     const struct flow_key *key, const struct vip_slot *slot)
{
	if (!alive(&m->policy, slot->before))
		return slot->backend;
	if (slot->backend != slot->before && !p->tcp_rst && !p->quotes)
		note(m, key, p->vip->id, slot->before, false, p->frame->now_ns);
	return slot->before;
}

uint32_t model_flow_choose(struct model *m, const struct model_packet *p,
			   const struct flow_key *key, const struct vip_slot *slot)
{
	uint64_t now_ns = p->frame->now_ns;
	struct model_flow *f;

	if (!slot->before)
		return slot->backend;
	f = find(&m->state.flow, key);
	if (f && alive(&m->policy, f->note.backend) &&
	    m->policy.backend[f->note.backend].generation == f->note.generation) {
		if (now_ns - f->note.seen_ns >= PLANE_SECOND)
			f->note.seen_ns = now_ns;
		return f->note.backend;
	}
	if (slot->before == VIP_BEFORE_OVER)
		return slot->backend;
	return p->syn && !p->fragment && !p->quotes ? choose_new(m, p, key, slot)
						    : choose_other(m, p, key, slot);
}
