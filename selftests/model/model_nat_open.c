/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flow begins. Its slot and its port are chance: those that the program took are taken, if they are
 * among those that it may take. Where it found none, there has to have been none, or few enough slots for
 * 32 looks to miss them.
 */
#include <string.h>

#include "bpf/plane.h"
#include "model_nat_step.h"

#define SECOND_NS 1000000000ULL

/* What a flow of the packet's may show its answers by. */
struct candidates {
	struct flow_key key; /* source, its port, protocol */
	uint32_t n_sources;  /* 0: key is all there is */
	const struct addr *source;
	uint32_t first_port; /* of this CPU's; host order */
};

static struct candidates candidates_of(const struct model *m, const struct model_packet *p)
{
	const struct nat_vip *v = &m->policy.nat.vip[p->vip->id];
	const struct backend *b = p->backend;

	return (struct candidates) {
		.key = { .src = b->addr,
			 .dst = p->flow.src,
			 .sport = b->port ? b->port : p->flow.dport,
			 .dport = p->flow.sport,
			 .proto = p->flow.proto },
		.n_sources = v->n_sources,
		.source = v->source,
		.first_port = NAT_PORT_FIRST +
			      m->kernel.cpu % PLANE_NAT_CPUS * (NAT_PORTS / PLANE_NAT_CPUS),
	};
}

static bool is_candidate(const struct candidates *c, const struct flow_key *key)
{
	struct flow_key want = c->key;
	uint32_t port = __builtin_bswap16(key->dport), i;

	for (i = 0; i < c->n_sources; i++) {
		if (memcmp(&c->source[i], &key->dst, sizeof(key->dst)) == 0)
			break;
	}
	if (c->n_sources) {
		if (i == c->n_sources || port < c->first_port ||
		    port >= c->first_port + NAT_PORTS / PLANE_NAT_CPUS)
			return false;
		want.dst = key->dst;
		want.dport = key->dport;
	}
	return memcmp(&want, key, sizeof(want)) == 0;
}

/* How many of them no flow has; *over: how many a flow has whose time is over. */
static uint32_t count_free(struct model *m, const struct candidates *c, uint64_t now_ns,
			   uint32_t *over)
{
	uint32_t ports = c->n_sources ? NAT_PORTS / PLANE_NAT_CPUS : 1, i, k, n_free = 0;
	struct flow_key key = c->key;
	const struct model_nat_flow *f;

	*over = 0;
	for (i = 0; i < (c->n_sources ? c->n_sources : 1); i++) {
		for (k = 0; k < ports; k++) {
			if (c->n_sources) {
				key.dst = c->source[i];
				key.dport = __builtin_bswap16((uint16_t)(c->first_port + k));
			}
			f = model_nat_with(m, &key);
			n_free += !f;
			*over += f && model_nat_is_over(f, now_ns);
		}
	}
	return n_free;
}

/* The slot that the program has for the packet's flow; -1. */
static int chosen(const struct model *m, const struct model_packet *p)
{
	uint32_t i;

	for (i = 0; i < m->policy.nat.max_flows; i++) {
		const struct nat_flow *f = &m->kernel.nat_flow[i];

		if (f->phase >= NAT_OPENING && memcmp(&f->client, &p->flow, sizeof(p->flow)) == 0)
			return (int)i;
	}
	return -1;
}

/*
 * Flows that were over and made room: of the slot that the program looked at, and in the way of a tuple.
 * All the others stay until somebody looks at them.
 */
static void make_room(struct model *m, const struct model_packet *p, const struct candidates *c,
		      int slot)
{
	bool took = slot >= 0;
	uint32_t i;

	for (i = 0; i < m->policy.nat.max_flows; i++) {
		struct model_nat_flow *f = &m->state.nat.flow[i];
		const struct nat_flow *is = &m->kernel.nat_flow[i];

		if (!f->lives || !model_nat_is_over(f, p->frame->now_ns))
			continue;
		if ((int)i == slot) {
			model_nat_end(m, f);
		} else if (is->phase == NAT_FREE &&
			   (is_candidate(c, &f->answer) || is_candidate(c, &f->client))) {
			/* By either tuple: a vip may be a prefix that clients are in, too. */
			model_nat_end(m, f);
		} else if (is->phase == NAT_FREE && !took) {
			/* It began nothing: of its one slot the flow is gone all the same. */
			model_nat_end(m, f);
			took = true;
		}
	}
}

static uint32_t lives_of(const struct model *m)
{
	uint32_t i, sum = 0;

	for (i = 0; i < MODEL_NAT_FLOWS; i++)
		sum += m->kernel.nat_flow[i].life;
	return sum;
}

uint32_t model_nat_resize(struct model *m, uint32_t before, uint32_t *moved)
{
	const uint32_t room = m->policy.nat.max_flows;
	struct model_nat_flow *flow = m->state.nat.flow;
	uint32_t i, free = 0, lost = 0;

	*moved = 0;
	for (i = room; i < before; i++) {
		while (free < room && flow[free].lives)
			free++;
		if (flow[i].lives && free < room) {
			flow[free] = flow[i];
			++*moved;
		} else if (flow[i].lives) {
			lost++;
		}
		flow[i].lives = false;
	}
	m->state.nat.lives = lives_of(m);
	return lost;
}

static enum model_fate full(struct model *m, struct model_packet *p)
{
	m->counters.nat[p->backend_id].full++;
	return model_drop(p, DROP_NAT_FULL);
}

static void fill(struct model *m, struct model_packet *p, struct model_nat_flow *f,
		 const struct flow_key *answer)
{
	enum nat_timeout of = p->proto == 6 ? NAT_TIMEOUT_TCP_OPENING : NAT_TIMEOUT_UDP_OPENING;
	uint32_t i;

	*f = (struct model_nat_flow) { .lives = true,
				       .young = true,
				       .client = p->flow,
				       .answer = *answer,
				       .phase = NAT_OPENING,
				       .vip_id = p->vip->id,
				       .backend_id = p->backend_id,
				       .generation = p->backend->generation };
	/* It is written with this very packet. */
	f->until_ns = p->frame->now_ns + m->policy.nat.timeout_ns[of] - SECOND_NS;
	for (i = 0; i < LIMIT_SET_CLASSES && p->proto == 6; i++) {
		const struct limit_class *c = &m->policy.class[p->limit[1 + i].id];
		const struct limit_rates *r = &c->rates[c->active & 1];

		if (p->limit[1 + i].id && r->concurrent)
			f->counted[i] = (struct model_nat_counted) {
				p->limit[1 + i].id, model_unit(p, r->flags & LIMIT_PER_PREFIX)
			};
	}
	m->counters.nat[p->backend_id].opened++;
	p->nat = f;
}

/*
 * The program began nothing. Tuples are 12 at most, and 16 tries meet each: of those in whose way a flow
 * was that is over, perhaps only once.
 */
static enum model_fate not_begun(struct model *m, struct model_packet *p, uint32_t n_room,
				 bool has_slot, uint32_t n_free, uint32_t n_over)
{
	if (!has_slot) /* 32 looks miss five eighths of the slots once in 10^13 */
		return n_room * 8 >= m->policy.nat.max_flows * 5 ? model_drop(p, DROP_INTERNAL)
								 : full(m, p);
	if (n_free || (n_over && m->policy.nat.vip[p->vip->id].n_sources < 3))
		return model_drop(p, DROP_INTERNAL);
	m->counters.nat[p->backend_id].exhausted++;
	return model_drop(p, DROP_NAT_EXHAUSTED);
}

static uint32_t young_of(const struct model *m)
{
	uint32_t i, n = 0;

	for (i = 0; i < MODEL_NAT_FLOWS; i++)
		n += m->state.nat.flow[i].lives && m->state.nat.flow[i].young;
	return n;
}

enum model_fate model_nat_open(struct model *m, struct model_packet *p)
{
	const uint64_t now_ns = p->frame->now_ns;
	struct candidates c = candidates_of(m, p);
	uint32_t i, n_room = 0, n_over, n_free;
	const uint32_t lives = lives_of(m);
	bool has_slot = lives != m->state.nat.lives;
	const struct model_nat_flow *f;
	int slot = chosen(m, p);

	m->state.nat.lives = lives;
	if (young_of(m) >= m->policy.nat.max_young)
		model_nat_sweep(m, now_ns);
	if (young_of(m) >= m->policy.nat.max_young)
		return full(m, p);
	n_free = count_free(m, &c, now_ns, &n_over);
	for (i = 0; i < m->policy.nat.max_flows; i++) {
		f = &m->state.nat.flow[i];
		n_room += !f->lives || model_nat_is_over(f, now_ns);
	}
	make_room(m, p, &c, slot);
	if (slot < 0)
		return not_begun(m, p, n_room, has_slot, n_free, n_over);
	/* Neither a slot nor a tuple of a flow that is not over, and a port of this CPU's. */
	if (m->state.nat.flow[slot].lives || !is_candidate(&c, &m->kernel.nat_flow[slot].answer) ||
	    model_nat_with(m, &m->kernel.nat_flow[slot].answer))
		return model_drop(p, DROP_INTERNAL);
	fill(m, p, &m->state.nat.flow[slot], &m->kernel.nat_flow[slot].answer);
	return MODEL_NEXT;
}
