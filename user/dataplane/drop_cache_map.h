/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps drop_cache and drop_cache_state: drops that packets remember (abi/drop_cache.h). */
#pragma once

#include <stddef.h>

#include "dataplane.h"
#include "sluice/abi/drop_cache.h"
#include "sluice/abi/verdict.h"

/* A secret factor for the programs that are about to be loaded. 0 or -EIO. */
int drop_cache_map_open(struct dataplane *dp);

/*
 * Call after each change of a map by which packets are judged, also after half of one: what they
 * remember from before is void from their next packet on. Whoever forgets to call it is late by a tick.
 */
void drop_cache_map_forget(struct dataplane *dp);

/*
 * Are there no verdicts, for certain? Packets then ask for none: false before the first is written, and
 * before programs are put in force, which may meet what an agent left there that did not know of this.
 */
void drop_cache_map_no_verdicts(struct dataplane *dp, bool none);

/* The entries that have hits of which no verdict was told, of all CPUs; the array is the caller's to free. */
int drop_cache_map_hits(struct dataplane *dp, struct drop_cache_entry **ret, size_t *ret_n);
/* Are they hits of the verdict with this key? */
bool drop_cache_map_is_of(const struct drop_cache_entry *e, const struct verdict_key *key);
/* A verdict of map verdict_source with its hits, as of one moment. -ENOENT */
int drop_cache_map_verdict(struct dataplane *dp, const struct verdict_key *key,
			   struct verdict *ret);
