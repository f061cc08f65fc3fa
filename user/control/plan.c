/* SPDX-License-Identifier: BSD-2-Clause */
/* plan: the limits that consumers have. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "request.h"

static json_t *plan_json(const struct conf *conf, const struct conf_plan *plan)
{
	json_t *limits = json_array();
	size_t consumers = 0;

	for (size_t i = 0; i < plan->n_limits; i++) {
		char text[64] = "";

		conf_rate_format(&plan->limits[i].rate, text, sizeof(text));
		json_array_append_new(limits, json_pack("{s:s,s:s,s:I}", "name",
							plan->limits[i].name, "rate", text, "burst",
							(json_int_t)plan->limits[i].rate.burst));
	}
	for (size_t i = 0; i < conf->n_consumers; i++)
		consumers +=
			conf->consumers[i].plan && !strcmp(conf->consumers[i].plan, plan->name);
	return json_pack("{s:s,s:I,s:o}", "name", plan->name, "consumers", (json_int_t)consumers,
			 "limits", limits);
}

static int plan_list(struct control_request *r)
{
	const struct conf *conf = supervisor_conf(r->s);

	r->data = json_array();
	for (size_t i = 0; i < conf->n_plans; i++)
		json_array_append_new(r->data, plan_json(conf, &conf->plans[i]));
	return 0;
}

static int plan_set(struct control_request *r)
{
	const char *name = request_arg(r, "name");
	json_t *edit;
	int err;

	if (!name)
		return -EINVAL;
	if (!conf_plan(supervisor_conf(r->s), name))
		return errmsg_set(&r->err, -ENOENT,
				  "there is no plan '%.64s'; see sluicectl plan "
				  "list",
				  name);
	if (!request_set(r))
		return errmsg_set(&r->err, -EINVAL,
				  "plan set needs LIMIT.rate=… or LIMIT.burst=…, "
				  "e.g. requests.rate=20/s");
	edit = json_pack("{s:s,s:s,s:s,s:{}}", "kind", "plan", "op", "set", "name", name, "limits");
	err = edit ? request_fields(r, json_object_get(edit, "limits")) : -EINVAL;
	if (err) {
		json_decref(edit);
		return err;
	}
	return request_edit(r, edit);
}

int control_plan(struct control_request *r)
{
	if (!strcmp(r->verb, "list"))
		return plan_list(r);
	if (!strcmp(r->verb, "set"))
		return plan_set(r);
	return request_no_verb(r);
}
