/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What consumers have spent, carried over to a slower limit. A meter is an instant (algo/gcra.h): the
 * same word is less debt where a request is dearer, so a consumer at its limit would be given most of
 * a burst by the change that was meant to hold it back.
 */
#pragma once

#include <stddef.h>

#include "memory.h"
#include "revision.h"

struct meter_debt; /* what each meter has to say at least, once the change is in force */

/*
 * Before workers are given `next`, with its meter slots assigned: note what is owed on meters that both
 * revisions have under one consumer and limit name. 0, or -ENOMEM and the like: nothing is noted.
 */
int meter_debt_note(const struct memory *m, const struct revision *last,
		    const struct revision *next, struct meter_debt **ret);
/* After they have it: no bucket is fuller than it was. */
void meter_debt_settle(struct meter_debt *d);
void meter_debt_free(struct meter_debt *d); /* NULL does nothing */
