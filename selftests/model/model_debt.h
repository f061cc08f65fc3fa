/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent does to meters before a rate gets slower. */
#pragma once

#include "model.h"

/* Of LIMIT_UNITS rates each; those that get no slower leave their words alone. */
void model_debt_move(struct limit_meters *m, const struct gcra_rate *from,
		     const struct gcra_rate *to, uint64_t now_ns);
bool model_debt_is_any(const struct limit_rates *from, const struct limit_rates *to);
