/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Vips: which one a packet goes to (found early, since limits differ by vip), and which backend.
 *
 * Accepted race: a vip's record that user space replaces may be read half old, half new by a packet
 * that found it just before; ring and ring_size then may not belong together, and the packet meets a
 * backend of the vip's other ring.
 */
#pragma once

#include "../lib/proto.h"
#include "../explain.h"
#include "../pipeline.h"
#include "sluice/abi/flow_hash.h"
#include "vip_flow.h"
#include "vip_wide.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vip_state);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vip_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64 * 2 * RING_SIZE_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vip_slot);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vip_ring SEC(".maps");

static __always_inline const struct vip_state *vip_state_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&vip_state, &zero);
}

/* Are there none? */
static __always_inline bool vip_is_empty(void)
{
	const struct vip_state *state = vip_state_get();

	return state && *(const volatile __u32 *)&state->is_empty;
}

/*
 * The packet's vip, or NULL. One of exactly its address and port is the most specific there can be.
 * Only a first fragment has ports, so all fragments go by their address, and are hashed without ports:
 * those of a datagram meet one backend.
 */
static __always_inline struct vip *vip_of(const struct pkt *p, const struct vip_state *state)
{
	struct vip *vip = NULL;

	if (!(p->flags & PKT_FRAGMENT)) {
		struct vip_key key = { .addr = p->flow.dst,
				       .port = p->flow.dport,
				       .proto = p->flow.proto };

		vip = bpf_map_lookup_elem(&vips, &key);
		if (vip || !*(const volatile __u32 *)&state->has_wide)
			return vip;
	}
	return vip_wide_find(&p->facts);
}

/* Find the packet's vip. Decides nothing: a packet to none goes on as well. */
static __always_inline enum stage_result stage_vip_find(struct pkt *p)
{
	const struct vip_state *state;

	if (!vip_enabled || (p->flags & PKT_VIPLESS))
		return STAGE_NEXT;
	if (p->flow.proto != PROTO_TCP && p->flow.proto != PROTO_UDP)
		return STAGE_NEXT;
	state = vip_state_get();
	if (!state || *(const volatile __u32 *)&state->is_empty)
		return STAGE_NEXT;
	p->vip = vip_of(p, state);
	if (p->vip) {
		p->vip_id = p->vip->id;
		p->service = p->vip->service;
	}
	return STAGE_NEXT;
}

/* A function of its own, so that vips without affinity have no states of it; the slot, below 2^17. */
__noinline int vip_client_slot(const struct pkt_facts *p, const struct vip *vip)
{
	if (!p || !vip) /* never; a global function's arguments may be, for the verifier */
		return 0;
	return (int)flow_hash_slot(flow_hash_client(&p->flow.src, vip->hash_seed), vip->ring_size);
}

/* Of the packet's flow. Global, so that the verifier walks it once and not on each way there. */
__noinline __u64 vip_flow_hash(const struct pkt_facts *p, const struct vip *vip)
{
	if (!p || !vip) /* never; a global function's arguments may be, for the verifier */
		return 0;
	return flow_hash(&p->flow, vip->hash_seed);
}

/* What is in a slot of the ring in force: both parts at once. */
static __always_inline bool vip_ring_read(struct pkt *p, const struct vip *vip, __u32 slot)
{
	__u64 *word;

	slot += (vip->id * 2 + (*(const volatile __u32 *)&vip->ring & 1)) * ring_stride;
	word = bpf_map_lookup_elem(&vip_ring, &slot);
	if (!word)
		return false;
	p->ring_word = *(volatile __u64 *)word;
	return true;
}

/*
 * Of many flows each has its own cache line in the ring, and its source's meters have theirs: read in front
 * of limits, it comes in while those are waited for. The clock waits for all that was asked for before, and
 * has to be read in front of this.
 */
static __always_inline void vip_read_ahead(struct pkt *p)
{
	struct vip *vip = p->vip;
	__u64 hash;

	if (explaining || !vip || (vip->flags & (VIP_NAT | VIP_CLIENT)) ||
	    (p->flags & PKT_FRAGMENT))
		return;
	pkt_now(&p->facts);
	hash = vip_flow_hash(&p->facts, vip);
	p->flow_bits = (__u16)hash;
	vip_ring_read(p, vip, flow_hash_slot(hash, vip->ring_size));
}

/* The same where it was not read before limits. One that stage/quic.h has a backend for needs none. */
static __always_inline bool vip_ring_find(struct pkt *p, const struct vip *vip)
{
	__u64 hash = vip_flow_hash(&p->facts, vip);
	__u32 slot = flow_hash_slot(hash, vip->ring_size);

	p->flow_bits = (__u16)hash;
	if (p->backend_id)
		return true;
	if (vip->flags & VIP_CLIENT)
		slot = (__u32)vip_client_slot(&p->facts, vip);
	if (explaining)
		explain_slot(slot, *(const volatile __u32 *)&vip->ring & 1);
	return vip_ring_read(p, vip, slot);
}

/* The backend by the ring, and where that has changed by what is known of the flow. */
static __always_inline void vip_ring_take(struct pkt *p, const struct vip *vip)
{
	__u32 before = VIP_SLOT_BEFORE(p->ring_word);

	p->backend_id = VIP_SLOT_BACKEND(p->ring_word);
	if (before == VIP_BEFORE_RING)
		before = (__u32)vip_flow_before(&p->facts, vip);
	if (before)
		vip_flow_choose(&p->facts, before);
}

static __always_inline enum stage_result stage_vip(struct pkt *p)
{
	struct vip *vip = p->vip;

	if (!vip)
		return STAGE_PASS;
	if (p->backend) /* of a flow that is translated */
		return STAGE_NEXT;
	if (p->flags & PKT_FRAGMENT) {
		p->flow.sport = 0;
		p->flow.dport = 0;
	}
	if (!p->ring_word && !vip_ring_find(p, vip))
		return drop(p, DROP_INTERNAL);
	if (p->backend_id == 0)
		vip_ring_take(p, vip);
	if (p->backend_id == 0)
		return drop(p, DROP_NO_BACKEND);
	p->backend = bpf_map_lookup_elem(&backends, &p->backend_id);
	if (!p->backend || !(p->backend->flags & BACKEND_READY))
		return drop(p, DROP_BACKEND_GONE);
	return STAGE_NEXT;
}
