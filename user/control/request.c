/* SPDX-License-Identifier: BSD-2-Clause */
#include "request.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "sluice/abi/limit.h"
#include "sluice/ctl/ctl.h"

const char *request_arg_opt(const struct control_request *r, const char *name)
{
	return json_string_value(json_object_get(r->args, name));
}

const char *request_arg(struct control_request *r, const char *name)
{
	const char *value = request_arg_opt(r, name);

	if (!value)
		errmsg_set(&r->err, -EINVAL, "%s %s needs the argument %s", r->noun, r->verb, name);
	return value;
}

json_t *request_set(const struct control_request *r)
{
	json_t *set = json_object_get(r->args, CTL_ARG_SET);

	return json_is_object(set) && json_object_size(set) > 0 ? set : NULL;
}

static bool is_allowed(const char *key, const char *const *allowed)
{
	for (; *allowed; allowed++)
		if (!strcmp(key, *allowed))
			return true;
	return false;
}

int request_check_args(struct control_request *r)
{
	const char *key, *field;
	json_t *value, *word;

	json_object_foreach(r->args, key, value) {
		if (!strcmp(key, CTL_ARG_SET) && json_is_object(value)) {
			json_object_foreach(value, field, word) {
				if (!json_is_string(word))
					return errmsg_set(&r->err, -EINVAL,
							  "the value of '%.64s' is not a word in "
							  "quotes",
							  field);
			}
		} else if (!json_is_string(value) && !json_is_boolean(value)) {
			return errmsg_set(&r->err, -EINVAL,
					  "the argument '%.64s' is neither a word in quotes nor a "
					  "switch",
					  key);
		}
	}
	return 0;
}

int request_check_set(struct control_request *r, const char *const *allowed)
{
	const char *key;
	json_t *value;

	json_object_foreach(request_set(r), key, value) {
		char list[256] = "";
		size_t used = 0;

		if (is_allowed(key, allowed) && json_is_string(value))
			continue;
		for (const char *const *a = allowed; *a && used < sizeof(list); a++)
			used += (size_t)snprintf(list + used, sizeof(list) - used, " %s", *a);
		return errmsg_set(&r->err, -EINVAL, "%s %s knows no field '%.64s'; it knows:%s",
				  r->noun, r->verb, key, list);
	}
	return 0;
}

int request_rows(struct control_request *r, size_t def, size_t max, size_t *ret)
{
	const char *word = json_string_value(json_object_get(request_set(r), "n"));
	char *end;

	*ret = def;
	if (!word)
		return 0;
	*ret = strtoul(word, &end, 10);
	if (*end || *word < '0' || *word > '9' || *ret == 0 || *ret > max)
		return errmsg_set(&r->err, -EINVAL, "n= is 1 to %zu, not '%.32s'", max, word);
	return 0;
}

struct dataplane *request_dataplane(struct control_request *r)
{
	const char *why = "";
	struct dataplane *dp = supervisor_dataplane(r->s, &why);

	if (!dp)
		errmsg_set(&r->err, -ENODEV, "there is no kernel half: %s",
			   why && *why ? why : "no device is configured (dataplane.devices)");
	return dp;
}

static bool is_exempt(const struct conf *conf, const struct addr *a)
{
	for (size_t i = 0; i < conf->acl.n_allow; i++)
		if (prefix_contains(&conf->acl.allow[i], a))
			return true;
	return false;
}

int request_guarded(struct control_request *r, const char *fmt, ...)
{
	char text[sizeof(r->err.text)], line[sizeof(text) + 16];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!r->dry_run)
		return errmsg_set(&r->err, -EPERM, "%s", text);
	snprintf(line, sizeof(line), "warning: %s", text);
	request_lines(r, str_of(line));
	return 0;
}

int request_guard(struct control_request *r, const struct prefix *p, const char *what)
{
	char text[ADDR_TEXT_MAX];

	if (!r->has_ssh || r->force || !prefix_contains(p, &r->ssh))
		return 0;
	if (is_exempt(supervisor_conf(r->s), &r->ssh))
		return 0;
	return request_guarded(
		r,
		"%s matches %s, the address of your own SSH session: repeat with --force, "
		"or exempt it first (sluicectl acl add allow %s)",
		what, addr_format(&r->ssh, text), text);
}

bool request_limit_meets(const struct conf_limit *limit, const struct addr *a)
{
	if (limit->kind != LIMIT_KIND_NONE || limit->protocol == IPPROTO_UDP || limit->n_vips > 0)
		return false;
	for (size_t i = 0; i < limit->n_sources; i++)
		if (prefix_contains(&limit->sources[i], a))
			return true;
	return limit->n_sources == 0 && limit->n_ports > 0;
}

/* Would a deny or a limit meet the address, if no allow prefix exempted it? */
static bool is_concerned(const struct conf *conf, const struct addr *a)
{
	for (size_t i = 0; i < conf->acl.n_deny; i++)
		if (prefix_contains(&conf->acl.deny[i], a))
			return true;
	for (size_t i = 0; i < conf->n_limits; i++)
		if (request_limit_meets(&conf->limits[i], a))
			return true;
	return false;
}

int request_guard_allow(struct control_request *r, const struct prefix *p)
{
	const struct conf *conf = supervisor_conf(r->s);
	char text[ADDR_TEXT_MAX];
	size_t others = 0;

	if (!r->has_ssh || r->force || !prefix_contains(p, &r->ssh))
		return 0;
	for (size_t i = 0; i < conf->acl.n_allow; i++)
		others += prefix_contains(&conf->acl.allow[i], &r->ssh);
	if (others > 1 || !is_concerned(conf, &r->ssh))
		return 0;
	return request_guarded(
		r,
		"it is what exempts %s, the address of your own SSH session, from a deny "
		"or a limit: repeat with --force",
		addr_format(&r->ssh, text));
}

void request_lines(struct control_request *r, struct str text)
{
	if (!r->lines)
		r->lines = json_array();
	while (text.ptr && text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t n = end ? (size_t)(end - text.ptr) : text.len;

		json_array_append_new(r->lines, json_stringn_nocheck(text.ptr, n));
		n += end ? 1 : 0;
		text.ptr += n;
		text.len -= n;
	}
}

void request_errors(struct control_request *r, const struct conf_errors *errors,
		    const char *file_name)
{
	struct buf out;

	buf_init(&out, 1U << 20);
	if (errors->n > 0 && conf_errors_format(errors, file_name, &out) == 0)
		request_lines(r, buf_str(&out));
	buf_clear(&out);
}

/* "total.packets.rate" is the deepest there is; a stack is not the place for a caller's depth. */
#define FIELD_DEPTH_MAX 3

/* Values come as words: what looks like a number or a switch is one. */
static json_t *typed_value(const char *word)
{
	char *end;
	long long number;

	if (!strcmp(word, "true") || !strcmp(word, "on") || !strcmp(word, "yes"))
		return json_true();
	if (!strcmp(word, "false") || !strcmp(word, "off") || !strcmp(word, "no"))
		return json_false();
	errno = 0;
	number = strtoll(word, &end, 10);
	if (*word && !*end && !errno)
		return json_integer(number);
	return json_string(word);
}

/*
 * The map that the last word of "total.packets.rate" goes into; NULL: a word is no map's name, or
 * there are too many, or one is too long to be a name.
 */
static json_t *map_of_field(json_t *edit, const char **key)
{
	const char *dot;

	for (int depth = 1; edit && (dot = strchr(*key, '.')); depth++) {
		char outer[64];
		json_t *into;

		if (depth >= FIELD_DEPTH_MAX || dot - *key >= (ptrdiff_t)sizeof(outer))
			return NULL;
		snprintf(outer, sizeof(outer), "%.*s", (int)(dot - *key), *key);
		into = json_object_get(edit, outer);
		if (!into) {
			into = json_object();
			json_object_set_new(edit, outer, into);
		}
		edit = json_is_object(into) ? into : NULL;
		*key = dot + 1;
	}
	return edit;
}

int request_fields(struct control_request *r, json_t *edit)
{
	const char *key;
	json_t *value;

	json_object_foreach(request_set(r), key, value) {
		const char *last = key;
		json_t *into;

		if (!json_is_string(value))
			return errmsg_set(&r->err, -EINVAL,
					  "the value of '%.64s' is not a word in quotes", key);
		into = map_of_field(edit, &last);
		if (!into)
			return errmsg_set(&r->err, -EINVAL,
					  "'%.64s' is no field's name, or is given as one value as "
					  "well",
					  key);
		if (json_object_set_new(into, last, typed_value(json_string_value(value))))
			return errmsg_set(&r->err, -EINVAL, "'%.64s' is not valid UTF-8", key);
	}
	return 0;
}

/*
 * Errors of one change that was typed: "edit 3 (acl 10.0.0.0/8): is …" counts those that are stored,
 * which says nothing to who typed it, and there is no file whose name could come first.
 */
static void edit_errors(struct control_request *r, const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		const char *text = errors->error[i].text;
		const char *what = strchr(text, '('), *end = what ? strstr(what, "): ") : NULL;
		char line[sizeof(errors->error[i].text) + 1];

		if (strncmp(text, "edit ", 5) == 0 && end)
			snprintf(line, sizeof(line), "%.*s: %s", (int)(end - what - 1), what + 1,
				 end + 3);
		else
			snprintf(line, sizeof(line), "%s", text);
		if (errors->n == 1)
			errmsg_set(&r->err, 0, "%s; nothing was changed", line);
		else
			request_lines(r, str_of(line));
	}
}

int request_edit(struct control_request *r, json_t *edit)
{
	struct conf_errors *errors = calloc(1, sizeof(*errors));
	struct buf diff;
	int err;

	if (!errors) {
		json_decref(edit);
		return -ENOMEM;
	}
	buf_init(&diff, 1U << 20);
	err = supervisor_edit(r->s, edit, r->dry_run, &r->who, &diff, errors, &r->err);
	if (err < 0) {
		edit_errors(r, errors);
		if (!r->err.text[0])
			errmsg_set(&r->err, err, "the change does not check: nothing was changed");
	} else {
		request_lines(r, buf_str(&diff));
		snprintf(r->text, sizeof(r->text), "%s",
			 buf_len(&diff) == 0 ? "nothing to change"
			 : r->dry_run	     ? "would change (dry run)"
			 : supervisor_storage(r->s)
				 ? "changed"
				 : "changed until the next restart: there is no storage "
				   "(see the warnings of status)");
	}
	buf_clear(&diff);
	json_decref(edit);
	free(errors);
	return err < 0 ? err : 0;
}
