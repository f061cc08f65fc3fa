/* SPDX-License-Identifier: BSD-2-Clause */
/* What sources have spent, carried over to a slower rate. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/limit.h"

/*
 * A meter is an instant (algo/gcra.h), so at a rate ten times slower the same word would be a tenth
 * of the debt, and every source at its limit would have nearly all of a burst. So before a class
 * changes to rates of which one is slower, all its meters are moved on to what as many units cost
 * there. Meanwhile the rates in force admit less than they could; nobody gets more.
 * Meters of a faster rate stay: what they say too much is an empty bucket.
 */
void limit_debt_carry(struct dataplane *dp, uint32_t id, struct limit_class *class,
		      const struct limit_rates *to);

/*
 * The same of one set of meters: those whose rate, of LIMIT_UNITS, is slower. No word becomes an
 * earlier time. Others may spend them meanwhile.
 */
void limit_debt_move(struct limit_meters *m, const struct gcra_rate *from,
		     const struct gcra_rate *to, uint64_t now_fp);
