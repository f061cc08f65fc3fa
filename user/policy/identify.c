/* SPDX-License-Identifier: BSD-2-Clause */
/* API key to consumer: docs/feature/api-key.md. */
#include "base/metric.h"
#include "policy_set.h"

/* The one field of that name; *n how many there are. */
static struct str find_key(const struct http_head *h, struct str name, unsigned int *n)
{
	struct str key = { NULL, 0 };

	*n = 0;
	for (uint32_t i = 0; i < h->n_fields; i++) {
		if (!str_ieq(http_field_name(h, &h->fields[i]), name))
			continue;
		key = http_field_value(h, &h->fields[i]);
		(*n)++;
	}
	return key;
}

enum policy_answer identify_run(const struct policy_set *s, const struct conf_policies *p,
				struct policy_exchange *x)
{
	unsigned int n;
	struct str key;

	if (!p->api_key_header)
		return POLICY_CONTINUE;
	x->strip_key = true;
	x->key_field = str_of(p->api_key_header);
	key = find_key(x->request, x->key_field, &n);
	if (!n || !key.len) {
		if (!p->api_key_required)
			return POLICY_CONTINUE;
		metric_add(METRIC_AUTH_MISSING, 1);
		return policy_refuse(x, TERMINATION_KEY_MISSING, VERDICT_REASON_AUTH);
	}
	/* two keys are two answers to who this is: neither counts */
	if (n == 1)
		x->consumer = policy_set_find(s, key);
	if (x->consumer)
		return POLICY_CONTINUE;
	/* also where no key is asked for: a wrong credential is a mistake that somebody should see */
	metric_add(METRIC_AUTH_UNKNOWN, 1);
	return policy_refuse(x, TERMINATION_KEY_UNKNOWN, VERDICT_REASON_AUTH);
}
