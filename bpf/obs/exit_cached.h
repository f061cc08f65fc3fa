/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The exit of a packet that the drop cache answered: it counts what obs_exit would count of it. */
#pragma once

#include "event.h"
#include "stats.h"
#include "top.h"
#include "sluice/abi/drop_cache.h"

static __always_inline void stats_add_cached(void *map, __u32 index, __u32 bytes)
{
	struct stats_count *count = bpf_map_lookup_elem(map, &index);

	if (!count)
		return;
	count->packets += 1;
	count->bytes += bytes;
}

static __always_inline void stats_add_cached_limit(__u32 id, __u32 unit, __u32 bytes)
{
	struct stats_limit *limit = bpf_map_lookup_elem(&stats_limit, &id);

	if (!limit || unit >= LIMIT_UNITS)
		return;
	limit->dropped[unit].packets += 1;
	limit->dropped[unit].bytes += bytes;
}

/* Spend a packet of both samplers, unless one of them takes it: what is taken goes the whole way. */
static __always_inline bool top_spend_cached(__u32 bytes)
{
	__u32 zero = 0;
	struct top *t = bpf_map_lookup_elem(&top, &zero);

	if (!t)
		return true;
	if (t->sampler[TOP_DROPS].left < 1 || t->sampler[TOP_BYTES].left < bytes)
		return false;
	t->sampler[TOP_DROPS].left -= 1;
	t->sampler[TOP_BYTES].left -= bytes;
	return true;
}

/* False: nothing was counted, and the packet has to go the whole way. */
static __always_inline bool obs_exit_cached(const struct drop_cache_entry *e, __u32 bytes)
{
	if (top_enabled && !top_spend_cached(bytes))
		return false;
	stats_add_cached(&stats_drop, DROP_NONE, bytes);
	stats_add_cached(&stats_action, STATS_DROP, bytes);
	stats_add_cached(&stats_drop, e->reason, bytes);
	if (e->limit_class)
		stats_add_cached_limit(e->limit_class, e->unit, bytes);
	if (events_per_s)
		event_suppress(e->reason & (EVENT_REASONS - 1), 1, EVENT_PENDING_MAX);
	return true;
}
