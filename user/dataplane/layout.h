/* SPDX-License-Identifier: BSD-2-Clause */
/* Are the maps that are pinned the ones that our programs want? */
#pragma once

#include <stdint.h>

#include "base/errmsg.h"

struct dataplane;

/*
 * Look at the pin of each of dp->maps. What fits is opened into fd, what differs in max_entries
 * alone into old_fd, to be replaced. dp->adopted is set when there was a layout of ours.
 * -EPROTO and *err: another layout, or another's map. Nothing is changed.
 */
int layout_adopt(struct dataplane *dp, struct errmsg *err);
/* Write the one element of a new `layout` map. */
int layout_init(struct dataplane *dp, struct errmsg *err);
/* Whose devices are attached from now on: those of this process's network namespace. */
int layout_set_netns(struct dataplane *dp);
/* The network namespace (an inode) of the agent whose maps are pinned there; 0: not known. */
uint32_t layout_netns(int dir_fd);
/* This process's; 0: not known. */
uint32_t layout_netns_here(void);
