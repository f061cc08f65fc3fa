/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One class asked, charged, or both: its meters per source and its totals. */
#pragma once

#include "../explain.h"
#include "limit_meter.h"

/* What a class says: it admits, or which unit of it refuses; of its total, that many above. */
#define LIMIT_REFUSED_TOTAL LIMIT_UNITS
#define LIMIT_ADMITS	    (2 * LIMIT_UNITS)
#define LIMIT_LOST	    (2 * LIMIT_UNITS + 1) /* all tries were lost to other CPUs */

/* Shares of a total's bucket, in 256ths: of whom nobody has proven, and what is shed by weight. */
#define LIMIT_SHARE_UNPROVEN 192
#define LIMIT_SHED_UNPROVEN  64
#define LIMIT_SHED_PROVEN    32

/* The less used of two rows answers: others can only have charged it more. */
static __always_inline bool limit_peek_unit(const struct limit_scope *s, __u32 unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit];
	int may_clamp = !explaining && !(s->rates->flags & LIMIT_CARRYING);

	if (gcra_ask(&s->a->tat[unit], rate, s->now_fp, s->units[unit], may_clamp))
		return true;
	return !s->is_exact &&
	       gcra_ask(&s->b->tat[unit], rate, s->now_fp, s->units[unit], may_clamp);
}

/* Has the total no room for this source, by what the source uses of its own bucket? */
static __always_inline bool limit_sheds(const struct limit_scope *s, __u32 unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit], *total = &s->rates->total[unit];
	__u32 share = s->is_exact ? 256 : LIMIT_SHARE_UNPROVEN;
	__u32 shed = s->is_exact ? LIMIT_SHED_PROVEN : LIMIT_SHED_UNPROVEN;
	__u32 used, mine, other;

	if (!gcra_ask(&s->total->tat[unit], total, s->now_fp, s->units[unit],
		      !explaining && !(s->rates->flags & LIMIT_CARRYING)))
		return true;
	used = gcra_in_use(&s->total->tat[unit], total, s->now_fp);
	if (used >= share)
		return !s->is_exact;
	if (used <= share - shed || !rate->tolerance_fp)
		return false;
	mine = gcra_in_use(&s->a->tat[unit], rate, s->now_fp);
	other = gcra_in_use(&s->b->tat[unit], rate, s->now_fp);
	return (mine < other ? mine : other) * shed > 256 * (share - used);
}

static __always_inline __u32 limit_peek(const struct limit_scope *s)
{
	__u32 unit;

#pragma unroll
	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		if (!s->units[unit])
			continue;
		if (s->rates->unit[unit].tolerance_fp && !limit_peek_unit(s, unit))
			return unit;
		if (s->total && s->rates->total[unit].tolerance_fp && limit_sheds(s, unit))
			return LIMIT_REFUSED_TOTAL + unit;
	}
	return LIMIT_ADMITS;
}

/*
 * Of two rows, one admits and is spent, the other is charged. Both rise by what is admitted, so the
 * less used one bounds what the source gets. The other one first: else a second CPU finds room there
 * between the two writes, and what each of them charges the other's row with is lost at its brim.
 * A global function: its stack is its own, and the verifier walks its loops once.
 */
__noinline int limit_spend_rows(__u64 *a, __u64 *b, const struct gcra_rate *rate, __u64 now_fp,
				__u32 n)
{
	__u64 *spent = a, *other = b;

	if (!a || !b || !rate) /* never; but the verifier wants to be told */
		return GCRA_REFUSE;
	if (!gcra_ask(a, rate, now_fp, n, 0)) {
		if (!gcra_ask(b, rate, now_fp, n, 0))
			return GCRA_REFUSE;
		spent = b;
		other = a;
	}
	/* One call of each: of two, clang 19 makes functions, whose stack is too much for 6.1. */
	gcra_charge(other, rate, now_fp, n, LIMIT_CHARGE_TRIES);
	return gcra_take(spent, rate, now_fp, n, LIMIT_TRIES, 0);
}

static __always_inline enum gcra_result limit_spend_unit(const struct limit_scope *s, __u32 unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit];
	__u64 *a = &s->a->tat[unit], *b = &s->b->tat[unit];

	if (s->is_exact)
		return limit_spend(a, rate, s->now_fp, s->units[unit]);
	return limit_spend_rows(a, b, rate, s->now_fp, s->units[unit]);
}

static __always_inline __u32 limit_charge(const struct limit_scope *s)
{
	enum gcra_result result;
	__u32 unit;

#pragma unroll
	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		const struct gcra_rate *total = &s->rates->total[unit];
		__u32 n = s->units[unit];

		if (!n)
			continue;
		result = GCRA_ADMIT;
		if (s->rates->unit[unit].tolerance_fp)
			result = limit_spend_unit(s, unit);
		if (result != GCRA_ADMIT)
			return result == GCRA_REFUSE ? unit : LIMIT_LOST;
		if (s->total && total->tolerance_fp)
			result = limit_spend(&s->total->tat[unit], total, s->now_fp, n);
		if (result != GCRA_ADMIT)
			return result == GCRA_REFUSE ? LIMIT_REFUSED_TOTAL + unit : LIMIT_LOST;
	}
	return LIMIT_ADMITS;
}

/*
 * A packet that the total sheds is charged to its source all the same: what a source offers is what
 * tells the heavy from the light, and one that is shed must not look light for it.
 */
static __always_inline void limit_charge_shed(const struct limit_scope *s)
{
	__u32 unit;

#pragma unroll
	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		if (s->units[unit] && s->rates->unit[unit].tolerance_fp)
			limit_spend_unit(s, unit);
	}
}

static __always_inline bool limit_scope_find(struct pkt_facts *p, __u32 id,
					     struct limit_class *class, struct limit_scope *s)
{
	s->rates = &class->rates[*(volatile __u32 *)&class->active & 1];
	s->total = NULL;
	if (s->rates->flags & LIMIT_HAS_TOTAL)
		s->total = bpf_map_lookup_elem(&limit_total, &id);
	s->now_fp = gcra_now_fp(pkt_now(p));
	s->units[LIMIT_PACKETS] = p->packets;
	s->units[LIMIT_BYTES] = p->wire_bytes;
	s->units[LIMIT_CONNECTIONS] = (p->flags & PKT_SYN) != 0;
	return limit_meter_find(p, id, class, s);
}

/* Note what the class said; why the packet is dropped, if it is. */
static __always_inline enum drop_reason limit_answer(struct limit_answer *answer,
						     const struct limit_scope *s, __u32 said)
{
	if (said == LIMIT_ADMITS)
		return DROP_NONE;
	answer->is_total = said >= LIMIT_REFUSED_TOTAL;
	answer->unit = said == LIMIT_LOST ? LIMIT_PACKETS : said % LIMIT_UNITS;
	if (s->rates->flags & LIMIT_DRY_RUN) {
		answer->outcome = LIMIT_WOULD_DROP;
		return DROP_NONE;
	}
	answer->outcome = LIMIT_DROPPED;
	if (said == LIMIT_LOST)
		return DROP_LIMIT_CONTENDED;
	return limit_reason(answer);
}

enum limit_act { LIMIT_ACT_ASK = 1, LIMIT_ACT_CHARGE = 2 };

/*
 * Ask the class of a scope, or charge it, or both: enum drop_reason. A global function, so that the
 * verifier walks it once and not for every mixture of scopes.
 */
__noinline int limit_scope_act(struct pkt_facts *p, __u32 n, __u32 act)
{
	struct limit_answer *answer;
	enum drop_reason reason;
	struct limit_class *class;
	struct limit_scope s;
	__u32 id;

	if (!p || n >= LIMIT_SCOPES) /* never; but the verifier wants to be told */
		return DROP_NONE;
	answer = &p->limit[n];
	id = answer->limit_class;
	class = bpf_map_lookup_elem(&limit_class, &id);
	if (!class || !limit_scope_find(p, id, class, &s))
		return DROP_NONE;
	answer->is_exact = s.is_exact;
	if (!s.is_exact)
		p->flags |= PKT_SHARES;
	if (act & LIMIT_ACT_ASK) {
		reason = limit_answer(answer, &s, limit_peek(&s));
		if (answer->is_total && !explaining)
			limit_charge_shed(&s);
		if (reason != DROP_NONE)
			return reason;
	}
	if (!(act & LIMIT_ACT_CHARGE) || answer->outcome == LIMIT_WOULD_DROP)
		return DROP_NONE;
	answer->outcome = LIMIT_ADMITTED;
	if (explaining) /* as when no other CPU comes between */
		return DROP_NONE;
	reason = limit_answer(answer, &s, limit_charge(&s));
	if (!s.is_exact)
		limit_carry(class, &s);
	return reason;
}
