/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor's part of an upgrade: the program at the path that it was started from is asked whether
 * it could take over, by a child that ends; if so it takes this process's place once the supervisor is
 * gone. Nothing else can be started: a path that somebody names would be run as root.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "../event/loop.h"
#include "handover.h"

struct upgrade {
	const char *config_path;
	char exe[PATH_MAX];
	pid_t check; /* 0: none runs */
	int text_fd; /* what it prints */
	struct timer patience;
	bool dry_run; /* it is only asked */
	bool passed;  /* take over when the supervisor has ended */
};

/* Note where this program is, and reserve what an exec needs. First of all. Negative errno. */
int upgrade_open(struct upgrade *u, const char *config_path);
/*
 * Start to ask. -EALREADY, -EBUSY: workers of the last upgrade have connections still; -EPERM: the
 * file is not root's, or somebody else may write to it; and *err.
 */
int upgrade_check(struct upgrade *u, struct loop *loop, struct handover *h, bool dry_run,
		  struct errmsg *err);
/* Was it our child that ended? Then *r is what the supervisor is to be told (MONITOR_CHECKED). */
bool upgrade_checked(struct upgrade *u, struct handover *h, pid_t pid, int wait_status,
		     struct monitor_request *r);
/* Become the other program. Returns only where that failed: then nothing has changed. */
void upgrade_exec(struct upgrade *u, struct handover *h);
