/* SPDX-License-Identifier: BSD-2-Clause */
/* What a source has spent, as a word of a slower rate: docs/feature/limit.md, "Changes". */
#include "model_debt.h"

#include "model_meter.h"

/* mult / 2^shift of one is more than that of the other. */
static bool is_slower(const struct gcra_rate *from, const struct gcra_rate *to)
{
	return from->tolerance_fp && to->tolerance_fp &&
	       (model_time)to->mult << from->shift > (model_time)from->mult << to->shift;
}

/* The fewest units that cost so much. */
static model_time units_of(const struct gcra_rate *rate, model_time cost)
{
	return cost ? ((cost - 1) << rate->shift) / rate->mult + 1 : 0;
}

/* As many units are spent, or all; a word is never an earlier time than it was. */
static void move(__u64 *word, const struct gcra_rate *from, const struct gcra_rate *to,
		 model_time now)
{
	model_time spent = units_of(from, meter_level(*word, from, now) - now), cost;

	if (spent > to->tolerance_fp)
		spent = to->tolerance_fp; /* which costs more than all */
	cost = (spent * to->mult + (((model_time)1 << to->shift) - 1)) >> to->shift;
	if (cost > to->tolerance_fp)
		cost = to->tolerance_fp;
	if (spent && *word < now + cost)
		*word = (__u64)(now + cost);
}

void model_debt_move(struct limit_meters *m, const struct gcra_rate *from,
		     const struct gcra_rate *to, uint64_t now_ns)
{
	int unit;

	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		if (is_slower(&from[unit], &to[unit]))
			move(&m->tat[unit], &from[unit], &to[unit], meter_now(now_ns));
	}
}

bool model_debt_is_any(const struct limit_rates *from, const struct limit_rates *to)
{
	int unit;

	for (unit = 0; unit < LIMIT_UNITS; unit++) {
		if (is_slower(&from->unit[unit], &to->unit[unit]) ||
		    is_slower(&from->total[unit], &to->total[unit]))
			return true;
	}
	return false;
}
