/* SPDX-License-Identifier: BSD-2-Clause */
/* What an operator or the agent may do while packets flow, in one step each. */
#include <string.h>

#include "world_part.h"

/* The agent's word for a source, or meters of its own in a class. */
static void prove(struct draw *d, struct model_state *s)
{
	struct client_key key = { .limit_class = draw(d, 2) ? 0 : draw(d, MODEL_CLASSES) };
	bool ipv6 = draw(d, 2);
	uint32_t i;

	key.source = world_mask(world_source(d, ipv6), ipv6 ? 64 : 128);
	for (i = 0; i < s->n_client; i++) {
		if (memcmp(&s->client[i].key, &key, sizeof(key)) == 0)
			return;
	}
	if (s->n_client < MODEL_CLIENTS / 2)
		s->client[s->n_client++] =
			(struct model_client) { .key = key, .client = { .proof = 1 + draw(d, 3) } };
}

/* New rates, written into the version that is not in force, and flipped. */
static void change_rates(struct draw *d, struct model_policy *policy, uint32_t id)
{
	struct limit_class *c = &policy->class[id];

	if (!c->row_bits || (c->rates[c->active].flags & LIMIT_CARRYING))
		return;
	c->active = !c->active;
	world_rates(d, &c->rates[c->active]);
	if (draw_one_in(d, 6)) /* removed, until it has rates again */
		memset(&c->rates[c->active], 0, sizeof(c->rates[c->active]));
}

void world_change(struct draw *d, uint64_t now_ns, struct model_policy *policy,
		  struct model_state *state)
{
	struct backend *b;

	switch (draw(d, 16)) {
	case 0:
	case 1:
		change_rates(d, policy, 1 + draw(d, MODEL_CLASSES - 1));
		break;
	case 2:
		world_verdicts(d, now_ns, policy);
		break;
	case 3:
		policy->vip[draw(d, MODEL_VIP_KEYS)].ring ^= 1;
		b = &policy->backend[1 + draw(d, MODEL_BACKENDS - 1)];
		world_backend(d, b);
		world_nat_backend(d, policy, b);
		if (draw(d, 2))
			world_wide(d, policy);
		break;
	case 4:
		if (policy->state.charge_both)
			break;
		world_row_key(d, &policy->state.key[!policy->state.active_key]);
		policy->state.charge_both = 1;
		break;
	case 5:
		policy->state.active_key ^= policy->state.charge_both;
		policy->state.charge_both = 0;
		break;
	case 6:
		world_guard_change(d, policy);
		break;
	case 7:
		policy->set[draw(d, MODEL_CLASSES)][draw(d, LIMIT_SERVICES)] = world_set_entry(d);
		policy->set[0][draw(d, 2) ? 0 : draw(d, LIMIT_SERVICES)] = world_set_entry(d);
		break;
	case 8:
		policy->state.kind_class[1 + draw(d, LIMIT_KINDS - 1)] =
			(uint8_t)draw(d, MODEL_CLASSES);
		break;
	case 10:
		world_capture_make(d, now_ns, policy);
		break;
	case 9:
		world_response_make(d, policy);
		break;
	case 11:
		world_quic_make(d, policy);
		break;
	case 13:
		world_nat_change(d, policy);
		break;
	case 12:
		world_ring(d, policy);
		break;
	default:
		prove(d, state);
		break;
	}
}
