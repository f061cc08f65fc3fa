/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "device.h"
#include "layout.h"
#include "layout_table.h"
#include "link.h"
#include "pin.h"
#include "probe_way.h"
#include "program.h"
#include "steer_link.h"
#include "steer_map.h"

struct detach {
	int dir_fd;
	const struct libxdp_way *way;
	struct dataplane *names; /* the maps that the programs of this build have */
	uint32_t netns;		 /* of the devices; 0: not known */
	int list_fd;		 /* of the maps that are pinned; negative: there is none */
	int failed;
	char name[PIN_NAME_MAX];
	struct errmsg *err;
};

/* A pinned link can be detached from anywhere; these are looked up at the device by its name. */
static bool needs_device(const char *name, char ret_device[16])
{
	return pin_device_parse(name, PIN_LIBXDP, "", ret_device) ||
	       pin_device_parse(name, PIN_CLSACT, "", ret_device) ||
	       pin_device_parse(name, PIN_EGRESS, "", ret_device);
}

/*
 * Is the device to be found from here? One that is missing in its own namespace is gone, and what was
 * on it too.
 */
static int check_one(const char *name, void *ctx)
{
	struct detach *d = ctx;
	uint32_t here = layout_netns_here();
	char device[16];

	if (!needs_device(name, device))
		return 0;
	if (d->netns && here && d->netns != here)
		return errmsg_set(
			d->err, -EXDEV,
			"%s is in another network namespace (net:[%u], this is net:[%u]) and keeps "
			"its program: nothing was removed; repeat it there (`nsenter --net=FILE "
			"…`), or remove %s by hand if that namespace is gone",
			device, d->netns, here, name);
	if (!d->netns && !if_nametoindex(device))
		return errmsg_set(
			d->err, -EXDEV,
			"there is no device %s in this network namespace: nothing was removed; "
			"repeat it where the device is (`nsenter --net=FILE …`), or remove %s by "
			"hand if it is gone",
			device, name);
	return 0;
}

static bool is_listed(const struct detach *d, const char *name)
{
	struct layout_name key = { "" };
	struct layout_map row;

	if (d->list_fd < 0 || strlen(name) >= sizeof(key.text))
		return false;
	memcpy(key.text, name, strlen(name));
	return bpf_map_lookup_elem(d->list_fd, &key, &row) == 0;
}

/* Of what others put into the directory we know nothing. */
static bool is_ours(const struct detach *d, const char *name)
{
	name = pin_final_name(name);
	if (!strncmp(name, PIN_OLD, strlen(PIN_OLD)))
		name += strlen(PIN_OLD);
	return !strcmp(name, PIN_PROG "xdp_ingress") || !strcmp(name, PIN_PROG "tc_ingress") ||
	       !strcmp(name, PIN_PROG "tc_egress") || !strcmp(name, PIN_PROG "sk_lookup") ||
	       !strcmp(name, PIN_CONCURRENT) || pinned_map_find(d->names, name) ||
	       layout_table_is_retired(name);
}

static int detach_one(const char *name, void *ctx)
{
	struct detach *d = ctx;
	char device[16];
	int err;

	/* without its pin it would go on where somebody has it open */
	if (!strcmp(pin_final_name(name), PIN_STEER)) {
		steer_link_detach(d->dir_fd);
		return 0;
	}
	err = pin_device_parse(name, PIN_LINK, PIN_DECAP_SUFFIX, device)
		      ? link_remove(d->dir_fd, name)
		      : device_detach_pin(d->dir_fd, d->way, name);
	if (err == 0 && (is_ours(d, name) || device_of_pin(pin_final_name(name), device)))
		err = pin_remove(d->dir_fd, name);
	else if (err == 0 && is_listed(d, name)) /* of another version */
		err = pin_remove(d->dir_fd, name);
	if (err < 0 && !d->failed) {
		d->failed = err;
		snprintf(d->name, sizeof(d->name), "%s", name);
	}
	return 0;
}

/* They are of the namespace in which they were made; what says which are ours goes after them. */
static int remove_routes(struct detach *d)
{
	uint32_t here = layout_netns_here();
	size_t n = 0;
	int err = steer_map_remove_routes(d->dir_fd, false, &n);

	if (!err && n && d->netns && here && d->netns != here)
		return errmsg_set(
			d->err, -EXDEV,
			"local routes of steered prefixes are in another network namespace "
			"(net:[%u], this is net:[%u]): nothing was removed; repeat it there "
			"(`nsenter --net=FILE …`)",
			d->netns, here);
	if (!err && n)
		err = steer_map_remove_routes(d->dir_fd, true, &n);
	return err ? errmsg_set(d->err, err,
				"cannot remove the local routes of steered prefixes: %s",
				strerror(-err))
		   : 0;
}

static int remove_probe_way(struct errmsg *ret)
{
	int err = probe_way_remove();

	return err ? errmsg_set(ret, err, "cannot remove the rules of health checks: %s",
				strerror(-err))
		   : 0;
}

int dataplane_detach_all(int dir_fd, struct errmsg *err)
{
	static const struct libxdp_way here;

	return dataplane_detach_by(dir_fd, &here, err);
}

int dataplane_detach_by(int dir_fd, const struct libxdp_way *way, struct errmsg *err)
{
	CLEANUP(program_set_clear) struct program_set set = { 0 };
	CLEANUP_FREE struct dataplane *names = calloc(1, sizeof(*names));
	struct detach d = { .dir_fd = dir_fd, .way = way, .names = names, .err = err };
	CLEANUP_FD int list_fd = -1;
	int e;

	if (!names)
		return errmsg_set(err, -ENOMEM, "no memory");
	names->xdp.fd = names->tc.fd = names->egress.fd = names->sk_lookup.fd = -1;
	names->dir_fd = -1;
	e = program_open(names, &set, err); /* opened to read the names, not loaded */
	if (e)
		return e;
	d.netns = layout_netns(dir_fd);
	d.list_fd = list_fd = layout_list_open(dir_fd, "layout_maps");
	err->text[0] = 0;
	e = pin_each(dir_fd, check_one, &d);
	if (e && err->text[0])
		return e;
	if (!e)
		e = remove_routes(&d);
	if (e && err->text[0])
		return e;
	if (!e)
		e = remove_probe_way(err);
	if (e && err->text[0])
		return e;
	if (!e)
		e = pin_each(dir_fd, detach_one, &d);
	if (e)
		return errmsg_set(err, e, "cannot read the bpffs directory: %s", strerror(-e));
	if (d.failed)
		return errmsg_set(err, d.failed, "cannot remove %s: %s", d.name,
				  strerror(-d.failed));
	return 0;
}
