/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names in the bpffs directory. bpf(2) takes paths only, so they go by /proc/self/fd, which works
 * with an O_PATH descriptor and without a view of /sys/fs/bpf; the rest is *at(2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PIN_NAME_MAX 48
#define PIN_PATH_MAX 96
#define PIN_LINK     "link_"	   /* link_<device>_<hook> */
#define PIN_PROG     "prog_"	   /* the program in force, by its name */
#define PIN_LIBXDP   "libxdp_"	   /* libxdp_<device>: the program that was given to libxdp */
#define PIN_CLSACT   "clsact_"	   /* clsact_<device>: the program of our filter there */
#define PIN_EGRESS   "egress_"	   /* egress_<device>: the same, of what goes out */
#define PIN_STEER    "netns_steer" /* the link of sk_lookup at the network namespace */
#define PIN_NEW	     "new_"	   /* made, not renamed over the old one yet */
#define PIN_COMMIT \
	"commit_layout" /* what is new has the names of what is old from now on: pin_swap.h */

#define PIN_OLD "old_" /* a map whose entries are being moved to one of another size */

#define PIN_CONCURRENT "cgroup_limit_concurrent" /* the link on a control group */

#define PIN_EGRESS_SUFFIX "_egress" /* of a link on what goes out */
#define PIN_DECAP_SUFFIX  "_decap"  /* of xdp_decap's */

/*
 * prefix + device + suffix. bpffs refuses dots and device names refuse colons: "eth0.7" is "eth0:7".
 */
void pin_device_name(char ret[PIN_NAME_MAX], const char *prefix, const char *device,
		     const char *suffix);
/* The device in a name made so; false when the name is another. */
bool pin_device_parse(const char *name, const char *prefix, const char *suffix, char ret[16]);

/* The object's descriptor, or -ENOENT, -EACCES (pinned by another user), … */
int pin_get(int dir_fd, const char *name);
/* -EEXIST when the name is taken. */
int pin_put(int dir_fd, const char *name, int fd);
/* Put it in place of what has the name, in one step. */
int pin_replace(int dir_fd, const char *name, int fd);
int pin_rename(int dir_fd, const char *from, const char *to);
int pin_remove(int dir_fd, const char *name);
/*
 * In between, a process of root's makes and opens pins as the owner of the directory, who could not
 * open root's; it may lack CAP_DAC_OVERRIDE, too. Others stay who they are.
 */
uid_t pin_owner_begin(int dir_fd);
void pin_owner_end(uid_t before);
/* The name without `new_` or `commit_`, which a crash may have left. */
const char *pin_final_name(const char *name);
/* Every name, from a snapshot: fn may remove. Stops when fn returns non-zero and returns that. */
int pin_each(int dir_fd, int (*fn)(const char *name, void *ctx), void *ctx);
