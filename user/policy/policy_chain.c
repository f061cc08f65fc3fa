/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "policy_set.h"

struct policy_chain {
	const struct policy_set *set;
	const struct conf_policies *conf;
};

int policy_chain_new(const struct policy_set *set, const struct conf_route *route,
		     struct policy_chain **ret)
{
	struct policy_chain *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->set = set;
	c->conf = &route->policies;
	*ret = c;
	return 0;
}

void policy_chain_free(struct policy_chain *c)
{
	free(c);
}

enum policy_answer policy_refuse(struct policy_exchange *x, enum termination end,
				 enum verdict_reason reason)
{
	const struct termination_row *row = termination_row(end);

	x->refusal.end = end;
	x->refusal.status = row->status;
	x->refusal.title = http_status_text(row->status);
	x->refusal.code = row->code;
	x->refusal.detail = row->detail;
	x->refusal.reason = reason;
	return POLICY_RESPOND;
}

enum policy_answer policy_chain_run(const struct policy_chain *c, struct policy_exchange *x)
{
	enum policy_answer answer = identify_run(c->set, c->conf, x);

	if (answer == POLICY_CONTINUE)
		answer = authorise_run(c->conf, x);
	if (answer == POLICY_CONTINUE)
		answer = limit_run(c->conf, x);
	return answer;
}
