/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps stats_drop and stats_action, summed over CPUs. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/drop_reason.h"
#include "sluice/abi/stats.h"

/* ret has DROP_REASON_COUNT entries. */
int stats_map_drops(struct dataplane *dp, struct stats_count *ret);
/* ret has STATS_ACTIONS entries. */
int stats_map_actions(struct dataplane *dp, struct stats_count *ret);
