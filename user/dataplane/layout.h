/* SPDX-License-Identifier: BSD-2-Clause */
/* Are the maps that are pinned the ones that our programs want? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"

struct dataplane;
struct layout_name;

/*
 * Look at the pin of each of dp->maps, and say what becomes of it: what fits is opened into fd, what has
 * to be replaced into old_fd. dp->adopted is set when there was a layout of ours.
 * -EPROTO and *err: what is pinned there was not made by sluice. Nothing is changed.
 */
int layout_adopt(struct dataplane *dp, struct errmsg *err);
/* Write new maps `layout` and `layout_maps`, if they are new: before anything is pinned. */
int layout_init(struct dataplane *dp, struct errmsg *err);
/*
 * What becomes of maps whose layout is another one, in one line; "": nothing does.
 *   ret  "made anew: path_mtu (what routers said of sizes); copied: vips"
 */
void layout_describe(const struct dataplane *dp, struct errmsg *ret);
/* Was one that is pinned made anew, or is one that these programs have more than those before? */
bool layout_has_empty(const struct dataplane *dp);
/* Are those of steered connections new, without the sockets that the old ones have? */
bool layout_steer_is_empty(struct dataplane *dp);
/* A list of maps that is pinned under this name; negative errno where there is none of ours. */
int layout_list_open(int dir_fd, const char *pin);
/* Unpin a map of this name, and nothing else: what a list says may be anything. */
void layout_remove_map(int dir_fd, const struct layout_name *name);
/* Those that versions before there was a list had, and this one has not. */
void layout_remove_retired(int dir_fd);
/* Whose devices are attached from now on: those of this process's network namespace. */
int layout_set_netns(struct dataplane *dp);
/* The network namespace (an inode) of the agent whose maps are pinned there; 0: not known. */
uint32_t layout_netns(int dir_fd);
/* This process's; 0: not known. */
uint32_t layout_netns_here(void);
