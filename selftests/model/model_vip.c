/* SPDX-License-Identifier: BSD-2-Clause */
/* Vips: which one a packet goes to, and which backend of it. */
#include <string.h>

#include "model_step.h"
#include "sluice/abi/flow_hash.h"

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
				      const struct model_packet *p, uint32_t proto)
{
	const struct vip_wide *best = NULL;
	uint32_t i, bit, longest = 0;

	for (i = 0; i < policy->n_wide; i++) {
		const struct vip_wide_key *key = &policy->wide_key[i];

		for (bit = 0; bit + VIP_WIDE_PROTO_BITS < key->len_bits; bit++) {
			if ((key->addr.b[bit / 8] ^ p->flow.dst.b[bit / 8]) & (0x80 >> bit % 8))
				break;
		}
		if (key->proto != proto || bit + VIP_WIDE_PROTO_BITS < key->len_bits ||
		    key->len_bits < longest)
			continue;
		longest = key->len_bits;
		best = &policy->wide[i];
	}
	return best;
}

static const struct vip *wide_vip(const struct model_policy *policy, const struct model_packet *p)
{
	const struct vip_wide *wide = wide_of(policy, p, p->flow.proto);
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

bool model_vip_echoes(const struct model_policy *policy, const struct model_packet *p)
{
	const struct vip_wide *wide = wide_of(policy, p, 6);
	const struct vip *vip;

	if (!wide)
		wide = wide_of(policy, p, 17);
	vip = wide ? vip_with(policy, &wide->fragments) : NULL;
	return vip && (vip->flags & VIP_ECHO);
}

enum model_fate model_vip(struct model *m, struct model_packet *p)
{
	const struct model_policy *policy = &m->policy;
	struct flow_key flow = p->flow;
	uint32_t slot;

	if (!p->vip)
		return MODEL_PASS;
	if (p->backend) /* of a flow that is translated */
		return MODEL_NEXT;
	if (p->fragment)
		flow.sport = flow.dport = 0;
	slot = flow_hash_vip_slot(&flow, p->vip);
	p->flow_bits = flow_hash(&flow, p->vip->hash_seed) & 0xffff;
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
	return MODEL_NEXT;
}
