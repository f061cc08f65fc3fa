/* SPDX-License-Identifier: BSD-2-Clause */
/* Which plans a route serves. */
#include <string.h>

#include "base/metric.h"
#include "policy_set.h"

enum policy_answer authorise_run(const struct conf_policies *p, struct policy_exchange *x)
{
	if (!p->n_plans)
		return POLICY_CONTINUE;
	if (!x->consumer) {
		metric_add(METRIC_AUTH_MISSING, 1);
		return policy_refuse(x, TERMINATION_KEY_MISSING, VERDICT_REASON_AUTH);
	}
	for (size_t i = 0; i < p->n_plans; i++) {
		if (strcmp(p->plans[i], x->consumer->plan->name) == 0)
			return POLICY_CONTINUE;
	}
	metric_add(METRIC_AUTH_FORBIDDEN, 1);
	return policy_refuse(x, TERMINATION_PLAN_FORBIDDEN, VERDICT_REASON_OPERATOR);
}
