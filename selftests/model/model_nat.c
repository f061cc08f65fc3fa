/* SPDX-License-Identifier: BSD-2-Clause */
/* Translated flows: which a packet is of, how far it is, and when it ends. */
#include <string.h>

#include "model_nat_step.h"

#define SECOND_NS   1000000000ULL
#define SWEEP_SLOTS 4 /* others that a flow looks at when it is written */

#define TCP_FIN 0x01

bool model_nat_is_over(const struct model_nat_flow *f, uint64_t now_ns)
{
	return now_ns >= f->until_ns;
}

void model_nat_end(struct model *m, struct model_nat_flow *f)
{
	struct stats_nat *s = &m->counters.nat[f->backend_id];

	s->ended++;
	s->expired += f->phase != NAT_CLOSED;
	f->lives = false;
}

struct model_nat_flow *model_nat_with(struct model *m, const struct flow_key *key)
{
	struct model_nat_flow *f;
	uint32_t i;

	for (i = 0; i < MODEL_NAT_FLOWS; i++) {
		f = &m->state.nat.flow[i];
		if (f->lives && (memcmp(&f->client, key, sizeof(*key)) == 0 ||
				 memcmp(&f->answer, key, sizeof(*key)) == 0))
			return f;
	}
	return NULL;
}

static struct model_nat_flow *of_packet(struct model *m, struct model_packet *p, bool is_back)
{
	struct model_nat_flow *f = model_nat_with(m, &p->flow);

	if (!f || memcmp(is_back ? &f->answer : &f->client, &p->flow, sizeof(p->flow)) != 0)
		return NULL;
	if (!model_nat_is_over(f, p->frame->now_ns))
		return f;
	model_nat_end(m, f);
	return NULL;
}

enum model_fate model_nat_shape(struct model_packet *p)
{
	const uint8_t *ip = p->frame->bytes + p->l2_bytes;

	if (p->ipv6 && ip[6] != p->proto)
		return model_drop(p, DROP_NAT_SHAPE);
	return ip[p->ipv6 ? 7 : 8] < 2 ? model_drop(p, DROP_TTL) : MODEL_NEXT;
}

/* docs/feature/nat.md's table. */
static uint64_t timeout_of(const struct model_nat_policy *n, uint32_t proto, enum nat_phase phase)
{
	if (proto == 17)
		return n->timeout_ns[phase == NAT_ESTABLISHED ? NAT_TIMEOUT_UDP_ESTABLISHED
							      : NAT_TIMEOUT_UDP_OPENING];
	if (phase == NAT_CLOSED)
		return n->timeout_ns[NAT_TIMEOUT_TCP_CLOSED];
	if (phase == NAT_CLIENT_FIN || phase == NAT_BACKEND_FIN)
		return n->timeout_ns[NAT_TIMEOUT_TCP_CLOSING];
	return n->timeout_ns[phase == NAT_ESTABLISHED ? NAT_TIMEOUT_TCP_ESTABLISHED
						      : NAT_TIMEOUT_TCP_OPENING];
}

/* Asked, answered, gone on; then each side may end it, or one of them at once. */
static enum nat_phase next_phase(const struct model_packet *p, const struct model_nat_flow *f,
				 bool is_back)
{
	const enum nat_phase mine = is_back ? NAT_BACKEND_FIN : NAT_CLIENT_FIN;
	const uint8_t *tcp = p->frame->bytes + p->l2_bytes +
			     (p->ipv6 ? 40 : (p->frame->bytes[p->l2_bytes] & 15) * 4);
	bool is_tcp = p->proto == 6, fin = is_tcp && (tcp[13] & TCP_FIN);
	enum nat_phase phase = f->phase;

	if (is_tcp && p->tcp_rst)
		return NAT_CLOSED;
	if (phase == NAT_OPENING)
		return is_back ? NAT_ANSWERED : NAT_OPENING;
	if (phase == NAT_ANSWERED && !is_back && (!is_tcp || p->tcp_ack))
		phase = NAT_ESTABLISHED;
	if (!fin || phase == NAT_ANSWERED || phase == mine)
		return phase;
	return phase == NAT_ESTABLISHED ? mine : NAT_CLOSED;
}

void model_nat_sweep(struct model *m, uint64_t now_ns)
{
	struct model_nat_state *s = &m->state.nat;
	uint32_t i;

	for (i = 0; i < SWEEP_SLOTS; i++) {
		struct model_nat_flow *f = &s->flow[s->hand++ % m->policy.nat.max_flows];

		if (f->lives && model_nat_is_over(f, now_ns))
			model_nat_end(m, f);
	}
}

static void learn(const struct model_packet *p, struct model_nat_flow *f)
{
	memcpy(f->client_mac, p->frame->bytes + 6, 6);
	memcpy(f->edge_mac, p->frame->bytes, 6);
	f->ifindex = p->frame->ifindex;
}

/* Each packet sets the flow's time anew, which is written if it differs by a second. */
static void touch(struct model *m, const struct model_packet *p, struct model_nat_flow *f,
		  bool is_back)
{
	enum nat_phase next = next_phase(p, f, is_back);
	uint64_t until_ns = p->frame->now_ns + timeout_of(&m->policy.nat, p->proto, next);

	if (next == f->phase && until_ns < f->until_ns + SECOND_NS &&
	    f->until_ns <= until_ns + SECOND_NS)
		return;
	/* The client went on after an answer, perhaps to end it. */
	if (next >= NAT_ESTABLISHED && next != NAT_CLOSED)
		f->young = false;
	f->phase = next;
	f->until_ns = until_ns;
	model_nat_sweep(m, p->frame->now_ns);
	if (!is_back)
		learn(p, f);
}

static enum model_fate translate(struct model *m, struct model_packet *p, struct model_nat_flow *f,
				 bool is_back)
{
	enum model_fate fate = model_nat_shape(p);

	if (fate != MODEL_NEXT)
		return fate;
	if (!p->quotes)
		touch(m, p, f, is_back);
	return model_nat_rewrite(p, f, is_back);
}

enum model_fate model_nat_back(struct model *m, struct model_packet *p)
{
	struct model_nat_flow *f;
	enum model_fate fate;

	if (!m->policy.nat.is_on || p->fragment || p->portless ||
	    (p->flow.proto != 6 && p->flow.proto != 17))
		return MODEL_NEXT;
	f = of_packet(m, p, true);
	if (!f)
		return MODEL_NEXT;
	if (f->phase < NAT_ESTABLISHED)
		model_mss_back(p, &m->policy.backend[f->backend_id]);
	fate = translate(m, p, f, true);
	if (fate != MODEL_TX)
		return fate;
	m->counters.nat[f->backend_id].answer_packets += p->packets;
	m->counters.nat[f->backend_id].answer_bytes += p->wire_bytes;
	p->egress_ifindex = f->ifindex;
	memcpy(p->link, f->client_mac, 6);
	memcpy(p->link + 6, f->edge_mac, 6);
	p->nat = f;
	return fate;
}

/* Flows that count in the class for the source; those too whose time is over, until they end. */
static uint32_t count_of(const struct model *m, uint32_t id, const struct addr *unit)
{
	uint32_t i, k, n = 0;

	for (i = 0; i < MODEL_NAT_FLOWS; i++) {
		const struct model_nat_flow *f = &m->state.nat.flow[i];

		for (k = 0; k < LIMIT_SET_CLASSES && f->lives; k++)
			n += f->counted[k].id == id &&
			     memcmp(&f->counted[k].unit, unit, sizeof(*unit)) == 0;
	}
	return n;
}

/* Does a limit allow its source no more connections? */
static enum model_fate concurrent(const struct model *m, struct model_packet *p)
{
	uint32_t i;

	for (i = 1; i < MODEL_LIMITS_MAX; i++) {
		const struct limit_class *c = &m->policy.class[p->limit[i].id];
		const struct limit_rates *r = &c->rates[c->active & 1];
		struct addr unit = model_unit(p, r->flags & LIMIT_PER_PREFIX);

		if (!p->limit[i].id || !r->concurrent ||
		    count_of(m, p->limit[i].id, &unit) < r->concurrent)
			continue;
		p->limit[i].unit = LIMIT_CONCURRENT;
		p->limit[i].outcome = MODEL_WOULD_REFUSE;
		if (r->flags & LIMIT_DRY_RUN)
			continue;
		p->limit[i].outcome = MODEL_REFUSED;
		return model_drop(p, DROP_LIMIT_CONCURRENT);
	}
	return MODEL_NEXT;
}

static bool is_alive(const struct backend *b, uint32_t generation)
{
	return (b->flags & BACKEND_READY) && !(b->flags & BACKEND_DEAD) &&
	       b->generation == generation;
}

enum model_fate model_nat_find(struct model *m, struct model_packet *p)
{
	struct model_nat_flow *f;

	if (!p->vip || !(p->vip->flags & VIP_NAT))
		return MODEL_NEXT;
	if (p->fragment)
		return model_drop(p, DROP_NAT_SHAPE);
	f = of_packet(m, p, false);
	if (f && f->phase == NAT_CLOSED && p->syn && !p->quotes) {
		model_nat_end(m, f);
		f = NULL;
	}
	if (!f) {
		if (p->quotes || (p->proto == 6 && (!p->syn || p->tcp_rst)))
			return model_drop(p, DROP_NAT_NO_FLOW);
		return p->proto == 6 ? concurrent(m, p) : MODEL_NEXT;
	}
	p->backend_id = f->backend_id;
	p->backend = &m->policy.backend[f->backend_id];
	p->nat = f;
	if (is_alive(p->backend, f->generation))
		return MODEL_NEXT;
	f->until_ns = 0;
	return model_drop(p, DROP_BACKEND_GONE);
}

enum model_fate model_nat(struct model *m, struct model_packet *p)
{
	enum model_fate fate;

	if (p->backend->mode != BACKEND_NAT)
		return MODEL_NEXT;
	if (!(p->vip->flags & VIP_NAT))
		return model_drop(p, DROP_BACKEND_GONE);
	if (!p->nat) {
		fate = model_nat_shape(p);
		if (fate == MODEL_NEXT)
			fate = model_nat_open(m, p);
		if (fate != MODEL_NEXT)
			return fate;
	}
	p->egress_ifindex = p->backend->ifindex;
	memcpy(p->link, p->backend->dst_mac, 6);
	memcpy(p->link + 6, p->backend->src_mac, 6);
	return translate(m, p, p->nat, false);
}
