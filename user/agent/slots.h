/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which word of the meters belongs to which limit of which consumer. With a kernel half the pinned map
 * meter_slots knows, so that buckets survive the agent; without one the table is here and is
 * taken over from the last revision.
 */
#pragma once

#include <stdint.h>

#include "../base/errmsg.h"
#include "../dataplane/dataplane.h"
#include "revision.h"

#define SLOTS_NAME_MAX 64 /* with the NUL: the key of abi/meter.h */

struct slots; /* the table for an agent without a kernel half */

int slots_new(uint32_t max_meters, struct slots **ret);
void slots_free(struct slots *t);
/* Note what a revision that is in force uses. */
void slots_adopt(struct slots *t, const struct revision *r);

/* "consumer/limit", or a hash of it where that is longer. */
void slots_name(const char *consumer, const char *limit, char ret[SLOTS_NAME_MAX]);

/*
 * Fill next->meter_slots: consumers that last (may be NULL) has under the same plan and limits keep
 * theirs without a look-up. dp NULL: from t. -ENOSPC and *err with the remedy.
 */
int slots_assign(struct slots *t, struct dataplane *dp, const struct revision *last,
		 struct revision *next, struct errmsg *err);

/* Give back all that live does not use; no worker may spend them any more. How many, or -ENOMEM. */
int slots_sweep(struct slots *t, struct dataplane *dp, const struct revision *live);
