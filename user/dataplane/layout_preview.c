/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout.h"
#include "program.h"

static void close_dataplane(struct dataplane **dp)
{
	dataplane_close(*dp);
}

int dataplane_preview(int dir_fd, const struct conf_dataplane *conf, struct errmsg *ret,
		      struct errmsg *err)
{
	CLEANUP(program_set_clear) struct program_set set = { 0 };
	CLEANUP(close_dataplane) struct dataplane *dp = calloc(1, sizeof(*dp));
	int e;

	if (!dp)
		return errmsg_set(err, -ENOMEM, "no memory");
	dp->xdp.fd = dp->tc.fd = dp->egress.fd = dp->sk_lookup.fd = -1;
	dp->conf = *conf;
	dp->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	if (dp->dir_fd < 0)
		return errmsg_set(err, -errno, "bpffs directory: %s", strerror(errno));
	e = program_open(dp, &set, err); /* opened to read what maps they want, not loaded */
	if (!e)
		e = layout_adopt(dp, err);
	if (!e)
		layout_describe(dp, ret);
	return e;
}
