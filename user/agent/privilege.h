/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process of the agent gives up before it looks at anything that others wrote. */
#pragma once

#include <sys/types.h>

#include "../base/errmsg.h"

struct privilege_account {
	uid_t uid;
	gid_t gid;
};

enum privilege_keep {
	PRIVILEGE_NONE,	  /* a worker */
	PRIVILEGE_KERNEL, /* the supervisor: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON */
};

/* Look an account up. -ENOENT and *err with the command that makes it; -EINVAL: it is root. */
int privilege_account(const char *user, struct privilege_account *ret, struct errmsg *err);

/* As root, for all that is forked later: descriptors for many connections, memory for maps. Best
 * effort: what stays lower shows when it is reached. */
void privilege_raise_limits(void);

/* For every process: no core, no ptrace by the same user, no privilege by exec. Negative errno. */
int privilege_harden(void);

/*
 * Become the account for good: no supplementary groups; bounding, inheritable and ambient sets empty,
 * so that no exec could bring anything back; permitted and effective sets of exactly what is kept.
 * Needs root. On an error the process is in between and must end.
 */
int privilege_drop(const struct privilege_account *to, enum privilege_keep keep,
		   struct errmsg *err);

/*
 * In a child that the monitor just forked: default signals, those that stop and reload the agent
 * ignored (the monitor says what they mean), no descriptor but the standard streams and keep_fd, the
 * account's privileges, and death with the monitor. Returns the new number of keep_fd, or ends the
 * process with the reason on stderr.
 */
int privilege_child(int keep_fd, const struct privilege_account *to, enum privilege_keep keep,
		    pid_t parent);
