/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XDP through libxdp, for devices that others use too: by its dispatcher, or, where the kernel
 * refuses one, as the single program by netlink. libxdp keeps its own pins below /sys/fs/bpf/xdp and
 * looks programs up by id: it takes CAP_SYS_ADMIN and a directory that it may write to.
 */
#pragma once

#include "base/errmsg.h"

struct dataplane;
struct device;

int link_libxdp_attach(struct dataplane *dp, struct device *d, struct errmsg *err);
int link_libxdp_detach(int dir_fd, const char *device);
