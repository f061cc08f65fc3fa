/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "link_libxdp.h"
#include "link_xdp.h"
#include "pin.h"
#include "program.h"

static void close_object(struct bpf_object **obj)
{
	bpf_object__close(*obj); /* NULL is fine */
}

static void close_program(struct xdp_program **prog)
{
	xdp_program__close(*prog);
}

static void close_multiprog(struct xdp_multiprog **mp)
{
	if (*mp && !libxdp_get_error(*mp))
		xdp_multiprog__close(*mp);
}

static uint32_t prog_id_of(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Is the program one of those that a dispatcher on the device calls? */
static bool in_dispatcher(uint32_t ifindex, uint32_t prog_id)
{
	CLEANUP(close_multiprog)
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *p = NULL;

	if (libxdp_get_error(mp) || xdp_multiprog__is_legacy(mp))
		return false;
	while ((p = xdp_multiprog__next_prog(p, mp))) {
		if (xdp_program__id(p) == prog_id)
			return true;
	}
	return false;
}

/* Where our program of before is. Whoever has a way cannot look into dispatchers, and asks. */
enum place { PLACE_NONE, PLACE_SINGLE, PLACE_DISPATCHER };

static enum place place_of(const struct libxdp_way *way, uint32_t ifindex, uint32_t prog_id)
{
	uint32_t there = 0;

	if (!prog_id || link_xdp_query(ifindex, &there, NULL) || !there)
		return PLACE_NONE;
	if (there == prog_id)
		return PLACE_SINGLE;
	return !way->do_it && in_dispatcher(ifindex, prog_id) ? PLACE_DISPATCHER : PLACE_NONE;
}

/* One step: from our program to the next, by netlink. */
static int replace_single(const struct device *d, int old_fd, int new_fd)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = old_fd);
	uint32_t mode = d->state.native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;

	return bpf_xdp_attach((int)d->state.ifindex, new_fd, mode | XDP_FLAGS_REPLACE, &opts);
}

static int attach_mode(struct xdp_program *prog, struct device *d, enum xdp_attach_mode mode)
{
	int err = xdp_program__attach(prog, (int)d->state.ifindex, mode, 0);

	if (!err)
		d->state.native = mode == XDP_MODE_NATIVE;
	return err;
}

static int attach_new(struct xdp_program *prog, struct device *d)
{
	int err = -EOPNOTSUPP;

	if (d->want.mode != CONF_XDP_GENERIC)
		err = attach_mode(prog, d, XDP_MODE_NATIVE);
	/* A failed attempt may have loaded the program already: then only EOPNOTSUPP is harmless. */
	if (err && d->want.mode != CONF_XDP_NATIVE)
		err = attach_mode(prog, d, XDP_MODE_SKB);
	return err;
}

static void detach_old(const struct device *d, int old_fd)
{
	CLEANUP(close_program) struct xdp_program *old = xdp_program__from_fd(old_fd);

	if (libxdp_get_error(old)) {
		old = NULL;
		return;
	}
	xdp_program__detach(old, (int)d->state.ifindex,
			    d->state.native ? XDP_MODE_NATIVE : XDP_MODE_SKB, 0);
}

static int failed(const struct device *d, int code, struct errmsg *err)
{
	uint32_t there = 0;
	char text[64] = "no program";

	if (link_xdp_query(d->state.ifindex, &there, NULL) == 0 && there)
		link_xdp_program_text(there, text);
	return errmsg_set(
		err, code,
		"libxdp cannot share %s, which has %s; remove that (`ip link set dev %s xdp "
		"off`, or by who holds its link), or give libxdp CAP_SYS_ADMIN, a writable "
		"/sys/fs/bpf/xdp and a kernel with freplace: %s%s%s",
		d->state.name, text, d->state.name, strerror(-code),
		*program_complaint() ? ": " : "", program_complaint());
}

static int attach_object(struct dataplane *dp, struct device *d, enum program_object which,
			 int *ret_fd, struct errmsg *err)
{
	CLEANUP(close_object) struct bpf_object *obj = NULL;
	CLEANUP(close_program) struct xdp_program *prog = NULL;
	struct bpf_program *p;
	int e = program_open_xdp(dp, which, &obj, err);

	if (e)
		return e;
	p = bpf_object__next_program(obj, NULL);
	prog = xdp_program__from_bpf_obj(obj, bpf_program__section_name(p));
	e = (int)libxdp_get_error(prog);
	if (e) {
		prog = NULL;
		return failed(d, e, err);
	}
	program_complaint_clear();
	e = attach_new(prog, d);
	if (e)
		return failed(d, e, err);
	*ret_fd = dup(xdp_program__fd(prog));
	return *ret_fd < 0 ? -errno : 0;
}

/* A new object through libxdp, beside or in place of the old one. *ret_fd: a duplicate. */
static int load_and_attach(struct dataplane *dp, struct device *d, enum place place, int old_fd,
			   int *ret_fd, struct errmsg *err)
{
	struct errmsg second;
	int e = attach_object(dp, d, PROGRAM_XDP, ret_fd, err);

	d->state.fixed =
		e == -EINVAL && attach_object(dp, d, PROGRAM_XDP_FIXED, ret_fd, &second) == 0;
	if (e && !d->state.fixed)
		return e;
	if (place == PLACE_DISPATCHER)
		detach_old(d, old_fd);
	return 0;
}

static int get_pin(int dir_fd, const char *name)
{
	uid_t before = pin_owner_begin(dir_fd);
	int ret = pin_get(dir_fd, name);

	pin_owner_end(before);
	return ret;
}

static int replace_pin(int dir_fd, const char *name, int fd)
{
	uid_t before = pin_owner_begin(dir_fd);
	int ret = pin_replace(dir_fd, name, fd);

	pin_owner_end(before);
	return ret;
}

static int remove_pin(int dir_fd, const char *name)
{
	uid_t before = pin_owner_begin(dir_fd);
	int ret = pin_remove(dir_fd, name);

	pin_owner_end(before);
	return ret;
}

static int ask_attach(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	struct libxdp_request r = {
		.op = LIBXDP_ATTACH,
		.mode = d->want.mode,
		.unknown_l4 = dp->conf.unknown_l4,
		.ring_size = dp->conf.ring_size,
		.events_per_s = dp->conf.events_per_s,
		.too_big_per_s = dp->conf.too_big_per_s,
		.echo_per_s = dp->conf.echo_per_s,
		.frags = dp->xdp.frags,
		.prog_id = d->state.prog_id,
	};
	int e;

	memcpy(r.device, d->state.name, sizeof(r.device));
	e = dp->way.do_it(&r, err, dp->way.ctx);
	if (e)
		return e;
	if (r.prog_id != d->state.prog_id) /* else it is what this process attached before */
		d->state.adopted = r.adopted != 0;
	d->state.prog_id = r.prog_id;
	d->state.native = r.native != 0;
	d->state.fixed = r.fixed != 0;
	d->state.through_libxdp = true;
	return 0;
}

/* In one step: the program is this process's own, so it needs nobody else. */
static int flip_single(struct dataplane *dp, struct device *d, int old_fd, int *ret_fd,
		       struct errmsg *err)
{
	CLEANUP(close_object) struct bpf_object *obj = NULL;
	CLEANUP_FD int fd = dp->xdp.fd >= 0 ? dup(dp->xdp.fd) : -1;
	int e = 0;

	if (fd < 0) { /* whoever is asked has none loaded */
		e = program_open_xdp(dp, PROGRAM_XDP, &obj, err);
		if (e)
			return e;
		e = bpf_object__load(obj);
		fd = e ? -1 : dup(bpf_program__fd(bpf_object__next_program(obj, NULL)));
	}
	if (!e)
		e = fd < 0 ? -errno : replace_single(d, old_fd, fd);
	if (e)
		return failed(d, e, err);
	*ret_fd = take_fd(&fd);
	return 0;
}

int link_libxdp_attach(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	char name[PIN_NAME_MAX];
	CLEANUP_FD int old_fd = -1;
	CLEANUP_FD int fd = -1;
	enum place place;
	uint32_t old_id, there;
	int e;

	pin_device_name(name, PIN_LIBXDP, d->state.name, "");
	old_fd = get_pin(dp->dir_fd, name);
	old_id = prog_id_of(old_fd);
	place = place_of(&dp->way, d->state.ifindex, old_id);
	if (place != PLACE_NONE)
		link_xdp_query(d->state.ifindex, &there, &d->state.native);
	if (place != PLACE_NONE && old_id == d->state.prog_id)
		return 0; /* attached by this process */
	if (place == PLACE_SINGLE)
		e = flip_single(dp, d, old_fd, &fd, err);
	else if (dp->way.do_it)
		return ask_attach(dp, d, err);
	else
		e = load_and_attach(dp, d, place, old_fd, &fd, err);
	if (e)
		return e;
	e = replace_pin(dp->dir_fd, name, fd);
	if (e)
		return errmsg_set(err, e, "cannot pin %s: %s", name, strerror(-e));
	d->state.prog_id = prog_id_of(fd);
	d->state.adopted = place != PLACE_NONE;
	d->state.through_libxdp = true;
	return 0;
}

static int ask_detach(const struct libxdp_way *way, const char *device)
{
	struct libxdp_request r = { .op = LIBXDP_DETACH, .ring_size = 3 };
	struct errmsg err;

	snprintf(r.device, sizeof(r.device), "%s", device);
	return way->do_it(&r, &err, way->ctx);
}

int link_libxdp_detach(int dir_fd, const struct libxdp_way *way, const char *device)
{
	char name[PIN_NAME_MAX];
	CLEANUP_FD int fd = -1;
	uint32_t ifindex = if_nametoindex(device), there = 0;
	enum place place;
	struct device d = { .state.ifindex = ifindex };
	int err = 0;

	pin_device_name(name, PIN_LIBXDP, device, "");
	fd = get_pin(dir_fd, name);
	if (fd < 0)
		return fd;
	link_xdp_query(ifindex, &there, &d.state.native);
	place = ifindex ? place_of(way, ifindex, prog_id_of(fd)) : PLACE_NONE;
	if (place == PLACE_NONE && way->do_it && there)
		return ask_detach(way, device);
	switch (place) {
	case PLACE_SINGLE:
		err = replace_single(&d, fd, -1);
		break;
	case PLACE_DISPATCHER:
		detach_old(&d, fd);
		break;
	case PLACE_NONE:
		break;
	}
	return err ? err : remove_pin(dir_fd, name);
}
