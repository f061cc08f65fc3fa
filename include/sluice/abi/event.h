/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Map `events` (ring buffer): sampled drops, at most `events_per_s` a second and reason, over all CPUs. */
#pragma once

#include "addr.h"
#include "drop_reason.h"

enum event_type { EVENT_DROP = 1, EVENT_WOULD_DROP };

struct event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 type;    /* enum event_type */
	__u32 reason;  /* enum drop_reason */
	struct flow_key flow;
	__u32 ifindex;
	__u32 length_bytes;
	__u32 vip_id;	   /* 0: none */
	__u32 limit_class; /* 0: none */
};
ABI_SIZE(struct event, 72);

/*
 * Map `event_meter`: the meters that sample, and how many events each suppressed. One per reason, so
 * that a noisy one leaves room for the others, and one per reason of limits on trial.
 */
#define EVENT_REASONS	  32		/* room for enum drop_reason */
#define EVENT_METER_TRIAL EVENT_REASONS /* add it for EVENT_WOULD_DROP */
#define EVENT_METERS	  (2 * EVENT_REASONS)

struct event_meter {
	__u64 tat;
	__u64 suppressed;
};
ABI_SIZE(struct event_meter, 16);
_Static_assert((int)DROP_REASON_COUNT <= EVENT_REASONS, "a meter for each reason");

/* Map `event_pending`, of each CPU: what it has not added to the meter's `suppressed` yet. */
struct event_pending {
	__u32 n;
	__u32 refused_tick; /* when the meter refused last; within that tick it is not asked again */
};
ABI_SIZE(struct event_pending, 8);
