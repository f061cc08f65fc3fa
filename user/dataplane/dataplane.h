/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel half as the supervisor sees it: load, adopt, attach, pin, upgrade. This folder alone
 * calls libbpf and libxdp. Maps and links live in a bpffs directory and outlive the process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../event/loop.h"
#include "libxdp_way.h"

struct dataplane;

#define DATAPLANE_WARNINGS_MAX 66

struct dataplane_device {
	char name[16];
	uint32_t ifindex; /* 0: not there (waited for) */
	bool attached;
	enum conf_hook hook;
	bool native; /* XDP in the driver; false: generic, or TC */
	bool through_libxdp;
	bool fixed;   /* libxdp's dispatcher takes no program that makes frames longer or shorter */
	bool clsact;  /* hook tc by a filter of the clsact qdisc: the kernel lacks TCX (6.6) */
	bool adopted; /* the link was there before this process */
	bool egress;  /* what goes out meets limits as well */
	bool egress_clsact;
	uint32_t prog_id;
	char error[256]; /* why it is not attached, or not to what goes out */
};

/* How full a map is, where that can be known: of hashes, and of arrays that the agent fills. */
struct dataplane_map {
	char name[24];
	uint32_t max_entries;
	bool counted; /* entries is known */
	uint32_t entries;
	uint64_t memory_bytes;
};

/*
 * Load the programs and their maps: pinned maps are adopted, with their contents; links that are
 * pinned are updated to the new program atomically, never detached.
 *   dir_fd  the bpffs directory (O_PATH is enough); pins are made relative to it
 * -EPROTO and *err: what is pinned there is not ours, named, with the remedy; nothing was changed.
 * -EPERM, -ENOSYS and *err: what is missing. A map whose configured size, or whose layout, is another
 * one is replaced: a new one is filled from the old where that makes sense, programs flip, then all pins
 * are renamed over the old ones. Until then, and on an error, all is as it was.
 */
int dataplane_open(int dir_fd, const struct conf_dataplane *conf, struct dataplane **ret,
		   struct errmsg *err);
/*
 * Where maps had to be made anew, called before packets meet them: what of the configuration belongs in
 * them is written as when it is applied, and is applied once more afterwards. An error of it is
 * dataplane_open's; maps that were adopted have what it wrote, all else is as it was.
 */
struct dataplane_fill {
	int (*maps)(struct dataplane *dp, void *ctx, struct errmsg *err);
	void *ctx;
};
int dataplane_open_filled(int dir_fd, const struct conf_dataplane *conf,
			  const struct dataplane_fill *fill, struct dataplane **ret,
			  struct errmsg *err);
/*
 * What dataplane_open would do about the maps that are pinned there (dataplane_layout's line); changes
 * nothing. -EPROTO and *err: it would refuse them. Other errors: who asks may not look.
 */
int dataplane_preview(int dir_fd, const struct conf_dataplane *conf, struct errmsg *ret,
		      struct errmsg *err);
/* Give up the descriptors; links and pins stay. */
void dataplane_close(struct dataplane *dp);

/* Before anything is attached: who runs libxdp where this process may not. */
void dataplane_libxdp_by(struct dataplane *dp, const struct libxdp_way *way);

/*
 * Make the attached devices those of conf: new ones are attached, missing ones detached, the others
 * left alone. A device that cannot be attached is not fatal (dataplane_device.error); returns how
 * many are in that state, or negative errno.
 */
int dataplane_attach(struct dataplane *dp, const struct conf_dataplane *conf);

/*
 * Look at what goes out of these devices too, or no longer. Returns as dataplane_attach does; those
 * that appear later follow.
 */
int dataplane_attach_egress(struct dataplane *dp, bool wanted);

/*
 * Watch the devices on the loop: one that comes up, or comes back with another index, is attached
 * within a tenth of a second as the last dataplane_attach says. Ends with dataplane_close.
 */
int dataplane_watch(struct dataplane *dp, struct loop *loop);

/*
 * Remove links, programs and maps: what uninstalling calls. Works without an open dataplane. Programs
 * of others on the device, and what else is in the directory, are not touched. -EXDEV and *err, and
 * nothing was removed: what libxdp or clsact holds is on a device of another network namespace.
 */
int dataplane_detach_all(int dir_fd, struct errmsg *err);
int dataplane_detach_by(int dir_fd, const struct libxdp_way *way, struct errmsg *err);

size_t dataplane_devices(const struct dataplane *dp, const struct dataplane_device **ret);
size_t dataplane_maps(struct dataplane *dp, struct dataplane_map *ret, size_t max);
/*
 * Things that an operator should know of the host and its devices (generic mode, LRO, MTU, queues):
 * one line each, with its remedy. dataplane_diagnose looks again, and logs the lines that are new;
 * dataplane_diagnose_soon has the watch do so within seconds, when next hops of vips are known.
 */
void dataplane_diagnose(struct dataplane *dp);
void dataplane_diagnose_soon(struct dataplane *dp);
size_t dataplane_warnings(const struct dataplane *dp, const char **ret, size_t max);
/* What dataplane_open did about maps of another layout, in one line (layout.h); "": there was none. */
const char *dataplane_layout(const struct dataplane *dp);
/* True when the maps were there before: what was in them is in force. */
bool dataplane_adopted(const struct dataplane *dp);

/* Programs' costs since load where kernel.bpf_stats_enabled is set; 0 otherwise. */
int dataplane_prog_stats(const struct dataplane *dp, uint64_t *ret_run_ns, uint64_t *ret_run_count);
