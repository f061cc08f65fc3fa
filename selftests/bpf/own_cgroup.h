/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control group (version 2) that is this test's own, and the test in it, in namespaces of network
 * and mounts of its own: what is attached there sees no sockets of others.
 */
#pragma once

extern int own_cgroup_fd;
extern char own_cgroup_path[300];

/* Once, before threads. 0, or -1 and a word on stderr. */
int own_cgroup_open(void);
void own_cgroup_close(void);
