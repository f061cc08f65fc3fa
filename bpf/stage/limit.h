/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits per source: the class of its prefix, and the class of the vip it goes to. Each class may
 * limit packets, bytes and new connections.
 *
 * All meters are asked first, then charged, in this order: the source's packets, bytes, connections,
 * then the vip's. A meter that refuses only when charged (another CPU came between) leaves the
 * earlier ones charged: the source may get less than it could, never more.
 *
 * A class with dry_run is charged when all its meters would admit, and only then, as it would be
 * without: so it tells what it would drop. It never drops, and is not asked about a packet that
 * another class drops.
 */
#pragma once

#include "../client.h"

/* A try is lost only to a CPU that was admitted; after the first, in a row. */
#define LIMIT_TRIES 64

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_CLASSES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_class);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_class SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct limit_prefix_value);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_prefix SEC(".maps");

static __always_inline void limit_refresh(const struct client_key *key, struct client_policy *ret)
{
	struct limit_prefix_value *v;
	struct prefix prefix;

	client_prefix(key, &prefix);
	v = bpf_map_lookup_elem(&limit_prefix, &prefix);
	ret->limit_class = v ? v->limit_class : LIMIT_CLASS_NONE;
}

static __always_inline __u32 limit_units(const struct pkt *p, enum limit_unit unit)
{
	if (unit == LIMIT_PACKETS)
		return p->packets;
	if (unit == LIMIT_BYTES)
		return p->wire_bytes;
	return (p->flags & PKT_SYN) != 0;
}

/* The rates in force; a class id that is not configured has none. */
static __always_inline const struct limit_rates *limit_rates_of(__u32 id)
{
	struct limit_class *class = bpf_map_lookup_elem(&limit_class, &id);

	if (id == LIMIT_CLASS_NONE || !class)
		return NULL;
	return &class->rates[*(volatile __u32 *)&class->active & 1];
}

/* The first unit whose meter refuses the packet now, LIMIT_UNITS if none does. */
static __always_inline __u32 limit_peek(struct pkt *p, const struct limit_rates *rates,
					struct client *c)
{
	__u64 now_fp = gcra_now_fp(pkt_now(p));
	__u32 unit;

#pragma unroll
	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		const struct gcra_rate *rate = &rates->unit[unit];
		__u32 n = limit_units(p, unit);

		if (n && rate->tolerance_fp && !gcra_peek(&c->tat[unit], rate, now_fp, n))
			break;
	}
	return unit;
}

/* Rare, and a loop: a global function, so that the verifier walks it once. */
__noinline int limit_retry(__u64 *word, const struct gcra_rate *rate, __u64 now_fp, __u32 n)
{
	if (!word || !rate) /* never; a global function's arguments may be, for the verifier */
		return GCRA_CONTENDED;
	return gcra_spend(word, rate, now_fp, n, LIMIT_TRIES);
}

/* Charge the packet; why it is refused after all, or DROP_NONE. */
static __always_inline enum drop_reason limit_spend(struct pkt *p, const struct limit_rates *rates,
						    struct client *c, __u32 *refusing_unit)
{
	__u64 now_fp = gcra_now_fp(pkt_now(p));
	enum gcra_result result;
	__u32 unit;

#pragma unroll
	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		const struct gcra_rate *rate = &rates->unit[unit];
		__u32 n = limit_units(p, unit);

		if (!n || !rate->tolerance_fp)
			continue;
		result = gcra_spend(&c->tat[unit], rate, now_fp, n, 1);
		if (result == GCRA_CONTENDED)
			result = limit_retry(&c->tat[unit], rate, now_fp, n);
		if (result == GCRA_ADMIT)
			continue;
		*refusing_unit = unit;
		return result == GCRA_REFUSE ? DROP_LIMIT_PACKETS + unit : DROP_LIMIT_CONTENDED;
	}
	return DROP_NONE;
}

static __always_inline enum stage_result limit_refuse(struct pkt *p, struct limit_answer *answer,
						      __u32 unit, enum drop_reason reason)
{
	answer->unit = unit;
	answer->outcome = LIMIT_DROPPED;
	return drop(p, reason);
}

/* Ask: drops if a class that is not on trial refuses. */
static __always_inline enum stage_result limit_ask(struct pkt *p, const struct limit_rates *rates,
						   struct client *c, struct limit_answer *answer)
{
	__u32 unit = limit_peek(p, rates, c);

	if (unit == LIMIT_UNITS)
		return STAGE_NEXT;
	if (rates->dry_run) {
		answer->unit = unit;
		answer->outcome = LIMIT_WOULD_DROP;
		return STAGE_NEXT;
	}
	return limit_refuse(p, answer, unit, DROP_LIMIT_PACKETS + unit);
}

static __always_inline enum stage_result limit_charge(struct pkt *p,
						      const struct limit_rates *rates,
						      struct client *c, struct limit_answer *answer)
{
	enum drop_reason reason;
	__u32 unit = 0;

	if (answer->outcome == LIMIT_WOULD_DROP)
		return STAGE_NEXT;
	answer->outcome = LIMIT_ADMITTED;
	reason = limit_spend(p, rates, c, &unit);
	if (reason == DROP_NONE)
		return STAGE_NEXT;
	if (!rates->dry_run)
		return limit_refuse(p, answer, unit, reason);
	answer->unit = unit;
	answer->outcome = LIMIT_WOULD_DROP;
	return STAGE_NEXT;
}

static __always_inline enum stage_result stage_limit(struct pkt *p)
{
	struct limit_answer *source = &p->limit[LIMIT_SCOPE_SOURCE];
	struct limit_answer *vip = &p->limit[LIMIT_SCOPE_VIP];
	const struct limit_rates *source_rates, *vip_rates;
	enum stage_result result = STAGE_NEXT;
	struct client *vip_client = NULL;

	if (!limit_enabled || p->exempt)
		return STAGE_NEXT;
	source->limit_class = p->policy.limit_class;
	vip->limit_class = p->vip ? p->vip->limit_class : LIMIT_CLASS_NONE;
	if (source->limit_class == LIMIT_CLASS_NONE && vip->limit_class == LIMIT_CLASS_NONE)
		return STAGE_NEXT;
	source_rates = p->client ? limit_rates_of(source->limit_class) : NULL;
	vip_rates = limit_rates_of(vip->limit_class);
	if (vip_rates)
		vip_client = client_scope(p, vip->limit_class);

	if (source_rates)
		result = limit_ask(p, source_rates, p->client, source);
	if (result == STAGE_NEXT && vip_client)
		result = limit_ask(p, vip_rates, vip_client, vip);
	if (result == STAGE_NEXT && source_rates)
		result = limit_charge(p, source_rates, p->client, source);
	if (result == STAGE_NEXT && vip_client)
		result = limit_charge(p, vip_rates, vip_client, vip);
	return result;
}
