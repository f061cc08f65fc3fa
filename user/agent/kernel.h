/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel half as a whole: opened, brought to a configuration, brought back when that fails. */
#pragma once

#include <stdbool.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../dataplane/dataplane.h"
#include "../dataplane/decap.h"
#include "../event/loop.h"
#include "acl_job.h"

struct kernel {
	struct loop *loop;
	struct dataplane *dp;	  /* NULL: none; why says why */
	int dir_fd;		  /* -1: no bpffs directory */
	struct errmsg why;	  /* "": just not configured */
	struct libxdp_way libxdp; /* set before kernel_open */
	struct acl_job *acl;	  /* NULL without dp */
	struct decap *decap;	  /* NULL: none */
	struct errmsg decap_why;  /* it is wanted, and could not be had; "": it was */
	struct errmsg places_why; /* databases could not be read again; "": they could */
};

/*
 * Load or adopt. Without BPF the agent goes on: dp is NULL then and 0 is returned. -EPROTO and *err:
 * what is pinned is not ours; nothing was changed. dir_error: why dir_fd is -1.
 */
int kernel_open(struct kernel *k, struct loop *loop, int dir_fd, const char *dir_error,
		const struct conf *conf, struct errmsg *err);

/* Which settings of the kernel half a running agent cannot change; NULL: none differs. */
const char *kernel_needs_restart(const struct conf *from, const struct conf *to);

/*
 * Bring devices, limits, prefixes and vips to conf, which has to stay until the next call. from: what
 * is in force, to touch only what differs (diff is conf_diff's text) and to go back to on an error;
 * NULL: all. Negative errno and *err; what was in force is in force again then.
 */
int kernel_apply(struct kernel *k, const struct conf *from, const struct conf *to, const char *diff,
		 struct errmsg *err);
/* Read files of lists and databases again, whose contents are not in conf; off the loop where long. */
void kernel_read_lists(struct kernel *k, const struct conf *conf);
void kernel_close(struct kernel *k);
/*
 * Remove links and maps, also such as an earlier agent left and this one could not take over; dp is
 * NULL afterwards. -ENOENT: there is no directory that could have any.
 */
int kernel_can_detach(const struct kernel *k, struct errmsg *err);
int kernel_detach(struct kernel *k, struct errmsg *err);
