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

/* enum bpf_attach_type of Linux 6.6, which Debian 12's headers lack. */
#define TCX_INGRESS ((enum bpf_attach_type)46)

/* Where our filter sits in clsact: fixed, so that the next start replaces it in one step. */
#define CLSACT_HANDLE	1
#define CLSACT_PRIORITY 0x51ce

static int adopt(struct dataplane *dp, struct device *d, const char *name)
{
	uint32_t ifindex = 0, prog_id = 0;
	CLEANUP_FD int fd = link_get(dp->dir_fd, name, &ifindex, &prog_id);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (ifindex != d->state.ifindex)
		return link_remove(dp->dir_fd, name);
	if (prog_id != dp->tc.id && bpf_link_update(fd, dp->tc.fd, NULL))
		return -errno;
	d->state.adopted = d->link_fd < 0;
	if (d->link_fd >= 0)
		close(d->link_fd);
	d->link_fd = take_fd(&fd);
	return 1;
}

int link_tc_attach(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	char name[PIN_NAME_MAX];
	CLEANUP_FD int fd = -1;
	int e;

	pin_device_name(name, PIN_LINK, d->state.name, "_tc");
	e = adopt(dp, d, name);
	if (e < 0)
		return errmsg_set(err, e, "cannot adopt the link on %s: %s", d->state.name,
				  strerror(-e));
	if (e)
		return 0;
	fd = bpf_link_create(dp->tc.fd, (int)d->state.ifindex, TCX_INGRESS, NULL);
	if (fd < 0 && errno == EINVAL)
		return link_tc_attach_clsact(dp, d, err);
	if (fd < 0)
		return errmsg_set(err, -errno, "TC is refused on %s: %s", d->state.name,
				  strerror(errno));
	e = pin_put(dp->dir_fd, name, fd);
	if (e)
		return errmsg_set(err, e, "cannot pin %s: %s", name, strerror(-e));
	/* A kernel upgrade brought TCX: the filter of before would count packets twice. */
	link_tc_detach_clsact(dp->dir_fd, d->state.name);
	if (d->link_fd >= 0)
		close(d->link_fd);
	d->link_fd = take_fd(&fd);
	d->state.clsact = d->state.adopted = false;
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
static uint32_t filter_prog_id(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
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

static int filter_put(struct dataplane *dp, struct device *d, const char *name, struct errmsg *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)d->state.ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = dp->tc.fd, .flags = BPF_TC_F_REPLACE);
	char aside[PIN_NAME_MAX + sizeof(PIN_NEW)];
	int e = bpf_tc_hook_create(&hook);

	if (e && e != -EEXIST)
		return errmsg_set(err, e, "cannot make the clsact qdisc of %s: %s", d->state.name,
				  strerror(-e));
	/* Pinned before it is attached: a filter without a pin would be taken for another's. */
	snprintf(aside, sizeof(aside), PIN_NEW "%s", name);
	pin_remove(dp->dir_fd, aside);
	e = pin_put(dp->dir_fd, aside, dp->tc.fd);
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

int link_tc_attach_clsact(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	uint32_t there = filter_prog_id(d->state.ifindex);
	char name[PIN_NAME_MAX], text[64];
	int e = 0;

	pin_device_name(name, PIN_CLSACT, d->state.name, "");
	if (there && !filter_is_ours(dp->dir_fd, name, there))
		return errmsg_set(err, -EBUSY,
				  "%s has a filter of another at priority %d: %s; remove it (`tc "
				  "filter del dev %s ingress pref %d`)",
				  d->state.name, CLSACT_PRIORITY,
				  link_xdp_program_text(there, text), d->state.name,
				  CLSACT_PRIORITY);
	if (there != dp->tc.id) {
		e = filter_put(dp, d, name, err);
		d->state.adopted = there != 0;
	}
	if (!e)
		d->state.clsact = true;
	return e;
}

int link_tc_detach_clsact(int dir_fd, const char *device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	char name[PIN_NAME_MAX];
	uint32_t ours;

	pin_device_name(name, PIN_CLSACT, device, "");
	ours = pinned_prog_id(dir_fd, name);
	if (!ours)
		return -ENOENT;
	if (hook.ifindex && filter_prog_id((uint32_t)hook.ifindex) == ours) {
		int err = bpf_tc_detach(&hook, &opts);

		if (err)
			return err;
	}
	return pin_remove(dir_fd, name);
}
