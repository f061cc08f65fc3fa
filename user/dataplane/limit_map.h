/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps limit_class, limit_prefix and stats_limit, and the meters inside `clients`. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/client.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/stats.h"

/*
 * Make the classes those of conf. A limit keeps its class id across changes and restarts (found by
 * its name in limit_class), so rates change in place and no bucket is reset.
 */
int limit_map_apply(struct dataplane *dp, const struct conf_limit *limits, size_t n,
		    struct errmsg *err);
/* LIMIT_CLASS_NONE when there is no such limit. */
uint32_t limit_map_class(struct dataplane *dp, const char *name);
int limit_map_rates(struct dataplane *dp, uint32_t limit_class, struct limit_rates *ret);
/* Summed over CPUs. */
int limit_map_stats(struct dataplane *dp, uint32_t limit_class, struct stats_limit *ret);
/* The record of a source (its unit) in a scope: -ENOENT. Spends nothing. */
int limit_map_client(struct dataplane *dp, const struct addr *source, uint32_t scope,
		     struct client *ret);
