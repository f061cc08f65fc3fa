/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For how long a refusal is the answer to all plain UDP of a source, wherever it goes: for the drop
 * cache. TCP is never answered so: its SYNs are the guard's before they are a limit's, and any of its
 * packets may prove the source real.
 */
#pragma once

#include "limit_meter.h"
#include "limit_proof.h"

/* Is the class that refused the first that any UDP of this group is asked, whatever its ports? */
static __always_inline bool limit_hold_is_first(const struct pkt_facts *p, __u32 id)
{
	__u32 zero = 0, group = p->group;
	struct limit_state *state = bpf_map_lookup_elem(&limit_state, &zero);
	struct limit_set *set = bpf_map_lookup_elem(&limit_set, &group);

	if (!state || !set || p->service || *(volatile __u32 *)&state->has_ports ||
	    *(volatile __u8 *)&state->kind_class[LIMIT_KIND_AMPLIFICATION])
		return false;
	return id && *(volatile __u8 *)&set->service[0].limit_class[0] == id;
}

/* A later unit may be refused by an earlier one meanwhile, and then is counted there. */
static __always_inline bool limit_hold_is_alone(const struct limit_rates *rates, __u32 unit)
{
	if (unit == LIMIT_PACKETS)
		return true;
	return unit == LIMIT_BYTES && !rates->unit[LIMIT_PACKETS].tolerance_fp &&
	       !rates->total[LIMIT_PACKETS].tolerance_fp;
}

/* In how long the less used of its meters has n of the unit, a constant. */
static __always_inline __u64 limit_hold_meters(const struct limit_scope *s, __u32 unit, __u32 n)
{
	const struct gcra_rate *rate = &s->rates->unit[unit];
	__u64 a = gcra_wait_ns(&s->a->tat[unit], rate, s->now_fp, n);
	__u64 b = gcra_wait_ns(&s->b->tat[unit], rate, s->now_fp, n);

	return a < b ? a : b;
}

/* When this CPU looks for proof of who is refused next: that has to meet the whole way. */
static __always_inline __u64 limit_hold_looks(__u64 until_ns)
{
	__u32 zero = 0;
	struct limit_proof *budget = bpf_map_lookup_elem(&limit_proof, &zero);

	if (!budget || !proofs_per_s || budget->next_ns[LIMIT_LOOK_REFUSED] > until_ns)
		return until_ns;
	return budget->next_ns[LIMIT_LOOK_REFUSED];
}

/*
 * Until when plain UDP as long as this packet or longer is refused, though it may be for longer than
 * most_ns from now; 0: that cannot be said. A global function: its stack is its own.
 */
__noinline __u64 limit_hold(struct pkt_facts *p, __u64 most_ns)
{
	const struct limit_answer *answer;
	struct limit_class *class;
	struct limit_scope s;
	__u32 id, unit;
	__u64 wait_ns;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	answer = &p->limit[LIMIT_SCOPE_SET];
	id = answer->limit_class;
	unit = answer->unit;
	if (answer->outcome != LIMIT_DROPPED || answer->is_total || p->proto != PROTO_UDP ||
	    p->kind != LIMIT_KIND_NONE || p->packets != 1 || !limit_hold_is_first(p, id))
		return 0;
	class = bpf_map_lookup_elem(&limit_class, &id);
	if (!class)
		return 0;
	s.rates = &class->rates[*(volatile __u32 *)&class->active & 1];
	if ((s.rates->flags & LIMIT_CARRYING) || !limit_meter_find(p, id, class, &s) ||
	    !limit_hold_is_alone(s.rates, unit))
		return 0;
	s.now_fp = gcra_now_fp(pkt_now(p));
	wait_ns = unit == LIMIT_PACKETS ? limit_hold_meters(&s, LIMIT_PACKETS, 1)
					: limit_hold_meters(&s, LIMIT_BYTES, p->wire_bytes);
	return pkt_now(p) + (wait_ns < most_ns ? wait_ns : most_ns);
}
