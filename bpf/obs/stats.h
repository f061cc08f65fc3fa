/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Per-CPU counters, written once at the exit from what the stages left in the packet. */
#pragma once

#include "../pipeline.h"
#include "sluice/abi/stats.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASON_COUNT);
	__type(key, __u32);
	__type(value, struct stats_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_drop SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STATS_ACTIONS);
	__type(key, __u32);
	__type(value, struct stats_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_action SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct stats_vip);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_vip SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_CLASSES);
	__type(key, __u32);
	__type(value, struct stats_limit);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_limit SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct stats_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_backend SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct stats_guard);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} stats_guard SEC(".maps");

static __always_inline void stats_add(const struct pkt *p, struct stats_count *count)
{
	count->packets += p->packets;
	count->bytes += p->wire_bytes;
}

static __always_inline void stats_add_at(const struct pkt *p, void *map, __u32 index)
{
	struct stats_count *count = bpf_map_lookup_elem(map, &index);

	if (count)
		stats_add(p, count);
}

static __always_inline void stats_add_vip(const struct pkt *p, enum stage_result result)
{
	__u32 id = p->vip_id;
	struct stats_vip *vip = bpf_map_lookup_elem(&stats_vip, &id);

	/* A reply never got as far as being the vip's traffic, unless it says why that was dropped. */
	if (!vip || (result == STAGE_REPLY && !p->reason))
		return;
	stats_add(p, p->reason ? &vip->dropped : &vip->forwarded);
	if (result == STAGE_TX && (p->flags & PKT_SYN))
		vip->connections++;
}

static __always_inline void stats_add_guard(const struct pkt *p)
{
	__u32 id = p->vip_id;
	struct stats_guard *guard = bpf_map_lookup_elem(&stats_guard, &id);

	if (guard)
		guard->packets[p->guard & 15]++;
}

static __always_inline void stats_add_limit(const struct pkt *p, const struct limit_answer *answer)
{
	__u32 id = answer->limit_class, unit = answer->unit;
	struct stats_limit *limit;

	if (unit >= LIMIT_REFUSALS)
		return;
	limit = bpf_map_lookup_elem(&stats_limit, &id);
	if (!limit)
		return;
	if (answer->is_near && (p->flags & PKT_MARKED))
		stats_add(p, &limit->marked);
	if (answer->outcome == LIMIT_ADMITTED)
		stats_add(p, &limit->admitted);
	else if (answer->outcome == LIMIT_DROPPED)
		stats_add(p, &limit->dropped[unit]);
	else
		stats_add(p, &limit->would_drop[unit]);
}

static __always_inline void stats_add_limits(const struct pkt *p, enum stage_result result)
{
	__u32 i;

#pragma unroll
	for (i = 0; i < LIMIT_SCOPES; i++) {
		/* What a trial would have dropped is only of interest if nobody else did. */
		if (p->limit[i].outcome != LIMIT_UNASKED &&
		    !(p->limit[i].outcome == LIMIT_WOULD_DROP && result == STAGE_DROP))
			stats_add_limit(p, &p->limit[i]);
	}
}

static __always_inline void stats_exit(const struct pkt *p, enum stage_result result)
{
	__u32 action = result == STAGE_TX      ? STATS_FORWARD
		       : result == STAGE_DROP  ? STATS_DROP
		       : result == STAGE_REPLY ? STATS_REPLY
					       : STATS_PASS;

	stats_add_at(p, &stats_drop, DROP_NONE);
	stats_add_at(p, &stats_action, action);
	if (p->vip_id)
		stats_add_vip(p, result);
	if (p->guard)
		stats_add_guard(p);
	stats_add_limits(p, result);
	if (result == STAGE_TX)
		stats_add_at(p, &stats_backend, p->backend_id);
	/* What was too big and is answered has a reason, too. */
	if (result == STAGE_DROP || (result == STAGE_REPLY && p->reason))
		stats_add_at(p, &stats_drop, p->reason);
}
