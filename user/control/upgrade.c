/* SPDX-License-Identifier: BSD-2-Clause */
/* upgrade: have the program on disk take over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "request.h"

/* From the request to its answer. */
struct upgrade_wait {
	struct supervisor *s;
	struct control_conn *conn;
	struct supervisor_caller who;
	bool dry_run;
};

static void audit(const struct upgrade_wait *w)
{
	json_t *record = json_pack("{s:s}", "noun", "upgrade");

	supervisor_audit(w->s, &w->who, record);
	json_decref(record);
}

static void answer(int code, const char *text, void *ctx)
{
	struct upgrade_wait *w = ctx;
	struct control_request r = {
		.s = w->s, .conn = w->conn, .noun = "upgrade", .verb = "now", .who = w->who
	};

	if (code)
		errmsg_set(&r.err, code, "%.400s; nothing was changed", text);
	else if (w->dry_run)
		snprintf(r.text, sizeof(r.text), "it would take over (dry run): %.400s", text);
	else
		snprintf(r.text, sizeof(r.text),
			 "it takes over; the workers of " SLUICE_VERSION
			 " serve the connections that they have");
	if (!code && !w->dry_run) {
		r.data = json_pack("{s:i}", "supervisor", (int)getpid());
		audit(w);
	}
	control_conn_answer(w->conn, dispatch_answer(&r, code));
	free(w);
}

/* It goes on; nobody waits for its answer. */
static void gone(void *ctx)
{
	struct upgrade_wait *w = ctx;

	supervisor_upgrade_forget(w->s);
	free(w);
}

int control_upgrade(struct control_request *r)
{
	struct upgrade_wait *w;
	int err;

	if (strcmp(r->verb, "now") != 0)
		return request_no_verb(r);
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct upgrade_wait) {
		.s = r->s, .conn = r->conn, .who = r->who, .dry_run = r->dry_run
	};
	err = supervisor_upgrade(r->s, r->dry_run, answer, w, &r->err);
	if (err) {
		free(w);
		return err;
	}
	control_conn_later(r->conn, gone, w);
	return CONTROL_LATER;
}
