/* SPDX-License-Identifier: BSD-2-Clause */
#include "acl_import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "request.h"

/* From the request to its answer. */
struct acl_wait {
	struct supervisor *s;
	struct control_conn *conn;
	struct supervisor_caller who;
	char name[sizeof(((struct acl_import *)0)->name)];
	bool dry_run;
	bool replace;
};

static void audit(const struct acl_wait *w, const struct acl_job_result *result)
{
	json_t *record = json_pack("{s:s,s:s,s:b,s:I,s:I}", "what", "acl.import", "file", w->name,
				   "replace", w->replace, "added", (json_int_t)result->added,
				   "removed", (json_int_t)result->removed);

	supervisor_audit(w->s, &w->who, record);
	json_decref(record);
}

static void answer(const struct acl_job_result *result, void *ctx)
{
	struct acl_wait *w = ctx;
	struct control_request r = {
		.s = w->s, .conn = w->conn, .noun = "acl", .verb = "import", .who = w->who
	};

	request_lines(&r, result->lines);
	r.err = result->err;
	if (!result->code && !w->dry_run)
		audit(w, result);
	if (!result->code)
		r.data = json_pack("{s:I,s:I,s:I,s:I}", "added", (json_int_t)result->added,
				   "removed", (json_int_t)result->removed, "imported",
				   (json_int_t)result->imported, "denied",
				   (json_int_t)result->denied);
	else if (result->code == -EINVAL)
		errmsg_set(&r.err, result->code, "%.400s; nothing was changed", result->err.text);
	snprintf(r.text, sizeof(r.text), "%s: %zu prefixes added, %zu removed; %zu are imported%s",
		 w->dry_run ? "would be (dry run)" : "done", result->added, result->removed,
		 result->imported,
		 w->dry_run || supervisor_storage(w->s) ? "" : ", until the next restart");
	control_conn_answer(w->conn, dispatch_answer(&r, result->code));
	free(w);
}

/* The job goes on; nobody waits for its answer. */
static void gone(void *ctx)
{
	struct acl_wait *w = ctx;

	supervisor_acl_forget(w->s, w);
	free(w);
}

static int read_args(struct control_request *r, struct acl_import *import)
{
	static const char *const fields[] = { "format", "column", NULL };
	json_t *set = request_set(r);
	const char *list = request_arg(r, "list"), *file = request_arg(r, "file");
	const char *format = json_string_value(json_object_get(set, "format"));
	const char *column = json_string_value(json_object_get(set, "column"));

	if (!list || !file || request_check_set(r, fields))
		return -EINVAL;
	if (strcmp(list, "deny") != 0)
		return errmsg_set(
			&r->err, -EINVAL,
			"only deny can be imported; what is allowed is few: acl add allow");
	if (format && acl_feed_format_parse(format, &import->format))
		return errmsg_set(&r->err, -EINVAL,
				  "'%.64s' is not a format: auto, lines, nft or csv", format);
	if (column && strlen(column) >= sizeof(import->column))
		return errmsg_set(&r->err, -EINVAL, "column is longer than %zu bytes",
				  sizeof(import->column) - 1);
	snprintf(import->column, sizeof(import->column), "%s", column ? column : "");
	snprintf(import->name, sizeof(import->name), "%s", file);
	import->replace = json_is_true(json_object_get(r->args, "replace"));
	import->has_guard = r->has_ssh && !r->force;
	import->guard = r->ssh;
	return 0;
}

int acl_import_start(struct control_request *r)
{
	struct acl_import import = { .fd = -1 };
	struct acl_wait *w;
	int err = request_dataplane(r) ? read_args(r, &import) : -ENODEV;

	if (err)
		return err;
	import.fd = control_conn_take_fd(r->conn);
	if (import.fd < 0)
		return errmsg_set(&r->err, -EBADF, "no descriptor came with the request");
	w = malloc(sizeof(*w));
	if (w)
		*w = (struct acl_wait) { .s = r->s,
					 .conn = r->conn,
					 .who = r->who,
					 .dry_run = r->dry_run,
					 .replace = import.replace };
	if (w)
		memcpy(w->name, import.name, sizeof(w->name));
	err = w ? supervisor_acl_import(r->s, &import, r->dry_run, answer, w) : -ENOMEM;
	if (!err) {
		control_conn_later(r->conn, gone, w);
		return CONTROL_LATER;
	}
	close(import.fd);
	free(w);
	return err == -EBUSY ? errmsg_set(&r->err, err,
					  "lists are being read already; try again in a moment")
			     : err;
}
