/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits of what goes out, per client. The packet is turned (egress.h): its source is who it goes to,
 * its destination port the port of this side. Classes, rows, proof and totals are limit.h's; which of
 * them it meets is said by services of the way out, so no class sees both directions.
 */
#pragma once

#include "limit.h"

/* Of a bucket that has more than three quarters in use, in 256ths, the sender is told. */
#define LIMIT_NEAR 192

static __always_inline enum limit_port_table limit_egress_table(const struct pkt *p)
{
	if (p->proto == PROTO_TCP)
		return LIMIT_PORT_EGRESS_TCP;
	return p->proto == PROTO_UDP ? LIMIT_PORT_EGRESS_UDP : LIMIT_PORT_EGRESS_OTHER;
}

static __always_inline __u32 limit_egress_find(struct pkt *p)
{
	__u32 zero = 0, table = limit_egress_table(p), port = 0;
	struct limit_state *state = bpf_map_lookup_elem(&limit_state, &zero);
	struct limit_ports *ports;

	if (!state || !*(volatile __u32 *)&state->has_egress)
		return 0;
	/* Fragments and errors count for no port, as on the way in. */
	if (table != LIMIT_PORT_EGRESS_OTHER && !(p->flags & (PKT_FRAGMENT | PKT_QUOTES)))
		port = bpf_ntohs(p->flow.dport);
	barrier_var(port); /* 16 bits, but older verifiers learn nothing from a byte swap */
	ports = bpf_map_lookup_elem(&limit_port, &table);
	/* clang knows that a port has 16 bits and drops the mask, from which 6.1 would learn it. */
	barrier_var(port);
	return ports ? limit_set_note(p, ports->service[port & 0xffff]) : 0;
}

static __always_inline bool limit_unit_is_near(const struct limit_scope *s, __u32 unit)
{
	const struct gcra_rate *rate = &s->rates->unit[unit], *total = &s->rates->total[unit];
	/* Of a total, whom nobody has proven is refused earlier. */
	__u32 near = s->is_exact ? LIMIT_NEAR : LIMIT_SHARE_UNPROVEN - LIMIT_SHED_UNPROVEN;
	__u64 word;

	if (s->total && total->tolerance_fp &&
	    gcra_in_use(&s->total->tat[unit], total, s->now_fp) > near)
		return true;
	if (!rate->tolerance_fp)
		return false;
	word = limit_meter_word(s, unit);
	return gcra_in_use(&word, rate, s->now_fp) > LIMIT_NEAR;
}

/* Is a bucket of a class that admitted the packet near its end? Notes it. Returns 0. */
__noinline int limit_egress_near(struct pkt_facts *p, __u32 n)
{
	struct limit_class *class;
	struct limit_scope s;
	__u32 id;

	if (!p || n >= LIMIT_SCOPES) /* never; but the verifier wants to be told */
		return 0;
	id = p->limit[n].limit_class;
	class = bpf_map_lookup_elem(&limit_class, &id);
	if (!class || !limit_scope_find(p, id, class, &s) || (s.rates->flags & LIMIT_DRY_RUN))
		return 0;
	if (limit_unit_is_near(&s, LIMIT_BYTES) || limit_unit_is_near(&s, LIMIT_PACKETS))
		p->limit[n].is_near = 1;
	return 0;
}

static __always_inline enum stage_result stage_limit_egress(struct pkt *p)
{
	__u32 i;

	if (!limit_enabled || p->exempt)
		return STAGE_NEXT;
	if (limit_meet(p, limit_egress_find(p)) != DROP_NONE)
		return drop(p, DROP_EGRESS_LIMIT);
	if (!(p->flags & PKT_ECT))
		return STAGE_NEXT;
#pragma unroll
	for (i = LIMIT_SCOPE_SET; i < LIMIT_SCOPES; i++) {
		if (p->limit[i].outcome == LIMIT_ADMITTED)
			limit_egress_near(&p->facts, i);
	}
	return STAGE_NEXT;
}
