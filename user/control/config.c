/* SPDX-License-Identifier: BSD-2-Clause */
/* config: check, apply and show the whole configuration. */
#include "conf/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "dataplane/limit_memory.h"
#include "guard.h"
#include "request.h"

/* What the text's tables would take; it has been checked. */
static void memory_lines(struct control_request *r, const char *text)
{
	struct conf_errors *errors = calloc(1, sizeof(*errors));
	struct conf *conf;
	struct buf out;

	buf_init(&out, 1U << 14);
	if (errors && !conf_parse(text, strlen(text), &conf, errors)) {
		if (!limit_memory_format(&conf->dataplane, &out))
			request_lines(r, buf_str(&out));
		conf_free(conf);
	}
	buf_clear(&out);
	free(errors);
}

static int config_apply(struct control_request *r, bool check_only)
{
	const char *text = request_arg(r, "text");
	const char *file = request_arg_opt(r, "file");
	bool replace = json_is_true(json_object_get(r->args, "replace"));
	bool dry_run = r->dry_run || check_only;
	struct conf_errors *errors;
	struct buf diff;
	int err;

	if (!text)
		return -EINVAL;
	err = check_only ? 0 : guard_file(r, text);
	if (err)
		return err;
	errors = calloc(1, sizeof(*errors));
	if (!errors)
		return -ENOMEM;
	buf_init(&diff, 4U << 20);
	err = supervisor_apply(r->s, text, strlen(text), replace, dry_run, &r->who, &diff, errors,
			       &r->err);
	if (err < 0) {
		request_errors(r, errors, file ? file : "config");
		if (!r->err.text[0])
			errmsg_set(&r->err, err,
				   "the configuration does not check: nothing was "
				   "changed");
	} else {
		request_lines(r, buf_str(&diff));
		if (check_only)
			memory_lines(r, text);
		snprintf(r->text, sizeof(r->text), "%s",
			 buf_len(&diff) == 0 ? "no difference to the running configuration"
			 : dry_run	     ? "checks; would change the lines above"
					     : "applied");
	}
	buf_clear(&diff);
	free(errors);
	return err < 0 ? err : 0;
}

static int config_show(struct control_request *r)
{
	struct buf out;
	int err;

	buf_init(&out, 64U << 20);
	err = conf_dump(supervisor_conf(r->s), CONF_DUMP_REDACTED, &out);
	if (!err) {
		r->data = json_loadb(buf_head(&out), buf_len(&out), 0, NULL);
		err = r->data ? 0 : -EINVAL;
	}
	buf_clear(&out);
	return err;
}

int control_config(struct control_request *r)
{
	if (!strcmp(r->verb, "show"))
		return config_show(r);
	if (!strcmp(r->verb, "check"))
		return config_apply(r, true);
	if (!strcmp(r->verb, "apply"))
		return config_apply(r, false);
	return request_no_verb(r);
}
