/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that each kind of process may make (seccomp), entered once and for good. */
#pragma once

#include <stdbool.h>

#include "../base/errmsg.h"

/* The one descriptor that a monitor may execute: its successor's (agent/upgrade.h). */
#define SANDBOX_EXEC_FD 1000

enum sandbox_role {
	/* Children inherit its filter, so it only takes away what none of them needs: exec (that of
	 * SANDBOX_EXEC_FD aside, without a path), ptrace, kernel modules, mounts, keyrings. Entered
	 * after the bpffs was mounted; whoever is executed has it on from the start. */
	SANDBOX_MONITOR,
	SANDBOX_SUPERVISOR, /* a list of what may be; threads, but no process */
	SANDBOX_WORKER,	    /* a short list: no file, no listening socket, no process, no bpf(2) */
};

/*
 * A call that is on no list gets EPERM; one that only an attacker makes (exec, ptrace, in a worker
 * also bpf, bind, listen) ends the process. Needs no_new_privs. In a build with AddressSanitizer this
 * does nothing: its runtime makes calls of its own. Negative errno and *err. To be entered by the process
 * that it is for: signals may go to the caller only.
 */
int sandbox_enter(enum sandbox_role role, struct errmsg *err);
/* Is this a build in which it does nothing? */
bool sandbox_is_off(void);
