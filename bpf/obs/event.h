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
 * one, and a word that all CPUs write for each would cost more than the drop; as would asking the
 * meter, which what it refuses within one tick is spared.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENT_METERS);
	__type(key, __u32);
	__type(value, struct event_pending);
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

/* What is pending goes to the shared count once it is many, and when there is room for events. */
static __always_inline void event_count(struct event_pending *pending, __u32 which, __u32 n,
					__u32 at_least)
{
	struct event_meter *meter;

	pending->n += n;
	if (pending->n < at_least)
		return;
	meter = bpf_map_lookup_elem(&event_meter, &which);
	if (!meter)
		return;
	__sync_fetch_and_add(&meter->suppressed, pending->n);
	pending->n = 0;
}

static __always_inline void event_suppress(__u32 which, __u32 n, __u32 at_least)
{
	struct event_pending *pending = bpf_map_lookup_elem(&event_pending, &which);

	if (pending)
		event_count(pending, which, n, at_least);
}

/* Was one refused in this tick? Whoever injects the clock has no ticks. */
static __always_inline bool event_is_over(const struct event_pending *pending)
{
	return !clock_injected && pending->refused_tick == (__u32)pkt_tick();
}

static __always_inline bool event_may(struct pkt *p, struct event_pending *pending, __u32 which)
{
	struct event_meter *meter;

	if (event_is_over(pending))
		return false;
	meter = bpf_map_lookup_elem(&event_meter, &which);
	if (!meter)
		return false;
	if (event_admit(p, meter))
		return true;
	if (!clock_injected)
		pending->refused_tick = (__u32)pkt_tick();
	return false;
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

/* Of a limit on trial: which meter samples what it would have dropped; false: it would not have. */
static __always_inline bool event_would(const struct pkt *p, __u32 *ret_reason)
{
	const struct limit_answer *answer = event_answer(p);

	if (answer->outcome != LIMIT_WOULD_DROP)
		return false;
	*ret_reason = p->flags & PKT_EGRESS ? DROP_EGRESS_LIMIT : limit_reason(answer);
	return true;
}

static __always_inline void event_exit(struct pkt *p, enum stage_result result)
{
	__u32 reason = p->reason, which = 0;
	const struct limit_answer *answer;
	struct event_pending *pending;
	struct event *e;

	if (result != STAGE_DROP) {
		if (!event_would(p, &reason))
			return;
		which = EVENT_METER_TRIAL;
	}
	which += reason & (EVENT_REASONS - 1);
	pending = bpf_map_lookup_elem(&event_pending, &which);
	if (!pending)
		return;
	if (!event_may(p, pending, which)) {
		event_count(pending, which, 1, EVENT_PENDING_MAX);
		return;
	}
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		event_count(pending, which, 1, 1);
		return;
	}
	event_count(pending, which, 0, 1);
	answer = event_answer(p);
	event_write(p, e, which < EVENT_METER_TRIAL ? EVENT_DROP : EVENT_WOULD_DROP, reason,
		    answer->outcome == LIMIT_UNASKED ? 0 : answer->limit_class);
	bpf_ringbuf_submit(e, 0);
}
