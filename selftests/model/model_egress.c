/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out (docs/feature/egress.md): packets seen from the side of who they go to. */
#include <string.h>

#include "model_bytes.h"

/* The host itself is not policed; what is of an odd transport is limited all the same. */
static enum model_fate parse(const struct model_policy *policy, struct model_packet *p)
{
	enum model_fate fate = model_parse(policy, p);

	if (p->reason == DROP_UNKNOWN_L4)
		fate = MODEL_NEXT;
	p->reason = DROP_NONE;
	return fate == MODEL_DROP ? MODEL_PASS : fate;
}

/* 0..3, RFC 3168: the low two bits of the traffic class. */
static uint32_t ecn(const struct model_packet *p)
{
	const uint8_t *ip = p->frame->bytes + p->l2_bytes;

	return p->ipv6 ? ip[1] >> 4 & 3 : ip[1] & 3;
}

static void turn(struct model_packet *p)
{
	struct flow_key flow = p->flow;

	p->flow.src = flow.dst;
	p->flow.sport = flow.dport;
	p->flow.dst = flow.src;
	p->flow.dport = flow.sport;
	p->source = p->flow.src;
	p->ect = ecn(p) == 1 || ecn(p) == 2;
}

static uint32_t folded(uint32_t sum)
{
	return (sum & 0xffff) + (sum >> 16);
}

/* Congestion experienced; of the checksum RFC 1624's equation 3. */
static void mark(struct model_packet *p)
{
	uint8_t *ip = p->frame->bytes + p->l2_bytes;
	uint32_t before = bytes_16(ip), sum;

	p->marked = true;
	if (p->ipv6) {
		ip[1] |= 0x30;
		return;
	}
	ip[1] |= 3;
	sum = folded((~bytes_16(ip + 10) & 0xffff) + (~before & 0xffff));
	sum = ~folded(sum + bytes_16(ip));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static enum model_fate decide(struct model *m, struct model_packet *p)
{
	enum model_fate fate = parse(&m->policy, p);

	if (fate == MODEL_NEXT)
		fate = model_vip_find(&m->policy, p);
	if (fate != MODEL_NEXT || p->vip)
		return MODEL_PASS;
	turn(p);
	fate = model_response_answer(m, p);
	if (fate != MODEL_NEXT)
		return fate;
	/* Whom the lists deny is sent to all the same. */
	if (model_acl(&m->policy, p) == MODEL_DROP)
		p->reason = DROP_NONE;
	fate = model_limit_egress(m, p);
	if (fate == MODEL_NEXT && p->ect && model_limit_is_near(p))
		mark(p);
	return fate == MODEL_NEXT ? MODEL_PASS : fate;
}

enum model_fate model_run_egress(struct model *m, struct model_frame *frame,
				 struct model_packet *ret)
{
	enum model_fate fate;

	memset(ret, 0, sizeof(*ret));
	ret->frame = frame;
	ret->packets = frame->segments ? frame->segments : 1;
	fate = decide(m, ret);
	model_count_egress(&m->counters, ret, fate);
	model_top_egress(m, ret, fate);
	return fate;
}
