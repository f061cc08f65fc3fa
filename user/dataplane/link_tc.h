/* SPDX-License-Identifier: BSD-2-Clause */
/* TC, either way: a pinned TCX link (kernel 6.6), else a filter of the clsact qdisc. */
#pragma once

#include <stdbool.h>

#include "base/errmsg.h"

struct dataplane;
struct device;

enum link_tc_way { LINK_TC_INGRESS, LINK_TC_EGRESS };

int link_tc_attach(struct dataplane *dp, struct device *d, enum link_tc_way way,
		   struct errmsg *err);
/* The second way by itself. The program is pinned too, to tell our filter from another's. */
int link_tc_attach_clsact(struct dataplane *dp, struct device *d, enum link_tc_way way,
			  struct errmsg *err);
/* Remove our filter, if it is still ours, and its pin. The qdisc stays: others may use it. */
int link_tc_detach_clsact(int dir_fd, const char *device, enum link_tc_way way);
