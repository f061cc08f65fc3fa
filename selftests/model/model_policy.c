/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists, verdicts and vips: each a list that is searched from end to end. */
#include <string.h>

#include "model_step.h"
#include "sluice/abi/flow_hash.h"

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

static const struct vip *vip_with(const struct model_policy *policy, const struct vip_key *key)
{
	uint32_t i;

	for (i = 0; i < policy->n_vip; i++) {
		if (memcmp(&policy->vip_key[i], key, sizeof(*key)) == 0)
			return &policy->vip[i];
	}
	return NULL;
}

/* Of the longest prefix that has the address and is about the protocol. */
static const struct vip_wide *wide_of(const struct model_policy *policy,
				      const struct model_packet *p)
{
	const struct vip_wide *best = NULL;
	uint32_t i, bit, longest = 0;

	for (i = 0; i < policy->n_wide; i++) {
		const struct vip_wide_key *key = &policy->wide_key[i];

		for (bit = 0; bit + VIP_WIDE_PROTO_BITS < key->len_bits; bit++) {
			if ((key->addr.b[bit / 8] ^ p->flow.dst.b[bit / 8]) & (0x80 >> bit % 8))
				break;
		}
		if (key->proto != p->flow.proto || bit + VIP_WIDE_PROTO_BITS < key->len_bits ||
		    key->len_bits < longest)
			continue;
		longest = key->len_bits;
		best = &policy->wide[i];
	}
	return best;
}

static const struct vip *wide_vip(const struct model_policy *policy, const struct model_packet *p)
{
	const struct vip_wide *wide = wide_of(policy, p);
	uint16_t port = __builtin_bswap16(p->flow.dport);
	uint32_t i;

	if (!wide)
		return NULL;
	if (p->fragment)
		return vip_with(policy, &wide->fragments);
	for (i = 0; i < wide->n; i++) {
		if (port >= wide->span[i].first && port <= wide->span[i].last)
			return vip_with(policy, &wide->span[i].key);
	}
	return NULL;
}

/* Its own address and port, else the longest prefix; fragments go by the latter alone. */
enum model_fate model_vip_find(const struct model_policy *policy, struct model_packet *p)
{
	struct vip_key key = { .addr = p->flow.dst, .port = p->flow.dport, .proto = p->flow.proto };

	if (p->portless || (p->flow.proto != 6 && p->flow.proto != 17) || !policy->n_vip)
		return MODEL_NEXT;
	if (!p->fragment)
		p->vip = vip_with(policy, &key);
	if (p->fragment || (!p->vip && policy->has_wide))
		p->vip = wide_vip(policy, p);
	return MODEL_NEXT;
}

enum model_fate model_vip(struct model *m, struct model_packet *p)
{
	const struct model_policy *policy = &m->policy;
	struct flow_key flow = p->flow;
	uint32_t slot, l3_bytes = p->l3_bytes;

	if (!p->vip)
		return MODEL_PASS;
	if (p->fragment)
		flow.sport = flow.dport = 0;
	slot = flow_hash_vip_slot(&flow, p->vip);
	p->backend_id = model_quic(m, p);
	if (p->backend_id == 0)
		p->backend_id = model_flow_choose(
			m, p, &flow, &policy->ring[p->vip->id][p->vip->ring & 1][slot]);
	if (p->backend_id == 0)
		return model_drop(p, DROP_NO_BACKEND);
	if (p->backend_id >= MODEL_BACKENDS ||
	    !(policy->backend[p->backend_id].flags & BACKEND_READY))
		return model_drop(p, DROP_BACKEND_GONE);
	p->backend = &policy->backend[p->backend_id];
	/* Merged packets leave as they came, so one of them has to fit. */
	if (p->frame->segment_bytes)
		l3_bytes = p->headers_bytes - p->l2_bytes + p->frame->segment_bytes;
	if (l3_bytes > p->backend->mtu)
		return model_drop(p, DROP_TOO_BIG);
	model_mss(p);
	return model_encap(p);
}
