/* SPDX-License-Identifier: BSD-2-Clause */
/* Translated flows: none before a round, and the same as the model's after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lane_part.h"

#define FLOWS_BYTES	 (MODEL_NAT_FLOWS * sizeof(struct nat_flow))
#define CONCURRENT_BYTES (8192 * sizeof(struct limit_concurrent_set)) /* as it is by default */

_Static_assert(sizeof(((struct model_nat_policy *)0)->vip) == MODEL_VIPS * sizeof(struct nat_vip),
	       "one for each vip");

void lane_nat_open(struct lane *l)
{
	l->nat_state = lane_map_memory(l, "nat_state", sizeof(*l->nat_state));
	l->nat_flow = lane_map_memory(l, "nat_flow", FLOWS_BYTES);
	l->concurrent = lane_map_memory(l, "limit_concurrent", CONCURRENT_BYTES);
	l->model.kernel.nat_flow = l->nat_flow;
}

void lane_nat_close(struct lane *l)
{
	lane_unmap(l->nat_state, sizeof(*l->nat_state));
	lane_unmap(l->nat_flow, FLOWS_BYTES);
	lane_unmap(l->concurrent, CONCURRENT_BYTES);
}

void lane_nat_forget(struct lane *l)
{
	lane_empty(l, "nat_tuple");
	memset(l->nat_state, 0, sizeof(*l->nat_state));
	memset(l->nat_flow, 0, FLOWS_BYTES);
	memset(l->concurrent, 0, CONCURRENT_BYTES);
	l->n_sent = 0;
}

void lane_nat_write(struct lane *l)
{
	const struct model_nat_policy *n = &l->model.policy.nat;
	uint32_t i;

	l->nat_state->is_on = n->is_on;
	if (!l->nat_state->max_flows) { /* else it is what lane_nat_resize has made of it */
		l->nat_state->max_flows = n->max_flows;
		l->nat_state->max_young = n->max_young;
	}
	memcpy(l->nat_state->timeout_ns, n->timeout_ns, sizeof(n->timeout_ns));
	for (i = 1; i < MODEL_VIPS; i++)
		lane_put(l, "nat_vip", &i, &n->vip[i]);
}

void lane_nat_sent(struct lane *l, const struct model_packet *p)
{
	struct lane_sent *s = &l->sent[l->n_sent % LANE_SENT];
	const uint8_t *ip = p->frame->bytes + p->l2_bytes;

	if (p->quotes || p->frame->len > sizeof(s->bytes))
		return;
	s->len = p->frame->len;
	s->l3_at = p->l2_bytes;
	s->l4_at = p->l2_bytes + (p->ipv6 ? 40U : (ip[0] & 15) * 4U);
	s->ipv6 = p->ipv6;
	s->proto = p->proto;
	memcpy(s->bytes, p->frame->bytes, s->len);
	l->n_sent++;
}

static bool has_tuple(const struct lane *l, const struct flow_key *key, uint32_t slot,
		      uint32_t is_back)
{
	struct nat_ref ref;

	return bpf_map_lookup_elem(plane_map(&l->plane, "nat_tuple"), key, &ref) == 0 &&
	       ref.slot == slot && ref.life == l->nat_flow[slot].life && ref.is_back == is_back;
}

static bool is_same(const struct lane *l, const struct model_nat_flow *f, uint32_t slot)
{
	const struct nat_flow *is = &l->nat_flow[slot];

	if (!f->lives)
		return is->phase == NAT_FREE;
	return is->phase == f->phase && is->until_ns == f->until_ns && is->is_young == f->young &&
	       is->vip_id == f->vip_id && is->backend_id == f->backend_id &&
	       is->backend_generation == f->generation && is->ifindex == f->ifindex &&
	       memcmp(is->client_mac, f->client_mac, 6) == 0 &&
	       memcmp(is->edge_mac, f->edge_mac, 6) == 0 &&
	       memcmp(&is->client, &f->client, sizeof(f->client)) == 0 &&
	       memcmp(&is->answer, &f->answer, sizeof(f->answer)) == 0 &&
	       has_tuple(l, &f->client, slot, 0) && has_tuple(l, &f->answer, slot, 1);
}

static uint32_t count_tuples(const struct lane *l)
{
	struct flow_key key, *at = NULL;
	uint32_t n = 0;

	for (; bpf_map_get_next_key(plane_map(&l->plane, "nat_tuple"), at, &key) == 0; at = &key)
		n++;
	return n;
}

/* What all flows count for, in whichever words. */
static uint32_t count_connections(const struct lane *l)
{
	const __u64 *word = l->concurrent->word;
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < CONCURRENT_BYTES / 8; i++)
		sum += word[i] & LIMIT_CONCURRENT_COUNT;
	return (uint32_t)sum;
}

bool lane_nat_check(struct lane *l)
{
	const struct model_nat_state *s = &l->model.state.nat;
	uint32_t i, k, flows = 0, young = 0, counted = 0;

	for (i = 0; i < MODEL_NAT_FLOWS; i++) {
		const struct model_nat_flow *f = &s->flow[i];

		if (!is_same(l, f, i)) {
			snprintf(l->said, sizeof(l->said),
				 "nat %u: the model has phase %u until %llu, young %d, the map %u"
				 " until %llu, young %u, or others",
				 i, f->lives ? f->phase : 0, (unsigned long long)f->until_ns,
				 f->young, l->nat_flow[i].phase,
				 (unsigned long long)l->nat_flow[i].until_ns,
				 l->nat_flow[i].is_young);
			return false;
		}
		flows += f->lives;
		young += f->lives && f->young;
		for (k = 0; k < LIMIT_SET_CLASSES; k++)
			counted += f->lives && f->counted[k].id;
	}
	if (l->nat_state->max_flows != l->model.policy.nat.max_flows ||
	    l->nat_state->max_young != l->model.policy.nat.max_young) {
		snprintf(l->said, sizeof(l->said), "nat: room for %u flows, %u of them young",
			 l->nat_state->max_flows, l->nat_state->max_young);
		return false;
	}
	if (l->nat_state->young == young && l->nat_state->hand == s->hand &&
	    count_tuples(l) == 2 * flows && count_connections(l) == counted)
		return true;
	snprintf(
		l->said, sizeof(l->said),
		"nat: the model has %u flows, %u young, hand %u, %u connections; the maps %u tuples,"
		" %u, %u, %u",
		flows, young, s->hand, counted, count_tuples(l), l->nat_state->young,
		l->nat_state->hand, count_connections(l));
	return false;
}
