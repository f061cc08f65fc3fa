/* SPDX-License-Identifier: BSD-2-Clause */
/* One request on its way through a handler, and what handlers share. */
#pragma once

#include <jansson.h>

#include "../agent/supervisor.h"
#include "sluice/abi/addr.h"

struct control_conn;

struct control_request {
	struct supervisor *s;
	struct control_conn *conn;
	const char *noun;
	const char *verb;
	json_t *args; /* an object, never NULL */
	bool dry_run;
	bool force;
	bool has_ssh;
	struct addr ssh;
	struct supervisor_caller who;
	/* the answer */
	json_t *data;
	json_t *lines;
	char text[512];
	struct errmsg err;
};

/* A handler's word that control_conn_answer will be called. */
#define CONTROL_LATER 1

/* 0: ok, data and text are the answer; negative errno: err (and lines) are. */
typedef int control_handler(struct control_request *r);

control_handler control_status, control_limit, control_acl, control_verdict, control_vip,
	control_backend, control_consumer, control_plan, control_stats, control_events,
	control_config, control_detach, control_top, control_capture, control_explain, control_flow,
	control_upgrade;

/* -EINVAL: a verb that the noun does not have; for the end of each handler. */
int request_no_verb(struct control_request *r);
/* dispatch.c: the answer as r has it by now, err being what a handler would return. */
json_t *dispatch_answer(struct control_request *r, int err);

/* The string argument of that name; NULL and r->err when it is missing or not a string. */
const char *request_arg(struct control_request *r, const char *name);
/* The same, but NULL without an error. */
const char *request_arg_opt(const struct control_request *r, const char *name);
/* -EINVAL when an argument is no string or boolean, or a value in set no string: before handlers. */
int request_check_args(struct control_request *r);
/* FIELD=VALUE pairs: an object of strings, NULL when there are none. */
json_t *request_set(const struct control_request *r);
/* -EINVAL with the list of fields that exist when set has any other key than those of allowed. */
int request_check_set(struct control_request *r, const char *const *allowed);
/* Rows of a table to show: field n, 1 to max; without it def. -EINVAL and r->err. */
int request_rows(struct control_request *r, size_t def, size_t max, size_t *ret);
/* The kernel half, or NULL and r->err says why there is none. */
struct dataplane *request_dataplane(struct control_request *r);

/*
 * An operator must not lock himself out: -EPERM when prefix covers the address of the caller's SSH
 * session, no allow prefix exempts it, and --force was not given. what: "deny 10.0.0.0/8".
 * A dry run is not refused: it gets the reason as a line of its answer.
 */
int request_guard(struct control_request *r, const struct prefix *p, const char *what);

/* The same for taking an allow prefix away that the session's address needs. */
int request_guard_allow(struct control_request *r, const struct prefix *p);

/* Refuse, or with --dry-run warn: what both of them do, with a text of one's own. */
__attribute__((format(printf, 2, 3))) int request_guarded(struct control_request *r,
							  const char *fmt, ...);
/* May the limit meet TCP between the address and this host itself? (A vip is not this host.) */
bool request_limit_meets(const struct conf_limit *limit, const struct addr *a);

/* Apply an edit (conf_edit's form; stolen), with --dry-run, diff and error lines into the answer. */
int request_edit(struct control_request *r, json_t *edit);
/* Copy pairs of set into edit: "a.b=1" becomes {"a":{"b":1}}; on/off/true/false and integers typed. */
int request_fields(struct control_request *r, json_t *edit);
void request_errors(struct control_request *r, const struct conf_errors *errors,
		    const char *file_name);
/* Lines of buf, as r->lines. */
void request_lines(struct control_request *r, struct str text);
