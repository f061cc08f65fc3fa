/* SPDX-License-Identifier: BSD-2-Clause */
/* The response factor: what UDP asks gives credit, and answers spend it. */
#include <string.h>

#include "model_step.h"

#define CREDIT_MAX 0xffffffffULL

/* The word of a client at a service's address: tag, the second of its last question, credit. */
struct place {
	uint64_t *word; /* RESPONSE_WAYS of them */
	uint64_t tag, second;
};

static const struct response_service *service_of(const struct model_policy *policy,
						 const struct model_packet *p)
{
	uint16_t port = p->fragment ? 0 : p->flow.dport;
	uint32_t i;

	for (i = 0; i < policy->response.n_service; i++) {
		const struct model_service *s = &policy->response.service[i];

		if (memcmp(&s->key.address, &p->flow.dst, 16) == 0 && s->key.port == port)
			return &s->service;
	}
	return NULL;
}

static struct place place_of(struct model *m, const struct model_packet *p)
{
	const struct response_state *state = &m->policy.response.state;
	struct addr unit = model_unit(p, false);
	const uint32_t half = p->ipv6 ? 0 : 2;
	const uint32_t word[6] = { unit.w[half],     unit.w[half + 1], p->flow.dst.w[0],
				   p->flow.dst.w[1], p->flow.dst.w[2], p->flow.dst.w[3] };
	uint64_t sets = 1ULL << state->set_bits;
	uint64_t set = response_hash(state->key.set, word) * sets >> 32;

	return (struct place) { .word = &m->state.credit[set * RESPONSE_WAYS],
				.tag = response_hash(state->key.tag, word) >> 8 | 1,
				.second = p->frame->now_ns / 1000000000ULL % 256 };
}

/* The first that has its tag, and so much; -1. */
static int find(const struct place *at, uint64_t least)
{
	int i;

	for (i = 0; i < RESPONSE_WAYS; i++) {
		if (at->word[i] >> RESPONSE_TAG_SHIFT == at->tag &&
		    (at->word[i] & CREDIT_MAX) >= least)
			return i;
	}
	return -1;
}

/* An empty one, or that of who asked longest ago; seconds are known modulo 256. */
static int oldest(const struct place *at)
{
	uint64_t most = 0, age;
	int i, found = 0;

	for (i = 0; i < RESPONSE_WAYS; i++) {
		if (at->word[i] == 0)
			return i;
		age = (256 + at->second - (at->word[i] >> RESPONSE_AGE_SHIFT) % 256) % 256 + 1;
		if (age > most) {
			most = age;
			found = i;
		}
	}
	return found;
}

static bool is_declared(const struct model_policy *policy, const struct model_packet *p,
			const struct response_service **service)
{
	if (p->proto != 17 || !policy->response.state.enabled)
		return false;
	*service = service_of(policy, p);
	return *service != NULL;
}

void model_response_ask(struct model *m, struct model_packet *p)
{
	const struct response_service *service;
	uint64_t credit;
	struct place at;
	int way;

	if (!is_declared(&m->policy, p, &service))
		return;
	at = place_of(m, p);
	m->counters.response.asked_bytes += p->wire_bytes;
	credit = (uint64_t)p->wire_bytes * service->factor;
	way = find(&at, 0);
	if (way >= 0) {
		credit += at.word[way] & CREDIT_MAX;
	} else {
		way = oldest(&at);
		m->counters.response.forgotten += at.word[way] != 0;
	}
	if (credit > CREDIT_MAX)
		credit = CREDIT_MAX;
	at.word[way] = at.tag << RESPONSE_TAG_SHIFT | at.second << RESPONSE_AGE_SHIFT | credit;
}

enum model_fate model_response_answer(struct model *m, struct model_packet *p)
{
	const struct response_service *service;
	struct place at;
	int way;

	if (!is_declared(&m->policy, p, &service))
		return MODEL_NEXT;
	at = place_of(m, p);
	way = find(&at, p->wire_bytes);
	if (way < 0 && !(service->flags & RESPONSE_DRY_RUN))
		return model_drop(p, DROP_RESPONSE_FACTOR);
	if (way >= 0)
		at.word[way] -= p->wire_bytes;
	else
		m->counters.response.would_drop_packets += p->packets;
	m->counters.response.answered_bytes += p->wire_bytes;
	return MODEL_NEXT;
}
