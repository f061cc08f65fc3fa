/* SPDX-License-Identifier: BSD-2-Clause */
/* acl: allow and deny prefixes. */
#include "sluice/abi/acl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "request.h"

static void acl_append(json_t *list, const char *name, const struct prefix *prefixes, size_t n)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s,s:s}", "list", name, "prefix",
						      prefix_format(&prefixes[i], text)));
}

static int acl_change(struct control_request *r)
{
	const char *list = request_arg(r, "list");
	const char *word = request_arg(r, "prefix");
	bool add = !strcmp(r->verb, "add");
	char text[ADDR_TEXT_MAX], what[ADDR_TEXT_MAX + 32];
	struct prefix prefix;
	int err;

	if (!list || !word)
		return -EINVAL;
	if (strcmp(list, "allow") != 0 && strcmp(list, "deny") != 0)
		return errmsg_set(&r->err, -EINVAL, "'%.64s' is not a list: allow or deny", list);
	err = prefix_parse(word, &prefix);
	if (err == -ERANGE)
		return errmsg_set(&r->err, err, "'%.64s' has bits set behind its length", word);
	if (err)
		return errmsg_set(&r->err, err, "'%.64s' is not a prefix: write e.g. 192.0.2.0/24",
				  word);
	prefix_format(&prefix, text);
	snprintf(what, sizeof(what), "deny %s", text);
	if (add && !strcmp(list, "deny"))
		err = request_guard(r, &prefix, what);
	if (!add && !strcmp(list, "allow"))
		err = request_guard_allow(r, &prefix);
	if (err)
		return err;
	return request_edit(r, json_pack("{s:s,s:s,s:s,s:s}", "kind", "acl", "op", r->verb, "list",
					 list, "prefix", text));
}

int control_acl(struct control_request *r)
{
	const struct conf *conf = supervisor_conf(r->s);

	if (!strcmp(r->verb, "list")) {
		const char *list = request_arg_opt(r, "list");

		if (list && strcmp(list, "allow") != 0 && strcmp(list, "deny") != 0)
			return errmsg_set(&r->err, -EINVAL, "'%.64s' is not a list: allow or deny",
					  list);
		r->data = json_array();
		if (!list || !strcmp(list, "allow"))
			acl_append(r->data, "allow", conf->acl.allow, conf->acl.n_allow);
		if (!list || !strcmp(list, "deny"))
			acl_append(r->data, "deny", conf->acl.deny, conf->acl.n_deny);
		return 0;
	}
	if (!strcmp(r->verb, "add") || !strcmp(r->verb, "del"))
		return acl_change(r);
	return request_no_verb(r);
}
