/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "link.h"
#include "link_xdp.h"
#include "pin.h"

int link_xdp_query(uint32_t ifindex, uint32_t *ret_prog_id, bool *ret_native)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int err = bpf_xdp_query((int)ifindex, 0, &opts);

	if (err)
		return err;
	*ret_prog_id = opts.drv_prog_id ? opts.drv_prog_id : opts.prog_id;
	if (!*ret_prog_id)
		*ret_prog_id = opts.skb_prog_id;
	if (ret_native)
		*ret_native = opts.drv_prog_id != 0;
	return 0;
}

const char *link_xdp_program_text(uint32_t prog_id, char ret[64])
{
	CLEANUP_FD int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		snprintf(ret, 64, "program %u (%s)", prog_id, info.name);
	else
		snprintf(ret, 64, "program %u (see `bpftool prog show id %u`)", prog_id, prog_id);
	return ret;
}

static bool mode_fits(enum conf_xdp_mode want, bool native)
{
	/* auto takes what is there: detaching to try for better would lose packets. */
	return want == CONF_XDP_AUTO || (want == CONF_XDP_NATIVE) == native;
}

/* 1: adopted, 0: there is none (any more), or negative errno. */
static int adopt(struct dataplane *dp, struct device *d, const char *name)
{
	uint32_t ifindex = 0, link_prog = 0, prog_id = 0;
	CLEANUP_FD int fd = link_get(dp->dir_fd, name, &ifindex, &link_prog);
	bool native = false;
	int err;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	err = link_xdp_query(d->state.ifindex, &prog_id, &native);
	if (err)
		return err;
	/* Its device went away (index 0) or was renamed, or another mode is wanted. */
	if (ifindex != d->state.ifindex || !mode_fits(d->want.mode, native))
		return link_remove(dp->dir_fd, name);
	if (link_prog != dp->xdp.id && bpf_link_update(fd, dp->xdp.fd, NULL))
		return -errno;
	if (d->link_fd != fd && d->link_fd >= 0)
		close(d->link_fd);
	d->state.adopted = d->link_fd < 0; /* else this process made it */
	d->state.native = native;
	d->link_fd = take_fd(&fd);
	return 1;
}

static int create(struct dataplane *dp, struct device *d, uint32_t xdp_flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = xdp_flags);
	int fd = bpf_link_create(dp->xdp.fd, (int)d->state.ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : fd;
}

static int refused(struct device *d, const char *mode, int code, struct errmsg *err)
{
	const char *remedy = "";

	if (code == -EOPNOTSUPP)
		remedy = "; its driver has no XDP: use mode generic or hook tc";
	else if (code == -EINVAL || code == -ERANGE || code == -EMSGSIZE)
		remedy = "; lower its MTU or switch off LRO (`ethtool -K DEV lro off`), or use "
			 "mode generic";
	else if (code == -EPERM || code == -EACCES)
		remedy = "; CAP_NET_ADMIN and CAP_BPF are needed";
	return errmsg_set(err, code, "%s XDP is refused on %s: %s%s", mode, d->state.name,
			  strerror(-code), remedy);
}

static int create_any(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	int fd = -EOPNOTSUPP;

	if (d->want.mode != CONF_XDP_GENERIC) {
		fd = create(dp, d, XDP_FLAGS_DRV_MODE);
		d->state.native = fd >= 0;
		d->native_error = fd < 0 ? fd : 0;
		if (fd < 0 && (d->want.mode == CONF_XDP_NATIVE || fd == -EPERM || fd == -EBUSY))
			return refused(d, "native", fd, err);
	}
	if (fd < 0)
		fd = create(dp, d, XDP_FLAGS_SKB_MODE);
	return fd < 0 ? refused(d, "generic", fd, err) : fd;
}

/* Another's program, with its name if anybody may look it up. */
static const char *foreign_text(struct dataplane *dp, const struct device *d, uint32_t prog_id,
				struct errmsg *ret)
{
	struct libxdp_request r = { .op = LIBXDP_NAME, .ring_size = 3 };
	char text[64];

	memcpy(r.device, d->state.name, sizeof(r.device));
	if (!dp->way.do_it || dp->way.do_it(&r, ret, dp->way.ctx))
		errmsg_set(ret, 0, "%s", link_xdp_program_text(prog_id, text));
	return ret->text;
}

int link_xdp_attach(struct dataplane *dp, struct device *d, struct errmsg *err)
{
	char name[PIN_NAME_MAX];
	struct errmsg text;
	CLEANUP_FD int fd = -1;
	uint32_t prog_id = 0;
	int e;

	pin_device_name(name, PIN_LINK, d->state.name, "_xdp");
	e = adopt(dp, d, name);
	if (e < 0)
		return errmsg_set(err, e, "cannot adopt the link on %s: %s", d->state.name,
				  strerror(-e));
	if (e)
		return 0;
	e = link_xdp_query(d->state.ifindex, &prog_id, NULL);
	if (!e && prog_id)
		return errmsg_set(err, -EBUSY,
				  "%s has an XDP program of another: %s; remove it (`ip link set "
				  "dev %s xdp off`) or set attach: libxdp to share the device",
				  d->state.name, foreign_text(dp, d, prog_id, &text),
				  d->state.name);
	fd = create_any(dp, d, err);
	if (fd < 0)
		return fd;
	e = pin_put(dp->dir_fd, name, fd);
	if (e)
		return errmsg_set(err, e, "cannot pin %s: %s", name, strerror(-e));
	if (d->link_fd >= 0)
		close(d->link_fd);
	d->link_fd = take_fd(&fd);
	d->state.adopted = false;
	return 0;
}
