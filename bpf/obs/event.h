/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples of drops for people: of each reason at most events_per_s a second, with a tenth of a second
 * in a burst.
 */
#pragma once

#include "../pipeline.h"
#include "sluice/abi/event.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EVENT_METERS);
	__type(key, __u32);
	__type(value, struct event_meter);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} event_meter SEC(".maps");

/*
 * Suppressed events that this CPU has not added to event_meter yet. Under a flood every drop is
 * one, and a word that all CPUs write for each would cost more than the drop.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENT_METERS);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} event_pending SEC(".maps");

#define EVENT_PENDING_MAX 64
#define EVENT_TRIES	  2

static __always_inline struct gcra_rate event_rate(void)
{
	struct gcra_rate rate = {
		.mult = GCRA_FP_PER_S / events_per_s,
		.tolerance_fp = GCRA_FP_PER_S / 10,
	};

	if (rate.tolerance_fp < rate.mult)
		rate.tolerance_fp = rate.mult;
	return rate;
}

static __always_inline bool event_admit(struct pkt *p, struct event_meter *meter)
{
	struct gcra_rate rate = event_rate();
	/* The coarse clock: under a flood, most of what is dropped needs no other. */
	__u64 now_fp = gcra_now_fp(pkt_now_coarse(&p->facts));

	return gcra_spend(&meter->tat, &rate, now_fp, 1, EVENT_TRIES) == GCRA_ADMIT;
}

/* From when on, but at the latest at until_ns, an event may be written again. */
static __always_inline __u64 event_next_ns(__u32 which, __u64 now, __u64 until_ns)
{
	struct event_meter *meter = bpf_map_lookup_elem(&event_meter, &which);
	struct gcra_rate rate = event_rate();
	__u64 wait_ns;

	if (!meter)
		return until_ns;
	wait_ns = gcra_wait_ns(&meter->tat, &rate, gcra_now_fp(now), 1);
	return wait_ns < until_ns - now ? now + wait_ns : until_ns;
}

/* What is pending goes to the shared count once it is many, and when there is room for events. */
static __always_inline void event_suppress(__u32 which, __u64 n, __u64 at_least)
{
	__u64 *pending = bpf_map_lookup_elem(&event_pending, &which);
	struct event_meter *meter;

	if (!pending)
		return;
	*pending += n;
	if (*pending < at_least)
		return;
	meter = bpf_map_lookup_elem(&event_meter, &which);
	if (!meter)
		return;
	__sync_fetch_and_add(&meter->suppressed, *pending);
	*pending = 0;
}

static __always_inline void event_write(struct pkt *p, struct event *e, enum event_type type,
					__u32 reason, __u32 class_id)
{
	e->time_ns = pkt_now(&p->facts);
	e->type = type;
	e->reason = reason;
	e->flow = p->flow;
	if (p->flags & PKT_QUOTES) { /* the flow is the quoted packet's; show the one that came */
		e->flow.src = p->source;
		e->flow.proto = p->proto;
		e->flow.sport = 0;
		e->flow.dport = 0;
	}
	e->ifindex = p->ifindex;
	e->length_bytes = p->wire_bytes;
	e->vip_id = p->vip_id;
	e->limit_class = class_id;
}

/* The limit that the event is about: the one that dropped, else the first that would. */
static __always_inline const struct limit_answer *event_answer(const struct pkt *p)
{
	const struct limit_answer *answer = &p->limit[0];
	__u32 i;

#pragma unroll
	for (i = 0; i < LIMIT_SCOPES; i++) {
		const struct limit_answer *a = &p->limit[i];

		if (a->outcome == LIMIT_DROPPED ||
		    (a->outcome == LIMIT_WOULD_DROP && answer->outcome != LIMIT_WOULD_DROP &&
		     answer->outcome != LIMIT_DROPPED))
			answer = a;
	}
	return answer;
}

static __always_inline void event_exit(struct pkt *p, enum stage_result result)
{
	const struct limit_answer *answer = event_answer(p);
	enum event_type type = EVENT_DROP;
	__u32 which = p->reason & (EVENT_REASONS - 1), reason = p->reason;
	struct event_meter *meter;
	struct event *e;

	if (result != STAGE_DROP) {
		if (answer->outcome != LIMIT_WOULD_DROP)
			return;
		type = EVENT_WOULD_DROP;
		reason = limit_reason(answer);
		if (p->flags & PKT_EGRESS)
			reason = DROP_EGRESS_LIMIT;
		which = EVENT_METER_TRIAL + (reason & (EVENT_REASONS - 1));
	}
	meter = bpf_map_lookup_elem(&event_meter, &which);
	if (!meter)
		return;
	if (!event_admit(p, meter)) {
		event_suppress(which, 1, EVENT_PENDING_MAX);
		return;
	}
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		event_suppress(which, 1, 1);
		return;
	}
	event_suppress(which, 0, 1);
	event_write(p, e, type, reason, answer->outcome == LIMIT_UNASKED ? 0 : answer->limit_class);
	bpf_ringbuf_submit(e, 0);
}
