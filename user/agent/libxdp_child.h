/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libxdp for the supervisor, which may not run it: a child of root's that keeps the capabilities of
 * this one job, does it and ends. The monitor waits for its answer, at most LIBXDP_CHILD_TIMEOUT_MS.
 */
#pragma once

#include "../base/errmsg.h"
#include "../dataplane/libxdp_way.h"

/* Below what the supervisor waits for an answer of the monitor (monitor_link.c). */
#define LIBXDP_CHILD_TIMEOUT_MS 8000

/*
 * Fork, run *r (not trusted) on the bpffs directory, and make *r the answer. Negative errno and *err;
 * -ETIMEDOUT: it took too long and was killed. The child is reaped with the caller's others.
 */
int libxdp_child_run(int bpffs_fd, struct libxdp_request *r, struct errmsg *err);
