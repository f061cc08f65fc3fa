/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet of a flow: the flow is told of it, and it gets the flow's other addresses. */
#pragma once

#include "../explain.h"
#include "nat_error.h"
#include "nat_open.h"

static __always_inline __u32 nat_phase_next(__u32 phase, bool is_back, bool tcp, __u8 flags)
{
	__u32 fin = is_back ? NAT_BACKEND_FIN : NAT_CLIENT_FIN;

	if (tcp && (flags & TCP_RST_FLAG))
		return NAT_CLOSED;
	if (is_back && phase == NAT_OPENING)
		return NAT_ANSWERED;
	if (!is_back && phase == NAT_ANSWERED && (!tcp || (flags & TCP_ACK)))
		phase = NAT_ESTABLISHED;
	if (!tcp || !(flags & TCP_FIN_FLAG) || phase < NAT_ESTABLISHED || phase == fin)
		return phase;
	return phase == NAT_ESTABLISHED ? fin : NAT_CLOSED;
}

/* The flow has a packet more. 1: it was written, since it had not been for a while; else 0. */
__noinline int nat_touch(struct pkt_facts *p, __u32 slot, __u32 is_back, __u32 tcp_flags)
{
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);
	struct nat_state *state = nat_state_get();
	__u32 phase, next;
	__u64 now, until;

	if (!p || !f || !state) /* p never; a global function's argument may be, for the verifier */
		return 0;
	phase = nat_phase_get(f);
	if (phase < NAT_OPENING)
		return 0;
	next = nat_phase_next(phase, is_back, p->proto == PROTO_TCP, (__u8)tcp_flags);
	now = pkt_now_coarse(p);
	until = now + nat_timeout(state, p->proto, next);
	/* Earlier than it was, too: where timeouts are shorter now. */
	if (next == phase && until - f->until_ns + NAT_REFRESH_NS < 2 * NAT_REFRESH_NS)
		return 0;
	/* The client went on after an answer, be it to end the flow. */
	if (next != phase && nat_phase_swap(f, phase, next) && next >= NAT_ESTABLISHED &&
	    next != NAT_CLOSED)
		nat_grow_up(f);
	f->until_ns = until;
	return 1;
}

/* Who it is from, in the link's terms. */
static __always_inline void nat_learn(FRAME_CONTEXT *ctx, const struct pkt_facts *p,
				      struct nat_flow *f)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return;
	__builtin_memcpy(f->client_mac, eth->h_source, sizeof(f->client_mac));
	__builtin_memcpy(f->edge_mac, eth->h_dest, sizeof(f->edge_mac));
	f->ifindex = p->ifindex;
}

/* Rewrite the packet of the slot's flow: 0, or a negative number and p->reason. */
static __always_inline int nat_translate(FRAME_CONTEXT *ctx, struct pkt_facts *p, __u32 slot,
					 bool is_back)
{
	struct nat_flow *f = nat_would_at(slot);
	struct nat_change *c = nat_work_get();
	__u8 flags = 0;

	p->reason = DROP_NAT_NO_FLOW;
	if (!f || !c || !nat_plan(p, f, is_back, c))
		return -1;
	c->l4_at = nat_l4_at(ctx, p);
	if (!c->l4_at)
		return -1;
	if (p->flags & PKT_QUOTES)
		return nat_error(ctx, p);
	p->reason = DROP_INTERNAL;
	if (p->proto == PROTO_TCP && frame_peek(ctx, c->l4_at + TCP_FLAG_BYTE, &flags, 1))
		return -1;
	if (!explaining && nat_touch(p, slot, is_back, flags)) {
		nat_sweep(pkt_now_coarse(p));
		if (!is_back)
			nat_learn(ctx, p, f);
	}
	if (nat_packet(ctx, p))
		return -1;
	p->reason = DROP_NONE;
	return 0;
}
