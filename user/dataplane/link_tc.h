/* SPDX-License-Identifier: BSD-2-Clause */
/* TC ingress: a pinned TCX link (kernel 6.6), else a filter of the clsact qdisc. */
#pragma once

#include <stdbool.h>

#include "base/errmsg.h"

struct dataplane;
struct device;

int link_tc_attach(struct dataplane *dp, struct device *d, struct errmsg *err);
/* The second way by itself. The program is pinned too, to tell our filter from another's. */
int link_tc_attach_clsact(struct dataplane *dp, struct device *d, struct errmsg *err);
/* Remove our filter, if it is still ours, and its pin. The qdisc stays: others may use it. */
int link_tc_detach_clsact(int dir_fd, const char *device);
