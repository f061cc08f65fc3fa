/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The choice of a backend in a slot that a change has moved: see abi/vip_flow.h.
 *
 * What is not noted, for whatever reason, goes to the backend of before if that one is alive, so that
 * all packets of the flow meet one backend for as long as the window is open. A dead backend gets
 * nothing. What spoofed packets may cost is bounded by notes a second and by the map, which evicts
 * nobody.
 *
 * Accepted races: CPUs that begin a second at once may make a few notes more; a note that the agent
 * removes as idle while a packet follows it is not missed until the next packet.
 */
#pragma once

#include "../explain.h"
#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/abi/flow_hash.h"
#include "sluice/abi/vip_flow.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct vip_flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vip_flow SEC(".maps");

/* While they are moved to a map of another size: the one of before. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_HASH);
			__uint(max_entries, 1);
			__type(key, struct flow_key);
			__type(value, struct vip_flow);
		});
} vip_flow_old SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vip_window);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vip_window SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct stats_flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_flow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct backend);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} backends SEC(".maps");

/* BPF_F_INNER_MAP (Linux 5.10): each has its own size. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, VIP_BEFORE_VIPS);
	__type(key, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_INNER_MAP);
			__uint(key_size, sizeof(__u32)); /* clang 14 loses types in here */
			__uint(value_size, sizeof(struct vip_before));
		});
} vip_before SEC(".maps");

#define VIP_FLOW_SECOND_NS 1000000000ULL

/* The backend's record, if it takes packets. */
static __always_inline const struct backend *vip_flow_alive(__u32 id)
{
	const struct backend *b = bpf_map_lookup_elem(&backends, &id);

	if (!b || (b->flags & (BACKEND_READY | BACKEND_DEAD)) != BACKEND_READY)
		return NULL;
	return b;
}

/* All CPUs share the word, so who is too late only reads it. */
static __always_inline bool vip_flow_may_note(struct vip_flow_meter *m, __u64 now, __u64 most)
{
	__u64 start = *(volatile __u64 *)&m->second_ns;

	if (explaining)
		return now - start >= VIP_FLOW_SECOND_NS || *(volatile __u64 *)&m->notes < most;
	if (now - start >= VIP_FLOW_SECOND_NS &&
	    __sync_val_compare_and_swap(&m->second_ns, start, now) == start)
		*(volatile __u64 *)&m->notes = 0;
	if (*(volatile __u64 *)&m->notes >= most)
		return false;
	__sync_fetch_and_add(&m->notes, 1);
	return true;
}

/* Note that the packet's flow is the backend's. False: it was not, and that is counted. */
static __always_inline bool vip_flow_note(struct pkt_facts *p, __u32 id, const struct backend *b,
					  bool syn, __u64 now)
{
	struct vip_flow note = {
		.backend = id, .generation = b->generation, .made_ns = now, .seen_ns = now
	};
	__u32 vip = p->vip_id;
	struct vip_window *w = bpf_map_lookup_elem(&vip_window, &vip);
	struct stats_flow *s = bpf_map_lookup_elem(&stats_flow, &vip);
	struct flow_key key;

	if (!w || !s)
		return false;
	if (!(syn ? vip_flow_may_note(&w->meter[VIP_FLOW_SYN], now, vip_syns_per_s)
		  : vip_flow_may_note(&w->meter[VIP_FLOW_OTHER], now, vip_notes_per_s))) {
		if (!explaining)
			s->over_rate++;
		return false;
	}
	if (explaining) /* as when the map has room */
		return true;
	key = p->flow;
	if (bpf_map_update_elem(&vip_flow, &key, &note, BPF_ANY)) {
		s->refused++;
		return false;
	}
	s->noted++;
	return true;
}

/* The note about a flow; NULL: there is none. */
static __always_inline struct vip_flow *vip_flow_get(const struct flow_key *key)
{
	struct vip_flow *f = bpf_map_lookup_elem(&vip_flow, key);
	__u32 zero = 0;
	void *old;

	if (f)
		return f;
	old = bpf_map_lookup_elem(&vip_flow_old, &zero);
	return old ? bpf_map_lookup_elem(old, key) : NULL;
}

/* Follow the note about the packet's flow. False: there is none that holds; *stale: but one that does not. */
static __always_inline bool vip_flow_follow(struct pkt_facts *p, __u64 now, bool *stale)
{
	struct flow_key key = p->flow;
	struct vip_flow *f = vip_flow_get(&key);
	const struct backend *b;

	*stale = f != NULL;
	if (!f)
		return false;
	b = vip_flow_alive(f->backend);
	if (!b || b->generation != f->generation)
		return false;
	if (!explaining && now - f->seen_ns >= VIP_FLOW_SECOND_NS)
		*(volatile __u64 *)&f->seen_ns = now;
	p->backend_id = f->backend;
	return true;
}

/*
 * Whose the flow was by the ring of before, which had another size: the backend's id, or
 * VIP_BEFORE_NONE. A global function: only while a size changes does anybody need its hash again.
 */
__noinline int vip_flow_before(const struct pkt_facts *p, const struct vip *vip)
{
	const struct vip_before *was;
	const struct vip_window *w;
	const struct backend *b;
	__u32 id, slot;
	void *ring;

	if (!p || !vip) /* never; a global function's arguments may be, for the verifier */
		return (int)VIP_BEFORE_NONE;
	id = vip->id;
	w = bpf_map_lookup_elem(&vip_window, &id);
	ring = bpf_map_lookup_elem(&vip_before, &id);
	if (!w || !ring)
		return (int)VIP_BEFORE_NONE;
	slot = flow_hash_vip_slot_of(&p->flow, vip, *(const volatile __u32 *)&w->before_size);
	was = bpf_map_lookup_elem(ring, &slot);
	if (!was)
		return (int)VIP_BEFORE_NONE;
	id = was->backend;
	b = bpf_map_lookup_elem(&backends, &id);
	return (int)(b && b->generation == was->generation ? id : VIP_BEFORE_NONE);
}

/* p->backend_id is what the ring says now, `before` what it said: make it the packet's. */
static __always_inline enum explain_moved vip_flow_decide(struct pkt_facts *p, __u32 before)
{
	__u64 now = pkt_now_coarse(p);
	const struct backend *old, *new;
	bool stale, syn;

	if (vip_flow_follow(p, now, &stale))
		return EXPLAIN_MOVED_NOTED;
	if (before == VIP_BEFORE_OVER)
		return EXPLAIN_MOVED_RING;
	old = vip_flow_alive(before);
	syn = (p->flags & (PKT_SYN | PKT_FRAGMENT | PKT_QUOTES)) == PKT_SYN;
	if (syn) {
		new = vip_flow_alive(p->backend_id);
		/* What the ring says of old and new flows alike needs no note. */
		if (!new || (p->backend_id == before && !stale) ||
		    vip_flow_note(p, p->backend_id, new, true, now) || !old)
			return EXPLAIN_MOVED_RING;
		p->backend_id = before;
		return EXPLAIN_MOVED_BEFORE;
	}
	if (!old)
		return EXPLAIN_MOVED_RING;
	/* A reset ends a flow, and an error is only about one. */
	if (p->backend_id != before && !(p->flags & (PKT_RST | PKT_QUOTES)))
		vip_flow_note(p, before, old, false, now);
	p->backend_id = before;
	return EXPLAIN_MOVED_BEFORE;
}

/* A global function: its records and keys are no part of the stack of who calls it. */
__noinline int vip_flow_choose(struct pkt_facts *p, __u32 before)
{
	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	explain_moved(vip_flow_decide(p, before));
	return 0;
}
