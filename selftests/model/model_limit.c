/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits: which classes a packet meets, what their meters say, who gets meters of his own. */
#include <string.h>

#include "model_step.h"
#include "model_meter.h"

/* Searches for proof that a CPU makes, of TCP and of all else: one in so many nanoseconds. */
#define LOOK_EVERY_NS (1000000000ULL / 20000)

/* A class that a packet meets, with the meters of its source. */
struct scope {
	struct model_limit *limit;
	const struct limit_class *class;
	const struct limit_rates *rates;
	struct limit_meters *cell[2]; /* [1] is NULL: the source's own */
	struct limit_meters *next[2]; /* its cells under the other key */
	struct limit_meters *total;
	model_time now;
	uint32_t units[LIMIT_UNITS];
};

/* The words of its address that tell a source from another are the key of its cell in a row. */
static struct limit_meters *cell_of(struct model *m, const struct scope *s, uint32_t key,
				    uint32_t row, const struct addr *unit, bool ipv6)
{
	uint32_t high = ipv6 ? unit->w[0] : unit->w[2], low = ipv6 ? unit->w[1] : unit->w[3];
	uint32_t hash = limit_row_hash(&m->policy.state.key[key], row, high, low);
	uint32_t cells = 1U << s->class->row_bits;

	return &m->state.cell[s->limit->id][row * cells + (uint32_t)((uint64_t)hash * cells >> 32)];
}

/* False: the class is not configured. */
static bool scope_of(struct model *m, const struct model_packet *p, struct model_limit *limit,
		     struct scope *s)
{
	struct client_key key = { .limit_class = limit->id };
	struct model_client *own;
	uint32_t row, active = m->policy.state.active_key & 1;

	*s = (struct scope) { .limit = limit, .class = &m->policy.class[limit->id] };
	s->rates = &s->class->rates[s->class->active & 1];
	s->now = meter_now(p->frame->now_ns);
	s->units[LIMIT_PACKETS] = p->packets;
	s->units[LIMIT_BYTES] = p->wire_bytes;
	s->units[LIMIT_CONNECTIONS] = p->syn;
	if (s->rates->flags & LIMIT_HAS_TOTAL)
		s->total = &m->state.total[limit->id];
	key.source = model_unit(p, s->rates->flags & LIMIT_PER_PREFIX);
	own = model_client_find(&m->state, &key);
	limit->by_own_meter = own != NULL;
	if (own) {
		s->cell[0] = &own->client.meters;
		return true;
	}
	if (s->class->row_bits == 0)
		return false;
	for (row = 0; row < 2; row++) {
		s->cell[row] = cell_of(m, s, active, row, &key.source, p->ipv6);
		s->next[row] = cell_of(m, s, !active, row, &key.source, p->ipv6);
	}
	return true;
}

/* While the agent carries debt to a slower rate, words are ahead of what the rates in force know. */
static bool may_clamp(const struct scope *s)
{
	return !(s->rates->flags & LIMIT_CARRYING);
}

/* Does either of the source's cells have it? The second is asked only if the first has not. */
static bool source_has(const struct scope *s, uint32_t unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit];
	uint32_t n = s->units[unit];

	if (meter_has(&s->cell[0]->tat[unit], rate, s->now, n, may_clamp(s)))
		return true;
	return s->cell[1] && meter_has(&s->cell[1]->tat[unit], rate, s->now, n, may_clamp(s));
}

/* One cell admits, both are charged. */
static bool source_take(const struct scope *s, uint32_t unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit];
	uint32_t n = s->units[unit], row;

	for (row = 0; row < 2 && s->cell[row]; row++) {
		if (!meter_take(&s->cell[row]->tat[unit], rate, s->now, n))
			continue;
		if (s->cell[!row])
			meter_drain(&s->cell[!row]->tat[unit], rate, s->now, n);
		return true;
	}
	return false;
}

/* Shares of a total's bucket, in 256ths: all that a source may use, and the last part, shed by weight. */
static const struct {
	uint32_t all, shed;
} unproven = { 192, 64 }, proven = { 256, 32 };

/*
 * A total that has not the units refuses everybody, and whom nobody has proven from three quarters
 * of it on. In the part that is shed by weight it refuses a source whose own bucket is more in use
 * than the rest of the part is free.
 */
static bool total_refuses(const struct scope *s, uint32_t unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit], *total = &s->rates->total[unit];
	uint32_t all = s->cell[1] ? unproven.all : proven.all;
	uint32_t shed = s->cell[1] ? unproven.shed : proven.shed;
	uint32_t used, mine, other;

	if (!meter_has(&s->total->tat[unit], total, s->now, s->units[unit], may_clamp(s)))
		return true;
	used = meter_used(s->total->tat[unit], total, s->now);
	if (used >= all)
		return s->cell[1] != NULL;
	if (used <= all - shed || rate->tolerance_fp == 0)
		return false;
	mine = meter_used(s->cell[0]->tat[unit], rate, s->now);
	other = s->cell[1] ? meter_used(s->cell[1]->tat[unit], rate, s->now) : mine;
	return (mine < other ? mine : other) * shed > 256 * (all - used);
}

static void refuse(const struct scope *s, uint32_t unit, bool by_total)
{
	s->limit->outcome = s->rates->flags & LIMIT_DRY_RUN ? MODEL_WOULD_REFUSE : MODEL_REFUSED;
	s->limit->unit = unit;
	s->limit->by_total = by_total;
}

/* Ask without taking: packets, bytes, connections; the source's meter before the total. */
static void ask(const struct scope *s)
{
	uint32_t unit;

	for (unit = 0; unit < LIMIT_UNITS && s->limit->outcome == MODEL_UNASKED; unit++) {
		if (s->units[unit] == 0)
			continue;
		if (s->rates->unit[unit].tolerance_fp && !source_has(s, unit))
			refuse(s, unit, false);
		else if (s->total && s->rates->total[unit].tolerance_fp && total_refuses(s, unit))
			refuse(s, unit, true);
	}
	/* What the total sheds is charged to its source: it must not look light for being shed. */
	for (unit = 0; unit < LIMIT_UNITS && s->limit->by_total; unit++) {
		if (s->units[unit] && s->rates->unit[unit].tolerance_fp)
			source_take(s, unit);
	}
}

/* A full bucket is 0, or the earlier time. */
static uint64_t fuller(const struct scope *s, uint32_t unit)
{
	uint64_t a = s->cell[0]->tat[unit], b = s->cell[1] ? s->cell[1]->tat[unit] : a;

	return a < b ? a : b;
}

/* While a key is rotated in: the cells under it are at most as full as those in force. */
static void carry(struct model *m, const struct scope *s)
{
	uint32_t row, unit;

	if (!m->policy.state.charge_both || !s->next[0])
		return;
	for (row = 0; row < 2; row++) {
		for (unit = 0; unit < LIMIT_UNITS; unit++) {
			if (s->next[row]->tat[unit] < fuller(s, unit))
				s->next[row]->tat[unit] = fuller(s, unit);
		}
	}
}

static void take(struct model *m, const struct scope *s)
{
	uint32_t unit;

	s->limit->outcome = MODEL_ADMITTED;
	for (unit = 0; unit < LIMIT_UNITS && s->limit->outcome == MODEL_ADMITTED; unit++) {
		if (s->units[unit] == 0)
			continue;
		if (s->rates->unit[unit].tolerance_fp && !source_take(s, unit))
			refuse(s, unit, false);
		else if (s->total && s->rates->total[unit].tolerance_fp &&
			 !meter_take(&s->total->tat[unit], &s->rates->total[unit], s->now,
				     s->units[unit]))
			refuse(s, unit, true);
	}
	carry(m, s);
}

static uint32_t service_of(const struct model_policy *policy, const struct model_packet *p)
{
	uint32_t port = 0;

	if (p->vip)
		return p->vip->service;
	if (!policy->state.has_ports || (p->proto != 6 && p->proto != 17))
		return 0;
	if (!p->fragment)
		port = __builtin_bswap16(p->flow.dport);
	return policy->ports[p->proto == 6 ? LIMIT_PORT_TCP : LIMIT_PORT_UDP].service[port];
}

static uint32_t class_of_kind(const struct model_policy *policy, const struct model_packet *p)
{
	uint32_t port = __builtin_bswap16(p->flow.sport);

	if (p->kind != LIMIT_KIND_NONE)
		return policy->state.kind_class[p->kind];
	if (p->proto == 17 && (policy->amplifier.port[port / 64] >> port % 64 & 1))
		return policy->state.kind_class[LIMIT_KIND_AMPLIFICATION];
	return 0;
}

static void classes_of(const struct model_policy *policy, struct model_packet *p)
{
	const struct limit_set_entry *entry =
		&policy->set[p->group][service_of(policy, p) % LIMIT_SERVICES];
	uint32_t i;

	p->limit[0].id = class_of_kind(policy, p);
	for (i = 0; i < LIMIT_SET_CLASSES; i++)
		p->limit[1 + i].id = entry->limit_class[i];
}

/*
 * A source without meters of its own was refused. If somebody vouched for it, it gets meters of its own, at the level of
 * the fuller cell. (A connection of this host is proof too; here are none.)
 */
static void prove(struct model *m, const struct model_packet *p, struct model_limit *limit)
{
	struct client_key key = { .source = model_unit(p, false) };
	uint64_t *may_look_ns = &m->state.may_look_ns[p->proto != 6];
	struct model_client *voucher, *added;
	struct scope s;
	uint32_t unit;

	if (p->frame->now_ns < *may_look_ns)
		return;
	*may_look_ns = p->frame->now_ns + LOOK_EVERY_NS;
	voucher = model_client_find(&m->state, &key);
	if (!voucher || voucher->client.proof == CLIENT_UNPROVEN ||
	    m->state.n_client == MODEL_CLIENTS)
		return;
	if (!scope_of(m, p, limit, &s) || !s.cell[1])
		return;
	added = &m->state.client[m->state.n_client++];
	*added = (struct model_client) {
		.key = { .source = model_unit(p, s.rates->flags & LIMIT_PER_PREFIX),
			 .limit_class = limit->id },
		.client = { .proven_ns = p->frame->now_ns, .proof = voucher->client.proof }
	};
	for (unit = 0; unit < LIMIT_UNITS; unit++)
		added->client.meters.tat[unit] = fuller(&s, unit);
}

static enum model_fate fate_of(struct model_packet *p, const struct model_limit *limit)
{
	if (limit->outcome != MODEL_REFUSED)
		return MODEL_NEXT;
	if (limit->by_total)
		return model_drop(p, DROP_LIMIT_TOTAL);
	return model_drop(p, DROP_LIMIT_PACKETS + limit->unit);
}

/* All classes are asked, then all charged; the first refusal ends it. */
static enum model_fate meet(struct model *m, struct model_packet *p)
{
	enum model_fate fate = MODEL_NEXT;
	struct scope s;
	uint32_t i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < MODEL_LIMITS_MAX && fate == MODEL_NEXT; i++) {
			struct model_limit *l = &p->limit[i];

			if (l->id == 0 || l->outcome == MODEL_WOULD_REFUSE ||
			    !scope_of(m, p, l, &s))
				continue;
			if (pass == 0)
				ask(&s);
			else
				take(m, &s);
			fate = fate_of(p, l);
		}
	}
	for (i = 0; i < MODEL_LIMITS_MAX; i++) {
		struct model_limit *l = &p->limit[i];

		if (l->outcome >= MODEL_REFUSED && !l->by_own_meter) {
			prove(m, p, l);
			break;
		}
	}
	return fate;
}

enum model_fate model_limit(struct model *m, struct model_packet *p)
{
	if (p->exempt)
		return MODEL_NEXT;
	classes_of(&m->policy, p);
	return meet(m, p);
}

static void classes_of_egress(const struct model_policy *policy, struct model_packet *p)
{
	uint32_t table = p->proto == 6	  ? LIMIT_PORT_EGRESS_TCP
			 : p->proto == 17 ? LIMIT_PORT_EGRESS_UDP
					  : LIMIT_PORT_EGRESS_OTHER;
	bool has_port = table != LIMIT_PORT_EGRESS_OTHER && !p->fragment && !p->quotes;
	uint32_t port = has_port ? __builtin_bswap16(p->flow.dport) : 0;
	uint32_t service = policy->ports[table].service[port], i;

	for (i = 0; i < LIMIT_SET_CLASSES && policy->state.has_egress; i++)
		p->limit[1 + i].id = policy->set[p->group][service].limit_class[i];
}

/* Over three quarters of the bucket; of a total, of whom nobody has proven, from one half on. */
static bool unit_is_near(const struct scope *s, uint32_t unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit], *total = &s->rates->total[unit];

	if (s->total && total->tolerance_fp &&
	    meter_used(s->total->tat[unit], total, s->now) > (s->cell[1] ? 128U : 192U))
		return true;
	return rate->tolerance_fp && meter_used(fuller(s, unit), rate, s->now) > 192;
}

enum model_fate model_limit_egress(struct model *m, struct model_packet *p)
{
	struct scope s;
	uint32_t i;

	if (p->exempt)
		return MODEL_NEXT;
	classes_of_egress(&m->policy, p);
	if (meet(m, p) == MODEL_DROP)
		return model_drop(p, DROP_EGRESS_LIMIT);
	for (i = 0; i < MODEL_LIMITS_MAX && p->ect; i++) {
		struct model_limit *l = &p->limit[i];

		if (l->outcome == MODEL_ADMITTED && scope_of(m, p, l, &s) &&
		    !(s.rates->flags & LIMIT_DRY_RUN))
			l->near = unit_is_near(&s, LIMIT_BYTES) || unit_is_near(&s, LIMIT_PACKETS);
	}
	return MODEL_NEXT;
}

bool model_limit_is_near(const struct model_packet *p)
{
	uint32_t i;

	for (i = 0; i < MODEL_LIMITS_MAX; i++) {
		if (p->limit[i].near)
			return true;
	}
	return false;
}
