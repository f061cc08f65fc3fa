/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The single exit: counts and samples what the stages decided; changes nothing of it. */
#pragma once

#include "event.h"
#include "stats.h"
#include "top.h"

/* Checked by the verifier on its own: pointers in *p are not available. Returns 0. */
__noinline int obs_exit(struct pkt *p, enum stage_result result)
{
	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	stats_exit(p, result);
	if (top_enabled)
		top_exit(&p->facts, result);
	if (events_per_s)
		event_exit(p, result);
	return 0;
}
