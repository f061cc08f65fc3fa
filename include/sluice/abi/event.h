/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Map `events` (ring buffer): sampled drops, at most `events_per_s` a second over all CPUs. */
#pragma once

#include "addr.h"

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

/* Map `event_meter`, one element: the meter that samples, and how many events it suppressed. */
struct event_meter {
	__u64 tat;
	__u64 suppressed;
};
ABI_SIZE(struct event_meter, 16);
