/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of the steps, and what the one exit counts. */
#include <string.h>

#include "model_step.h"

enum model_fate model_drop(struct model_packet *p, enum drop_reason reason)
{
	p->reason = reason;
	return MODEL_DROP;
}

struct addr model_unit(const struct model_packet *p, bool wide)
{
	uint32_t bytes = p->ipv6 ? (wide ? 6 : 8) : (wide ? 15 : 16);
	struct addr unit = { 0 };

	memcpy(unit.b, p->source.b, bytes);
	return unit;
}

struct model_client *model_client_find(struct model_state *s, const struct client_key *key)
{
	uint32_t i;

	for (i = 0; i < s->n_client; i++) {
		if (memcmp(&s->client[i].key, key, sizeof(*key)) == 0)
			return &s->client[i];
	}
	return NULL;
}

static void count(const struct model_packet *p, struct stats_count *c)
{
	c->packets += p->packets;
	c->bytes += p->wire_bytes;
}

static void count_limits(struct model_counters *c, const struct model_packet *p,
			 enum model_fate fate)
{
	uint32_t i;

	for (i = 0; i < MODEL_LIMITS_MAX; i++) {
		const struct model_limit *l = &p->limit[i];

		if (l->near && p->marked)
			count(p, &c->limit[l->id].marked);
		if (l->outcome == MODEL_ADMITTED)
			count(p, &c->limit[l->id].admitted);
		else if (l->outcome == MODEL_REFUSED)
			count(p, &c->limit[l->id].dropped[l->unit]);
		else if (l->outcome == MODEL_WOULD_REFUSE && fate != MODEL_DROP)
			count(p, &c->limit[l->id].would_drop[l->unit]);
	}
}

static void count_all(struct model_counters *c, const struct model_packet *p, enum model_fate fate)
{
	count(p, &c->drop[DROP_NONE]);
	count_limits(c, p, fate);
	/* What is too big is dropped as that, answered or not. */
	if (fate == MODEL_DROP || (fate == MODEL_REPLY && p->reason))
		count(p, &c->drop[p->reason]);
	if (fate == MODEL_DROP) {
		count(p, &c->action[STATS_DROP]);
	} else {
		count(p, &c->action[fate == MODEL_TX	  ? STATS_FORWARD
				    : fate == MODEL_REPLY ? STATS_REPLY
							  : STATS_PASS]);
	}
	if (p->guard.count)
		c->guard[p->vip ? p->vip->id : GUARD_OWN].packets[p->guard.count]++;
	if (p->vip && (fate != MODEL_REPLY || p->reason)) {
		struct stats_vip *v = &c->vip[p->vip->id];

		count(p, p->reason ? &v->dropped : &v->forwarded);
		v->connections += fate == MODEL_TX && p->syn;
	}
	if (fate == MODEL_TX)
		count(p, &c->backend[p->backend_id]);
}

void model_count_egress(struct model_counters *c, const struct model_packet *p,
			enum model_fate fate)
{
	count(p, &c->action[fate == MODEL_DROP ? STATS_EGRESS_DROP : STATS_EGRESS_PASS]);
	count_limits(c, p, fate);
	if (fate == MODEL_DROP)
		count(p, &c->drop[p->reason]);
}

static enum model_fate decide(struct model *m, struct model_packet *p)
{
	enum model_fate fate = model_parse(&m->policy, p);

	if (fate == MODEL_NEXT)
		fate = model_acl(&m->policy, p);
	if (fate == MODEL_NEXT)
		fate = model_verdict(&m->policy, p);
	if (fate == MODEL_NEXT)
		fate = model_nat_back(m, p);
	if (fate == MODEL_NEXT)
		fate = model_vip_find(&m->policy, p);
	if (fate == MODEL_NEXT)
		fate = model_guard(m, p);
	if (fate == MODEL_NEXT)
		fate = model_limit(m, p);
	if (fate == MODEL_NEXT) {
		model_response_ask(m, p);
		fate = model_echo(m, p);
	}
	if (fate == MODEL_NEXT)
		fate = model_nat_find(m, p);
	if (fate == MODEL_NEXT)
		fate = model_vip(m, p);
	if (fate == MODEL_NEXT)
		fate = model_mtu(m, p);
	if (fate == MODEL_NEXT) {
		model_mss(p);
		fate = model_nat(m, p);
	}
	return fate == MODEL_NEXT ? model_encap(p) : fate;
}

enum model_fate model_run(struct model *m, struct model_frame *frame, struct model_packet *ret)
{
	enum model_fate fate;

	memset(ret, 0, sizeof(*ret));
	ret->frame = frame;
	ret->packets = frame->segments ? frame->segments : 1;
	fate = decide(m, ret);
	count_all(&m->counters, ret, fate);
	model_top(m, ret, fate);
	if (fate == MODEL_TX)
		memcpy(frame->bytes, ret->link, sizeof(ret->link));
	return fate;
}
