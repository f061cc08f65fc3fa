/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "device.h"
#include "link.h"
#include "link_libxdp.h"
#include "link_tc.h"
#include "link_xdp.h"
#include "pin.h"
#include "program.h"

bool device_of_pin(const char *name, char ret[16])
{
	return pin_device_parse(name, PIN_LINK, "_xdp", ret) ||
	       pin_device_parse(name, PIN_LINK, "_tc", ret) ||
	       pin_device_parse(name, PIN_LINK, PIN_EGRESS_SUFFIX, ret) ||
	       pin_device_parse(name, PIN_LIBXDP, "", ret) ||
	       pin_device_parse(name, PIN_CLSACT, "", ret) ||
	       pin_device_parse(name, PIN_EGRESS, "", ret);
}

int device_detach_pin(int dir_fd, const struct libxdp_way *way, const char *name)
{
	char device[16];
	int err;

	if (pin_device_parse(name, PIN_LINK, "_xdp", device) ||
	    pin_device_parse(name, PIN_LINK, "_tc", device) ||
	    pin_device_parse(name, PIN_LINK, PIN_EGRESS_SUFFIX, device))
		err = link_remove(dir_fd, name);
	else if (pin_device_parse(name, PIN_LIBXDP, "", device))
		err = link_libxdp_detach(dir_fd, way, device);
	else if (pin_device_parse(name, PIN_CLSACT, "", device))
		err = link_tc_detach_clsact(dir_fd, device, LINK_TC_INGRESS);
	else if (pin_device_parse(name, PIN_EGRESS, "", device))
		err = link_tc_detach_clsact(dir_fd, device, LINK_TC_EGRESS);
	else
		return 0;
	return err ? err : 1;
}

static bool has_pin(struct dataplane *dp, const struct device *d, const char *prefix,
		    const char *suffix)
{
	char name[PIN_NAME_MAX];
	CLEANUP_FD int fd = -1;

	pin_device_name(name, prefix, d->state.name, suffix);
	fd = pin_get(dp->dir_fd, name);
	return fd >= 0;
}

static bool has_foreign_xdp(const struct device *d)
{
	uint32_t prog_id = 0;

	return link_xdp_query(d->state.ifindex, &prog_id, NULL) == 0 && prog_id != 0;
}

/* auto: a plain link, unless libxdp has it already or another's program is on the device. */
static bool wants_libxdp(struct dataplane *dp, const struct device *d)
{
	if (d->want.attach != CONF_ATTACH_AUTO)
		return d->want.attach == CONF_ATTACH_LIBXDP;
	if (has_pin(dp, d, PIN_LIBXDP, ""))
		return true;
	return !has_pin(dp, d, PIN_LINK, "_xdp") && has_foreign_xdp(d);
}

static int attach_xdp(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	char name[PIN_NAME_MAX];

	if (wants_libxdp(dp, d)) {
		/* A plain link excludes a dispatcher: this change cannot be made in one step. */
		pin_device_name(name, PIN_LINK, d->state.name, "_xdp");
		link_remove(dp->dir_fd, name);
		return link_libxdp_attach(dp, d, err);
	}
	link_libxdp_detach(dp->dir_fd, &dp->way, d->state.name);
	d->state.through_libxdp = false;
	return link_xdp_attach(dp, d, err);
}

/* After the wanted hook is in place, so that no packet passes between the two. */
static void detach_other_hook(struct dataplane *dp, const struct device *d)
{
	char name[PIN_NAME_MAX];

	if (d->want.hook == CONF_HOOK_XDP) {
		pin_device_name(name, PIN_LINK, d->state.name, "_tc");
		link_remove(dp->dir_fd, name);
		link_tc_detach_clsact(dp->dir_fd, d->state.name, LINK_TC_INGRESS);
		return;
	}
	pin_device_name(name, PIN_LINK, d->state.name, "_xdp");
	link_remove(dp->dir_fd, name);
	link_libxdp_detach(dp->dir_fd, &dp->way, d->state.name);
}

static void forget_egress(struct device *d)
{
	if (d->egress_fd >= 0)
		close(d->egress_fd);
	d->egress_fd = -1;
	d->state.egress = d->state.egress_clsact = false;
}

static void forget(struct device *d)
{
	forget_egress(d);
	if (d->link_fd >= 0)
		close(d->link_fd);
	d->link_fd = -1;
	d->state.attached = d->state.native = d->state.through_libxdp = d->state.clsact = false;
	d->state.adopted = false;
	d->state.prog_id = 0;
}

/* Most configurations never want it: it is loaded for the first device. Pinned before any link. */
static int need(struct dataplane *dp, enum program_object which, struct errmsg *err)
{
	const struct program *program = which == PROGRAM_TC ? &dp->tc : &dp->egress;
	const char *pin = which == PROGRAM_TC ? PIN_PROG "tc_ingress" : PIN_PROG "tc_egress";
	int e;

	if (program->fd >= 0)
		return 0;
	e = program_load_late(dp, which, err);
	if (e)
		return e;
	e = pin_replace(dp->dir_fd, pin, program->fd);
	return e ? errmsg_set(err, e, "cannot pin %s: %s", pin, strerror(-e)) : 0;
}

static int attach_tc(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	int e = need(dp, PROGRAM_TC, err);

	return e ? e : link_tc_attach(dp, d, LINK_TC_INGRESS, err);
}

int device_attach(struct dataplane *dp, struct device *d)
{
	uint32_t ifindex = if_nametoindex(d->state.name);
	struct errmsg err = { 0 };
	int e;

	if (ifindex != d->state.ifindex || d->state.hook != d->want.hook)
		forget(d);
	d->state.ifindex = ifindex;
	d->state.hook = d->want.hook;
	d->state.error[0] = 0;
	if (!ifindex) {
		snprintf(d->state.error, sizeof(d->state.error),
			 "there is no device %s; it is attached when it appears", d->state.name);
		return -ENODEV;
	}
	e = d->want.hook == CONF_HOOK_XDP ? attach_xdp(dp, d, &err) : attach_tc(dp, d, &err);
	if (e) {
		forget(d);
		snprintf(d->state.error, sizeof(d->state.error), "%.255s", err.text);
		return e;
	}
	detach_other_hook(dp, d);
	d->state.attached = true;
	if (!d->state.through_libxdp)
		d->state.prog_id = d->want.hook == CONF_HOOK_XDP ? dp->xdp.id : dp->tc.id;
	return dp->egress_wanted ? device_attach_egress(dp, d) : 0;
}

int device_attach_egress(struct dataplane *dp, struct device *d)
{
	struct errmsg err = { 0 };
	int e = need(dp, PROGRAM_EGRESS, &err);

	if (!e)
		e = link_tc_attach(dp, d, LINK_TC_EGRESS, &err);
	if (e) {
		forget_egress(d);
		snprintf(d->state.error, sizeof(d->state.error), "egress: %.240s", err.text);
		return e;
	}
	d->state.egress = true;
	return 0;
}

void device_detach_egress(struct dataplane *dp, struct device *d)
{
	char name[PIN_NAME_MAX];

	pin_device_name(name, PIN_LINK, d->state.name, PIN_EGRESS_SUFFIX);
	link_remove(dp->dir_fd, name);
	link_tc_detach_clsact(dp->dir_fd, d->state.name, LINK_TC_EGRESS);
	forget_egress(d);
}

bool device_lost(struct device *d)
{
	if (!d->state.attached)
		return false;
	if (d->egress_fd >= 0 && !link_is_on(d->egress_fd, d->state.ifindex)) {
		forget(d);
		return true;
	}
	if (d->link_fd >= 0 ? link_is_on(d->link_fd, d->state.ifindex)
			    : d->state.hook != CONF_HOOK_XDP || has_foreign_xdp(d))
		return false;
	forget(d);
	return true;
}
