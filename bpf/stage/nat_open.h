/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flow begins: a slot, the tuple that its answers will show, and then the client's. Who comes first
 * has a tuple; who is second gives everything back.
 */
#pragma once

#include "limit_concurrent.h"
#include "nat_would.h"

/* Ports, or with several addresses of ours tuples, that a new flow tries. */
#define NAT_PORT_PROBES 16

/* A flow that goes on is written once in that time. */
#define NAT_REFRESH_NS 1000000000ULL

static __always_inline __u64 nat_timeout(const struct nat_state *state, __u32 proto, __u32 phase)
{
	return state->timeout_ns[nat_timeout_of(proto == PROTO_UDP, phase)];
}

/* A flow that began, or did not for that reason. */
static __always_inline void nat_count(__u32 backend_id, __u32 reason)
{
	struct stats_nat *stats = bpf_map_lookup_elem(&stats_nat, &backend_id);

	if (!stats)
		return;
	if (reason == DROP_NONE)
		stats->opened++;
	else if (reason == DROP_NAT_EXHAUSTED)
		stats->exhausted++;
	else if (reason == DROP_NAT_FULL)
		stats->full++;
}

/*
 * One of this CPU's ports, so that CPUs do not meet, at one of n addresses. By a number that begins at
 * random, since a port that can be guessed helps who forges answers (RFC 6056); all ports of an address
 * come before the next: numbers that chose both alike would leave out most pairs.
 */
static __always_inline void nat_choose(struct nat_flow *f, const struct nat_vip *vip, __u32 n,
				       __u32 number)
{
	__u32 cpus = nat_cpus ? nat_cpus : 1, share = NAT_PORTS / cpus;
	__u32 cpu = bpf_get_smp_processor_id() % cpus, port = 0;

	if (share)
		port = NAT_PORT_FIRST + cpu * share + number % share;
	f->answer.dst = vip->source[(share ? number / share : 0) % n & (NAT_SOURCES_MAX - 1)];
	f->answer.dport = bpf_htons((__u16)port);
}

/*
 * What is in a new flow's way makes room, if it is over; or if its flow is no more, as where it ended
 * while maps were copied to others of another size.
 */
static __always_inline void nat_clear_way(const struct flow_key *key, __u64 now)
{
	struct nat_ref *ref = bpf_map_lookup_elem(&nat_tuple, key);
	struct nat_flow *f;
	__u32 slot;

	if (!ref)
		return;
	slot = ref->slot;
	f = bpf_map_lookup_elem(&nat_flow, &slot);
	if (!f || nat_life_get(f) != ref->life || nat_phase_get(f) == NAT_FREE)
		bpf_map_delete_elem(&nat_tuple, key);
	else if (nat_phase_get(f) != NAT_BUSY && nat_take(f, slot, now))
		nat_free(f);
}

/*
 * Are the answers that a new flow chose those of a flow whose tuples are still to be moved? One that is
 * over makes room.
 */
__noinline int nat_is_old(__u32 slot, __u64 now)
{
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);
	struct nat_ref *ref;
	void *old = nat_old_get();
	__u32 at;

	ref = f && old ? bpf_map_lookup_elem(old, &f->answer) : NULL;
	if (!ref)
		return 0;
	at = ref->slot;
	f = bpf_map_lookup_elem(&nat_flow, &at);
	if (!f || nat_life_get(f) != ref->life || nat_phase_get(f) == NAT_FREE)
		return 0;
	if (nat_phase_get(f) == NAT_BUSY || !nat_take(f, at, now))
		return 1;
	nat_free(f);
	return 0;
}

/* Claim a tuple for the flow's answers: 0, or why not. */
__noinline int nat_claim_answer(__u32 slot, __u64 now)
{
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);
	struct nat_ref ref = { .slot = slot, .is_back = 1 };
	__u32 start = random_u32(), vip_id, i, n;
	struct nat_vip *vip;
	int err = 0;

	if (!f)
		return DROP_INTERNAL;
	ref.life = f->life;
	vip_id = f->vip_id;
	vip = bpf_map_lookup_elem(&nat_vip, &vip_id);
	if (!vip)
		return DROP_INTERNAL;
	n = vip->n_sources;
	for (i = 0; i < NAT_PORT_PROBES; i++) {
		if (n)
			nat_choose(f, vip, n, start + i);
		err = -17;
		if (nat_old_get() && nat_is_old(slot, now))
			continue;
		/* Of its 64 bits kernels before 6.4 set the lower 32. */
		err = (int)bpf_map_update_elem(&nat_tuple, &f->answer, &ref, BPF_NOEXIST);
		if (err != -17) /* EEXIST */
			break;
		nat_clear_way(&f->answer, now);
	}
	return !err ? DROP_NONE : err == -17 ? DROP_NAT_EXHAUSTED : DROP_NAT_FULL;
}

static __always_inline void nat_fill(struct nat_flow *f, const struct pkt_facts *p,
				     const struct backend *b)
{
	f->client = p->flow;
	f->answer.src = b->addr;
	f->answer.sport = b->port ? b->port : p->flow.dport;
	f->answer.dst = p->flow.src;
	f->answer.dport = p->flow.sport;
	f->answer.proto = p->flow.proto;
	f->life++;
	f->vip_id = p->vip_id;
	f->backend_id = p->backend_id;
	f->backend_generation = b->generation;
	f->ifindex = p->ifindex;
	f->place = (struct limit_concurrent_place) {};
}

/* Room in the table of what nobody has proven: a flood must not have all of it. */
static __always_inline bool nat_be_young(struct nat_state *state)
{
	/* With a table of another size some may have stayed behind: it may be less than none. */
	if ((__s32)__sync_fetch_and_add(&state->young, 1) >= (__s32)state->max_young) {
		__sync_fetch_and_sub(&state->young, 1);
		return false;
	}
	return true;
}

/*
 * With all that may be young, those that are over make room: new flows find them, and there are none; and
 * where no flow stands, nobody else looks.
 */
static __always_inline bool nat_find_room(struct nat_state *state, __u64 now)
{
	if (nat_be_young(state))
		return true;
	nat_sweep(now);
	return nat_be_young(state);
}

/* Both tuples; 0, or why not, and then neither. */
static __always_inline int nat_publish(struct nat_flow *f, __u32 slot, __u64 now)
{
	struct nat_ref ref = { .slot = slot, .life = f->life };
	int reason = nat_claim_answer(slot, now);

	if (reason)
		return reason;
	nat_clear_way(&f->client, now);
	if (!bpf_map_update_elem(&nat_tuple, &f->client, &ref, BPF_NOEXIST))
		return DROP_NONE;
	/* Another CPU has just begun it: what is sent again finds that. */
	bpf_map_delete_elem(&nat_tuple, &f->answer);
	return DROP_NAT_FULL;
}

/* Begin the packet's flow, to the backend: its slot and 1 more; 0, and p->reason. */
__noinline int nat_open(struct pkt_facts *p, struct backend *b)
{
	struct nat_state *state = nat_state_get();
	struct nat_flow *f;
	__u64 now;
	__u32 slot;
	int at;

	if (!p || !b || !state) /* never; a global function's argument may be, for the verifier */
		return 0;
	now = pkt_now_coarse(p);
	p->reason = DROP_NAT_FULL;
	if (!nat_find_room(state, now))
		return 0;
	at = nat_claim(now);
	slot = (__u32)at;
	f = at >= 0 ? bpf_map_lookup_elem(&nat_flow, &slot) : NULL;
	if (!f) {
		__sync_fetch_and_sub(&state->young, 1);
		return 0;
	}
	f->is_young = 1;
	nat_fill(f, p, b);
	p->reason = (__u16)nat_publish(f, slot, now);
	if (p->reason) {
		nat_grow_up(f);
		nat_free(f);
		return 0;
	}
	if (p->flow.proto == PROTO_TCP)
		limit_concurrent_begin(p, nat_concurrent_generation(), &f->place);
	/* Due to be written with this very packet, which tells where it is from: nat_touch. */
	f->until_ns = now + nat_timeout(state, p->flow.proto, NAT_OPENING) - NAT_REFRESH_NS;
	*(volatile __u32 *)&f->phase = NAT_OPENING;
	return (int)slot + 1;
}

/* 0, or why the packet begins no flow. */
__noinline int nat_refuses(struct pkt_facts *p)
{
	__u32 full;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return DROP_INTERNAL;
	if ((p->flags & PKT_QUOTES) ||
	    (p->flow.proto == PROTO_TCP && (p->flags & (PKT_SYN | PKT_RST)) != PKT_SYN))
		return DROP_NAT_NO_FLOW;
	if (p->flow.proto != PROTO_TCP)
		return DROP_NONE;
	full = (__u32)nat_would_full(p);
	return full ? limit_concurrent_note(p, full) : DROP_NONE;
}
