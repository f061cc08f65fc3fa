/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "link.h"
#include "link_tc.h"
#include "link_xdp.h"
#include "pin.h"

/* What differs between the two ways. */
static const struct way {
	enum bpf_attach_type tcx; /* of Linux 6.6, which Debian 12's headers lack */
	enum bpf_tc_attach_point clsact;
	const char *link_suffix;
	const char *clsact_prefix;
	const char *word; /* as `tc` has it */
} ways[] = {
	[LINK_TC_INGRESS] = { (enum bpf_attach_type)46, BPF_TC_INGRESS, "_tc", PIN_CLSACT,
			      "ingress" },
	[LINK_TC_EGRESS] = { (enum bpf_attach_type)47, BPF_TC_EGRESS, PIN_EGRESS_SUFFIX, PIN_EGRESS,
			     "egress" },
};

/* What a device holds of it. */
struct held {
	const struct program *program;
	int *link_fd;
	bool *clsact;
};

static struct held held_of(struct dataplane *dp, struct device *d, enum link_tc_way way)
{
	if (way == LINK_TC_EGRESS)
		return (struct held) { &dp->egress, &d->egress_fd, &d->state.egress_clsact };
	return (struct held) { &dp->tc, &d->link_fd, &d->state.clsact };
}

/* Where our filter sits in clsact: fixed, so that the next start replaces it in one step. */
#define CLSACT_HANDLE	1
#define CLSACT_PRIORITY 0x51ce

static int adopt(struct dataplane *dp, struct device *d, enum link_tc_way way, const char *name)
{
	struct held held = held_of(dp, d, way);
	uint32_t ifindex = 0, prog_id = 0;
	CLEANUP_FD int fd = link_get(dp->dir_fd, name, &ifindex, &prog_id);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (ifindex != d->state.ifindex)
		return link_remove(dp->dir_fd, name);
	if (prog_id != held.program->id && bpf_link_update(fd, held.program->fd, NULL))
		return -errno;
	if (way == LINK_TC_INGRESS)
		d->state.adopted = d->link_fd < 0;
	if (*held.link_fd >= 0)
		close(*held.link_fd);
	*held.link_fd = take_fd(&fd);
	return 1;
}

int link_tc_attach(struct dataplane *dp, struct device *d, enum link_tc_way way, struct errmsg *err)
{
	struct held held = held_of(dp, d, way);
	char name[PIN_NAME_MAX];
	CLEANUP_FD int fd = -1;
	int e;

	pin_device_name(name, PIN_LINK, d->state.name, ways[way].link_suffix);
	e = adopt(dp, d, way, name);
	if (e < 0)
		return errmsg_set(err, e, "cannot adopt the link on %s: %s", d->state.name,
				  strerror(-e));
	if (e)
		return 0;
	fd = bpf_link_create(held.program->fd, (int)d->state.ifindex, ways[way].tcx, NULL);
	if (fd < 0 && errno == EINVAL)
		return link_tc_attach_clsact(dp, d, way, err);
	if (fd < 0)
		return errmsg_set(err, -errno, "TC is refused on %s: %s", d->state.name,
				  strerror(errno));
	e = pin_put(dp->dir_fd, name, fd);
	if (e)
		return errmsg_set(err, e, "cannot pin %s: %s", name, strerror(-e));
	/* A kernel upgrade brought TCX: the filter of before would count packets twice. */
	link_tc_detach_clsact(dp->dir_fd, d->state.name, way);
	if (*held.link_fd >= 0)
		close(*held.link_fd);
	*held.link_fd = take_fd(&fd);
	*held.clsact = false;
	if (way == LINK_TC_INGRESS)
		d->state.adopted = false;
	return 0;
}

static uint32_t pinned_prog_id(int dir_fd, const char *name)
{
	CLEANUP_FD int fd = pin_get(dir_fd, name);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return 0;
	return info.id;
}

/* The program of the filter at our place; 0: none. */
static uint32_t filter_prog_id(uint32_t ifindex, enum link_tc_way way)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = ways[way].clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

/* Ours has its program pinned under name, or, after a crash amid a change, under the new name. */
static bool filter_is_ours(int dir_fd, const char *name, uint32_t prog_id)
{
	char aside[PIN_NAME_MAX + sizeof(PIN_NEW)];

	snprintf(aside, sizeof(aside), PIN_NEW "%s", name);
	return prog_id == pinned_prog_id(dir_fd, name) || prog_id == pinned_prog_id(dir_fd, aside);
}

static int filter_put(struct dataplane *dp, struct device *d, enum link_tc_way way,
		      const char *name, struct errmsg *err)
{
	int prog_fd = held_of(dp, d, way).program->fd;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)d->state.ifindex,
		    .attach_point = ways[way].clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	char aside[PIN_NAME_MAX + sizeof(PIN_NEW)];
	int e = bpf_tc_hook_create(&hook);

	if (e && e != -EEXIST)
		return errmsg_set(err, e, "cannot make the clsact qdisc of %s: %s", d->state.name,
				  strerror(-e));
	/* Pinned before it is attached: a filter without a pin would be taken for another's. */
	snprintf(aside, sizeof(aside), PIN_NEW "%s", name);
	pin_remove(dp->dir_fd, aside);
	e = pin_put(dp->dir_fd, aside, prog_fd);
	if (e)
		return errmsg_set(err, e, "cannot pin %s: %s", name, strerror(-e));
	e = bpf_tc_attach(&hook, &opts);
	if (!e)
		e = pin_rename(dp->dir_fd, aside, name);
	if (e)
		return errmsg_set(err, e, "cannot put a filter on %s: %s", d->state.name,
				  strerror(-e));
	return 0;
}

int link_tc_attach_clsact(struct dataplane *dp, struct device *d, enum link_tc_way way,
			  struct errmsg *err)
{
	uint32_t there = filter_prog_id(d->state.ifindex, way);
	struct held held = held_of(dp, d, way);
	char name[PIN_NAME_MAX], text[64];
	int e = 0;

	pin_device_name(name, ways[way].clsact_prefix, d->state.name, "");
	if (there && !filter_is_ours(dp->dir_fd, name, there))
		return errmsg_set(err, -EBUSY,
				  "%s has a filter of another at priority %d: %s; remove it (`tc "
				  "filter del dev %s %s pref %d`)",
				  d->state.name, CLSACT_PRIORITY,
				  link_xdp_program_text(there, text), d->state.name, ways[way].word,
				  CLSACT_PRIORITY);
	if (there != held.program->id) {
		e = filter_put(dp, d, way, name, err);
		if (way == LINK_TC_INGRESS)
			d->state.adopted = there != 0;
	}
	if (!e)
		*held.clsact = true;
	return e;
}

int link_tc_detach_clsact(int dir_fd, const char *device, enum link_tc_way way)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = ways[way].clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	char name[PIN_NAME_MAX];
	uint32_t ours;

	pin_device_name(name, ways[way].clsact_prefix, device, "");
	ours = pinned_prog_id(dir_fd, name);
	if (!ours)
		return -ENOENT;
	if (hook.ifindex && filter_prog_id((uint32_t)hook.ifindex, way) == ours) {
		int err = bpf_tc_detach(&hook, &opts);

		if (err)
			return err;
	}
	return pin_remove(dir_fd, name);
}
