/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors that the monitor holds by name, so that they outlive a supervisor (MONITOR_KEEP). */
#pragma once

#include <stddef.h>

#define KEPT_FDS_MAX	  512 /* page, ring and presence of 128 slots, and some */
#define KEPT_FDS_NAME_MAX 64

struct kept_fds {
	struct {
		char name[KEPT_FDS_NAME_MAX];
		int fd;
	} row[KEPT_FDS_MAX];
	size_t n;
};

/* Hold a duplicate of fd in place of what had the name, or forget the name (fd -1). -ENOSPC, -ENOENT,
 * -ENAMETOOLONG; nothing changed then. */
int kept_fds_put(struct kept_fds *k, const char *name, int fd);
