/* SPDX-License-Identifier: BSD-2-Clause */
/* Making room for another program (agent/upgrade.h is the monitor's part of it). */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "supervisor_state.h"

#define LEAVE_MS 100 /* for the answer to whoever asked */

static void on_leave(struct timer *t)
{
	supervisor_finish(container_of(t, struct supervisor, upgrade.leave));
}

int supervisor_upgrade(struct supervisor *s, bool dry_run, supervisor_upgrade_done *done, void *ctx,
		       struct errmsg *err)
{
	struct monitor_request r = { .slots = dry_run };
	int ret;

	if (s->draining)
		return errmsg_set(err, -ESHUTDOWN, "the agent is being stopped");
	if (s->upgrade.asked)
		return errmsg_set(err, -EALREADY, "an upgrade is under way");
	ret = monitor_link_ask(&s->monitor, MONITOR_UPGRADE, &r, -1, NULL, NULL);
	if (ret)
		return errmsg_set(err, ret, "%s", r.path[0] ? r.path : strerror(-ret));
	s->upgrade = (struct supervisor_upgrade) { .done = done,
						   .ctx = ctx,
						   .asked = true,
						   .dry_run = dry_run,
						   .leave.on_due = on_leave };
	return 0;
}

void supervisor_upgrade_forget(struct supervisor *s)
{
	s->upgrade.done = NULL;
}

void supervisor_upgrade_checked(struct supervisor *s, const struct monitor_request *r)
{
	struct supervisor_upgrade *u = &s->upgrade;

	if (!u->asked)
		return;
	u->asked = false;
	log_info("upgrade.checked", LOG_STR("version", SLUICE_VERSION),
		 LOG_BOOL("dry_run", u->dry_run), LOG_STR("error", r->status ? r->path : ""));
	if (u->done)
		u->done(r->status, r->path, u->ctx);
	u->done = NULL;
	if (!r->status && !u->dry_run)
		timer_start(s->loop, &u->leave, LEAVE_MS);
}
