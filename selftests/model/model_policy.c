/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists and verdicts: each a list that is searched from end to end. */
#include <string.h>

#include "model_step.h"

static bool covers(const struct prefix *prefix, const struct model_packet *p)
{
	uint32_t bit;

	/* A prefix of IPv6, ::/0 too, says nothing about IPv4. */
	if (!p->ipv6 && prefix->len_bits < ADDR_V4_BITS)
		return false;
	for (bit = 0; bit < prefix->len_bits; bit++) {
		if ((prefix->addr.b[bit / 8] ^ p->source.b[bit / 8]) & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

enum model_fate model_acl(const struct model_policy *policy, struct model_packet *p)
{
	uint32_t i, longest = 0;

	for (i = 0; i < policy->n_allow; i++) {
		if (covers(&policy->allow[i], p)) {
			p->exempt = true;
			return MODEL_NEXT;
		}
	}
	for (i = 0; i < policy->n_deny; i++) {
		if (covers(&policy->deny[i], p))
			return model_drop(p, DROP_ACL_DENY);
	}
	for (i = 0; i < policy->n_group; i++) {
		const struct model_group *g = &policy->group[i];

		if (covers(&g->prefix, p) && g->prefix.len_bits >= longest) {
			longest = g->prefix.len_bits;
			p->group = g->group;
		}
	}
	return MODEL_NEXT;
}

/* In force, and of this packet: drop_new means SYNs, and all that is not TCP. */
static bool takes(const struct model_packet *p, uint8_t action, uint64_t until_ns)
{
	if (until_ns <= p->frame->now_ns)
		return false;
	return action == VERDICT_DROP || (action == VERDICT_DROP_NEW && (p->syn || p->proto != 6));
}

/* The narrower of two that both would drop it counts the packet. */
static bool on_source(struct model_policy *policy, const struct model_packet *p)
{
	struct model_source_verdict *hit = NULL;
	uint32_t i;

	for (i = 0; i < policy->n_source_verdict; i++) {
		struct model_source_verdict *v = &policy->source_verdict[i];

		if (covers(&v->prefix, p) && takes(p, v->action, v->until_ns) &&
		    (!hit || v->prefix.len_bits > hit->prefix.len_bits))
			hit = v;
	}
	if (hit)
		hit->dropped_packets += p->packets;
	return hit != NULL;
}

static bool on_flow(struct model_policy *policy, const struct model_packet *p)
{
	uint32_t i;

	for (i = 0; i < policy->n_flow_verdict && !p->quotes; i++) {
		struct model_flow_verdict *v = &policy->flow_verdict[i];

		if (memcmp(&v->flow, &p->flow, sizeof(p->flow)) == 0 &&
		    takes(p, v->action, v->until_ns)) {
			v->dropped_packets += p->packets;
			return true;
		}
	}
	return false;
}

enum model_fate model_verdict(struct model_policy *policy, struct model_packet *p)
{
	if (p->exempt)
		return MODEL_NEXT;
	if (on_source(policy, p))
		return model_drop(p, DROP_VERDICT_SOURCE);
	if (on_flow(policy, p))
		return model_drop(p, DROP_VERDICT_FLOW);
	return MODEL_NEXT;
}
