/* SPDX-License-Identifier: BSD-2-Clause */
#include "dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "request.h"
#include "sluice/ctl/ctl.h"

static const struct {
	const char *noun;
	control_handler *handle;
} nouns[] = {
	{ "status", control_status },	  { "limit", control_limit },
	{ "acl", control_acl },		  { "verdict", control_verdict },
	{ "vip", control_vip },		  { "backend", control_backend },
	{ "consumer", control_consumer }, { "plan", control_plan },
	{ "stats", control_stats },	  { "events", control_events },
	{ "config", control_config },	  { "detach", control_detach },
	{ "top", control_top },		  { "capture", control_capture },
	{ "explain", control_explain },	  { "flow", control_flow },
	{ "upgrade", control_upgrade },
};

static json_t *error_answer(const char *text, json_t *lines)
{
	json_t *answer = json_pack("{s:b,s:s}", CTL_KEY_OK, 0, CTL_KEY_ERROR, text);

	if (!answer) /* the text quotes bytes that are not UTF-8 */
		answer = json_pack("{s:b,s:s}", CTL_KEY_OK, 0, CTL_KEY_ERROR,
				   "a word of the request is not valid UTF-8");
	if (lines)
		json_object_set(answer, CTL_KEY_LINES, lines);
	return answer;
}

json_t *dispatch_answer(struct control_request *r, int err)
{
	json_t *answer;

	if (err < 0) {
		if (!r->err.text[0])
			errmsg_set(&r->err, err, "%s %s: %s", r->noun, r->verb, strerror(-err));
		answer = error_answer(r->err.text, r->lines);
	} else {
		answer = json_pack("{s:b,s:s}", CTL_KEY_OK, 1, CTL_KEY_TEXT, r->text);
		if (r->data)
			json_object_set(answer, CTL_KEY_DATA, r->data);
		if (r->lines)
			json_object_set(answer, CTL_KEY_LINES, r->lines);
	}
	json_decref(r->data);
	json_decref(r->lines);
	r->data = r->lines = NULL;
	return answer;
}

static json_t *handle(struct control_request *r)
{
	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
		int err;

		if (strcmp(nouns[i].noun, r->noun) != 0)
			continue;
		err = nouns[i].handle(r);
		return err == CONTROL_LATER ? NULL : dispatch_answer(r, err);
	}
	errmsg_set(&r->err, -EINVAL, "there is no '%.64s'; see sluicectl help", r->noun);
	return error_answer(r->err.text, NULL);
}

json_t *dispatch(struct supervisor *s, struct control_conn *conn,
		 const struct supervisor_caller *who, const char *line, size_t len)
{
	struct control_request r = { .s = s, .conn = conn, .who = *who };
	json_error_t parse_error;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &parse_error);
	const char *ssh;
	json_t *answer;

	if (!json_is_object(request)) {
		json_decref(request);
		return error_answer("the request is not one JSON object", NULL);
	}
	r.noun = json_string_value(json_object_get(request, CTL_KEY_NOUN));
	r.verb = json_string_value(json_object_get(request, CTL_KEY_VERB));
	r.args = json_object_get(request, CTL_KEY_ARGS);
	r.dry_run = json_is_true(json_object_get(request, CTL_KEY_DRY_RUN));
	r.force = json_is_true(json_object_get(request, CTL_KEY_FORCE));
	ssh = json_string_value(json_object_get(request, CTL_KEY_SSH));
	r.has_ssh = ssh && addr_parse(ssh, &r.ssh) == 0;
	if (r.args)
		json_incref(r.args);
	else
		r.args = json_object();
	if (!r.noun || !r.verb || !json_is_object(r.args))
		answer = error_answer("the request lacks noun, verb or args", NULL);
	else if (request_check_args(&r))
		answer = error_answer(r.err.text, NULL);
	else
		answer = handle(&r);
	json_decref(r.args);
	json_decref(request);
	return answer;
}

/* A verb that the noun does not have: for the end of each handler. */
int request_no_verb(struct control_request *r)
{
	return errmsg_set(&r->err, -EINVAL, "%s has no verb '%.64s'; see sluicectl help %s",
			  r->noun, r->verb, r->noun);
}
