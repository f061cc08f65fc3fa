/* SPDX-License-Identifier: BSD-2-Clause */
/* Replace pinned maps whose configured size or layout changed, contents kept. */
#pragma once

#include "base/errmsg.h"

struct dataplane;

/*
 * Before loading: decide what has to be replaced together and refuse what would not fit.
 * -ENOSPC: entries in force have no room in the new size. -ENOMEM: new maps beyond memory.
 */
int resize_plan(struct dataplane *dp, struct errmsg *err);
/*
 * After loading: fill each new map from the one that it replaces, or leave entries to be moved
 * (map_move.h). Running programs still use the old ones: what they count between here and the flip of
 * the links is lost.
 */
int resize_copy(struct dataplane *dp, struct errmsg *err);
/* After the flip, while the old maps are open yet: flows that began since they were copied. */
void resize_catch_up(struct dataplane *dp);
