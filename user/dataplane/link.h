/* SPDX-License-Identifier: BSD-2-Clause */
/* Pinned bpf_links of either hook. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"

struct dataplane;
struct program;

/* The pinned link, its device (0: the device is gone) and program. -ENOENT. */
int link_get(int dir_fd, const char *name, uint32_t *ret_ifindex, uint32_t *ret_prog_id);
/* Does the link still attach something to that device? */
bool link_is_on(int link_fd, uint32_t ifindex);
/* Make every pinned link run the programs of dp. All or none: what was flipped is flipped back. */
int link_flip(struct dataplane *dp, struct errmsg *err);
/* Those that are pinned run the programs that are pinned again. */
void link_flip_back(struct dataplane *dp);
/* Detach and unpin. */
int link_remove(int dir_fd, const char *name);
