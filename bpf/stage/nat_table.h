/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flows that are translated: found by what a packet shows, begun, and ended.
 *
 * A slot's phase is its lock: who brings it to NAT_BUSY by compare-and-swap fills or empties it alone.
 * Accepted race: a packet that found a flow in the moment in which it has been idle for its whole
 * timeout may be translated as the slot's next flow is; the slot's life is compared before and after
 * its tuple is read, which leaves some nanoseconds.
 */
#pragma once

#include "../lib/proto.h"
#include "../random.h"
#include "../explain.h"
#include "../pipeline.h"
#include "limit_concurrent_count.h"
#include "sluice/abi/nat.h"

/* Slots that a new flow looks at; and that a flow that goes on does, once a second. */
#define NAT_CLAIM_PROBES 32
#define NAT_SWEEP_PROBES 4

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nat_state);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} nat_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct nat_flow);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} nat_flow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * 1024);
	__type(key, struct flow_key);
	__type(value, struct nat_ref);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} nat_tuple SEC(".maps");

/* While they are moved to a map of another size: the one of before. Slots of flows are the same. */
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
			__type(value, struct nat_ref);
		});
} nat_tuple_old SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct nat_vip);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} nat_vip SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct stats_nat);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_nat SEC(".maps");

static __always_inline struct nat_state *nat_state_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_state, &zero);
}

/* Of tuples that are being moved; NULL: none is, or they have been. */
static __always_inline void *nat_old_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_tuple_old, &zero);
}

/* What a tuple refers to, which need not live any more; NULL: nothing. */
static __always_inline struct nat_ref *nat_ref_get(const struct flow_key *key)
{
	struct nat_ref *ref = bpf_map_lookup_elem(&nat_tuple, key);
	void *old;

	if (ref)
		return ref;
	old = nat_old_get();
	return old ? bpf_map_lookup_elem(old, key) : NULL;
}

static __always_inline __u32 nat_phase_get(const struct nat_flow *f)
{
	return *(volatile const __u32 *)&f->phase;
}

static __always_inline __u32 nat_life_get(const struct nat_flow *f)
{
	return *(volatile const __u32 *)&f->life;
}

/* Did the phase change from one to the other, and by this CPU? */
static __always_inline bool nat_phase_swap(struct nat_flow *f, __u32 from, __u32 to)
{
	return __sync_val_compare_and_swap((__u32 *)&f->phase, from, to) == from;
}

static __always_inline bool nat_is_over(const struct nat_flow *f, __u64 now)
{
	return (__s64)(now - *(volatile const __u64 *)&f->until_ns) >= 0;
}

/* It is proven, or it ends. */
static __always_inline void nat_grow_up(struct nat_flow *f)
{
	struct nat_state *state = nat_state_get();

	if (state && __sync_val_compare_and_swap(&f->is_young, 1, 0) == 1)
		__sync_fetch_and_sub(&state->young, 1);
}

static __always_inline __u32 nat_concurrent_generation(void)
{
	__u32 zero = 0;
	struct limit_state *state = bpf_map_lookup_elem(&limit_state, &zero);

	return state ? state->concurrent_generation : 0;
}

/*
 * Of a slot that was brought to NAT_BUSY from was: nothing finds its flow any more. Slots are handed over
 * by number, since 6.1 takes no key of a map from memory that was.
 */
__noinline int nat_end(__u32 slot, __u32 was)
{
	struct nat_flow *f = bpf_map_lookup_elem(&nat_flow, &slot);
	struct stats_nat *stats;
	__u32 id;

	if (!f)
		return 0;
	bpf_map_delete_elem(&nat_tuple, &f->client);
	bpf_map_delete_elem(&nat_tuple, &f->answer);
	nat_grow_up(f);
	limit_concurrent_end(&f->place, nat_concurrent_generation());
	id = f->backend_id;
	stats = bpf_map_lookup_elem(&stats_nat, &id);
	if (!stats)
		return 0;
	stats->ended++;
	if (was != NAT_CLOSED)
		stats->expired++;
	return 0;
}

/* Take the slot, if it is free or its flow is over. It is NAT_BUSY then. */
static __always_inline bool nat_take(struct nat_flow *f, __u32 slot, __u64 now)
{
	__u32 was = nat_phase_get(f);

	if (was == NAT_BUSY || (was != NAT_FREE && !nat_is_over(f, now)))
		return false;
	if (!nat_phase_swap(f, was, NAT_BUSY))
		return false;
	if (was != NAT_FREE)
		nat_end(slot, was);
	return true;
}

static __always_inline void nat_free(struct nat_flow *f)
{
	*(volatile __u32 *)&f->phase = NAT_FREE;
}

/* The next slot that may be looked at; NULL: there is none at all. */
static __always_inline struct nat_flow *nat_hand(__u32 *ret_slot)
{
	struct nat_state *state = nat_state_get();
	__u32 slot;

	if (!state || !state->max_flows)
		return NULL;
	slot = __sync_fetch_and_add(&state->hand, 1) % state->max_flows;
	*ret_slot = slot;
	return bpf_map_lookup_elem(&nat_flow, &slot);
}

/*
 * A slot for a new flow, as NAT_BUSY; negative: none of those looked at is free. They are looked at by
 * chance, since flows that last are in a row: with three quarters of the slots in use, one flow in
 * 10,000 finds none.
 */
__noinline int nat_claim(__u64 now)
{
	struct nat_state *state = nat_state_get();
	struct nat_flow *f;
	__u32 i, slot;

	if (!state || !state->max_flows)
		return -1;
	for (i = 0; i < NAT_CLAIM_PROBES; i++) {
		slot = random_u32() % state->max_flows;
		f = bpf_map_lookup_elem(&nat_flow, &slot);
		if (f && nat_take(f, slot, now))
			return (int)slot;
	}
	return -1;
}

/* What is over makes room, whoever comes next. */
__noinline int nat_sweep(__u64 now)
{
	struct nat_flow *f;
	__u32 i, slot = 0;

	for (i = 0; i < NAT_SWEEP_PROBES; i++) {
		f = nat_hand(&slot);
		if (f && nat_phase_get(f) > NAT_BUSY && nat_take(f, slot, now))
			nat_free(f);
	}
	return 0;
}
