/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XDP through libxdp, for devices that others use too: by its dispatcher, or, where the kernel
 * refuses one, as the single program by netlink. libxdp itself takes a process that may
 * (libxdp_way.h); replacing and removing a single program takes CAP_NET_ADMIN.
 */
#pragma once

#include "base/errmsg.h"

struct dataplane;
struct device;
struct libxdp_way;

int link_libxdp_attach(struct dataplane *dp, struct device *d, struct errmsg *err);
/* Through way, or in this process. -ENOENT: not attached so. */
int link_libxdp_detach(int dir_fd, const struct libxdp_way *way, const char *device);
