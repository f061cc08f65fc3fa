/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The single exit of the way out, whose packets are counted apart from those that came in. */
#pragma once

#include "event.h"
#include "stats.h"
#include "top.h"

__noinline int obs_exit_egress(struct pkt *p, enum stage_result result)
{
	if (!p)
		return 0;
	stats_add_at(p, &stats_action,
		     result == STAGE_DROP ? STATS_EGRESS_DROP : STATS_EGRESS_PASS);
	stats_add_limits(p, result);
	if (result == STAGE_DROP)
		stats_add_at(p, &stats_drop, p->reason);
	if (events_per_s)
		event_exit(p, result);
	if (result == STAGE_DROP && top_enabled)
		top_exit_egress(&p->facts);
	return 0;
}
