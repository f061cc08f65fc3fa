/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Address translation: a client's packet goes to its flow's backend as if it were to that (and, with
 * addresses of ours, from one of them), and the answer, which comes by here, to the client as if it came
 * from the vip. Limits are the client's: his packets meet them, answers do not.
 *
 * The way back to a client is the one that his packets came: by which device, and from which hardware
 * address. It costs nothing to know, and is right where a look-up of the route would not be, as with
 * several uplinks; where a router before the edge moves, the client's next packet tells.
 */
#pragma once

#include "../explain.h"
#include "mss.h"
#include "nat_find.h"
#include "nat_open.h"
#include "nat_translate.h"
#include "nat_would_open.h"
#include "vip.h"

/*
 * A SYN-ACK says how much its client may send to the backend: no more than this, which fits there; 0: it is
 * none, or is left alone. What the client's SYN says to the backend is stage_mss'. Once the client went on,
 * none is looked for.
 */
__noinline int nat_mss(FRAME_CONTEXT *ctx, struct pkt_facts *p, __u32 slot)
{
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);
	struct backend *b;
	__u32 id, at;
	__u8 flags;

	if (!p || !f) /* p never; a global function's argument may be, for the verifier */
		return 0;
	if (p->proto != PROTO_TCP || !(p->flags & PKT_ACK) || nat_phase_get(f) >= NAT_ESTABLISHED)
		return 0;
	id = f->backend_id;
	b = bpf_map_lookup_elem(&backends, &id);
	at = b && b->mss ? mss_tcp_at(ctx, p) : 0;
	if (!at || frame_load(ctx, at + TCP_FLAG_BYTE, &flags, 1) || !(flags & TCP_SYN))
		return 0;
	return b->mss;
}

/* To the client. Checked by the verifier on its own. */
__noinline int nat_send_back(FRAME_CONTEXT *ctx, struct pkt_facts *p, __u32 slot)
{
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);
	struct stats_nat *stats;
	struct ethhdr link = {};
	__u32 id;

	if (!p || !f) /* p never; a global function's argument may be, for the verifier */
		return STAGE_DROP;
	if (nat_translate(ctx, p, slot, true))
		return STAGE_DROP;
	__builtin_memcpy(link.h_dest, f->client_mac, sizeof(link.h_dest));
	__builtin_memcpy(link.h_source, f->edge_mac, sizeof(link.h_source));
	if (frame_put_link(ctx, &link))
		return STAGE_DROP;
	id = f->backend_id;
	stats = bpf_map_lookup_elem(&stats_nat, &id);
	if (stats && !explaining) {
		stats->answer_packets += p->packets;
		stats->answer_bytes += p->wire_bytes;
	}
	p->egress_ifindex = f->ifindex;
	return STAGE_TX;
}

/* To the backend. Checked by the verifier on its own. */
__noinline int nat_send(FRAME_CONTEXT *ctx, struct pkt_facts *p, struct backend *b)
{
	struct ethhdr link = {};

	if (!p || !b) /* never; a global function's argument may be, for the verifier */
		return STAGE_DROP;
	if (nat_translate(ctx, p, p->nat_slot - 1, false))
		return STAGE_DROP;
	frame_link_to(&link, b);
	if (frame_put_link(ctx, &link))
		return STAGE_DROP;
	p->egress_ifindex = b->ifindex;
	return STAGE_TX;
}

/* A client's packet: stage_nat_find need not look for its flow again. */
static __always_inline void nat_see(struct pkt_facts *p, const struct nat_ref *ref)
{
	if (explaining) /* it shows the backend, whose place that is */
		return;
	p->nat_seen = ref->slot + 1;
	p->nat_life = (__u16)ref->life;
}

/* Before vips are looked for: is it an answer? Then its way ends here. */
static __always_inline enum stage_result stage_nat_back(struct pkt *p)
{
	struct nat_state *state;
	struct nat_ref *ref;
	int at, mss;

	if (!nat_enabled || (p->flags & (PKT_FRAGMENT | PKT_VIPLESS)))
		return STAGE_NEXT;
	if (p->flow.proto != PROTO_TCP && p->flow.proto != PROTO_UDP)
		return STAGE_NEXT;
	state = nat_state_get();
	if (!state || !*(volatile __u32 *)&state->is_on)
		return STAGE_NEXT;
	ref = bpf_map_lookup_elem(&nat_tuple, &p->flow);
	if (!ref) {
		at = nat_old_get() ? nat_find_old(&p->facts) : 0;
	} else if (!ref->is_back) {
		nat_see(&p->facts, ref);
		return STAGE_NEXT;
	} else {
		at = nat_find_back(&p->facts, ref->slot, ref->life);
	}
	if (at <= 0)
		return STAGE_NEXT;
	/* From here, for 6.1 counts the frames of all that one calls the other. */
	mss = nat_mss(p->ctx, &p->facts, (__u32)at - 1);
	if (mss > 0)
		mss_lower(p->ctx, &p->facts, (__u32)mss);
	/* It is the last to touch the packet: the verifier is told so. */
	return nat_send_back(p->ctx, &p->facts, (__u32)at - 1) == STAGE_TX ? STAGE_TX : STAGE_DROP;
}

/* A client that begins anew from the port of a flow that is closed has a new one. */
static __always_inline bool nat_begins_anew(const struct pkt_facts *p, struct nat_flow *f,
					    __u32 slot)
{
	if (!(p->flags & PKT_SYN) || (p->flags & PKT_QUOTES) || nat_phase_get(f) != NAT_CLOSED)
		return false;
	if (explaining)
		return true;
	if (!nat_phase_swap(f, NAT_CLOSED, NAT_BUSY))
		return false;
	nat_end(slot, NAT_CLOSED);
	nat_free(f);
	return true;
}

/* The slot of a client's packet and 1 more; 0: it may begin a flow; negative: p->reason. */
__noinline int nat_find(struct pkt_facts *p)
{
	struct nat_flow *f;
	struct backend *b;
	__u32 slot, id;
	int at;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return -1;
	at = nat_recall(p);
	p->nat_seen = 0;
	p->nat_life = 0;
	if (!at)
		at = nat_lookup(p);
	slot = (__u32)at - 1;
	f = at > 0 ? bpf_map_lookup_elem(&nat_flow, &slot) : NULL;
	if (!f || nat_begins_anew(p, f, slot)) {
		p->reason = (__u16)nat_refuses(p);
		return p->reason ? -1 : 0;
	}
	id = f->backend_id;
	b = bpf_map_lookup_elem(&backends, &id);
	p->backend_id = id;
	if (b && (b->flags & (BACKEND_READY | BACKEND_DEAD)) == BACKEND_READY &&
	    b->generation == f->backend_generation)
		return at;
	/* Nobody is there any more: what begins anew goes to another. */
	if (!explaining)
		f->until_ns = 0;
	p->reason = DROP_BACKEND_GONE;
	return -1;
}

/* Behind the limits: which flow of a vip of mode nat is it, and so to which backend? */
static __always_inline enum stage_result stage_nat_find(struct pkt *p)
{
	int at;

	if (!nat_enabled || !p->vip)
		return STAGE_NEXT;
	if (!(p->vip->flags & VIP_NAT)) {
		p->nat_seen = 0;
		return STAGE_NEXT;
	}
	if (p->flags & PKT_FRAGMENT)
		return drop(p, DROP_NAT_SHAPE);
	at = nat_find(&p->facts);
	if (at < 0)
		return STAGE_DROP;
	p->nat_slot = (__u32)at;
	if (!at)
		return STAGE_NEXT;
	p->backend = bpf_map_lookup_elem(&backends, &p->backend_id);
	return p->backend ? STAGE_NEXT : drop(p, DROP_INTERNAL);
}

static __always_inline bool nat_begin(struct pkt *p)
{
	int at;

	/* What could not be translated begins nothing. */
	if (!nat_l4_at(p->ctx, &p->facts))
		return false;
	at = explaining ? nat_would_open(&p->facts, p->backend) : nat_open(&p->facts, p->backend);
	if (!explaining)
		nat_count(p->backend_id, p->reason);
	if (!at)
		return false;
	p->nat_slot = (__u32)at;
	return true;
}

/* Behind the ring: a new flow, if it has none, and the packet to its backend. */
static __always_inline enum stage_result stage_nat(struct pkt *p)
{
	if (!nat_enabled || !p->backend || p->backend->mode != BACKEND_NAT)
		return STAGE_NEXT;
	/* The vip's record and its backends' change one after the other. */
	if (!p->vip || !(p->vip->flags & VIP_NAT))
		return drop(p, DROP_BACKEND_GONE);
	if (!p->nat_slot && !nat_begin(p))
		return STAGE_DROP;
	/* It is the last to touch the packet: the verifier is told so. */
	return nat_send(p->ctx, &p->facts, p->backend) == STAGE_TX ? STAGE_TX : STAGE_DROP;
}
