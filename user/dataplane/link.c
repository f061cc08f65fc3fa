/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "link.h"
#include "pin.h"

int link_get(int dir_fd, const char *name, uint32_t *ret_ifindex, uint32_t *ret_prog_id)
{
	CLEANUP_FD int fd = pin_get(dir_fd, name);
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	/* info.tcx, which these headers lack, begins with the device as info.xdp does. */
	*ret_ifindex = info.xdp.ifindex;
	*ret_prog_id = info.prog_id;
	return take_fd(&fd);
}

bool link_is_on(int link_fd, uint32_t ifindex)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(link_fd, &info, &len) == 0 && info.xdp.ifindex == ifindex;
}

int link_remove(int dir_fd, const char *name)
{
	CLEANUP_FD int fd = pin_get(dir_fd, name);

	if (fd >= 0)
		bpf_link_detach(
			fd); /* fails when the device is gone: then there is nothing on it */
	return pin_remove(dir_fd, name);
}

/* Which program a link runs. */
struct runs {
	const char *suffix; /* of the link's pin */
	const char *pin;    /* of the program that is in force: where to go back to */
	const struct program *program;
};

struct flip {
	struct dataplane *dp;
	bool back;
	struct errmsg *err;
};

/* The program of a pinned link, by its name; NULL: it is none. */
static const struct runs *runs_of(const struct runs *all, const char *name, char ret_device[16])
{
	for (; all->suffix; all++)
		if (pin_device_parse(name, PIN_LINK, all->suffix, ret_device))
			return all;
	return NULL;
}

/* 0 as well when the link's device is gone: dataplane_attach makes a new one. */
static int flip_one(const char *name, void *ctx)
{
	struct flip *f = ctx;
	const struct runs all[] = {
		{ "_xdp", PIN_PROG "xdp_ingress", &f->dp->xdp },
		{ "_tc", PIN_PROG "tc_ingress", &f->dp->tc },
		{ PIN_EGRESS_SUFFIX, PIN_PROG "tc_egress", &f->dp->egress },
		{ NULL, NULL, NULL },
	};
	char device[16];
	const struct runs *runs = runs_of(all, name, device);
	CLEANUP_FD int link_fd = -1;
	CLEANUP_FD int old_fd = -1;
	uint32_t ifindex, prog_id;
	int fd;

	if (!runs)
		return 0;
	link_fd = link_get(f->dp->dir_fd, name, &ifindex, &prog_id);
	if (link_fd < 0)
		return errmsg_set(f->err, link_fd, "cannot open pinned link %s: %s", name,
				  strerror(-link_fd));
	if (!ifindex)
		return 0;
	fd = runs->program->fd;
	if (f->back)
		fd = old_fd = pin_get(f->dp->dir_fd, runs->pin);
	if (fd < 0 || bpf_link_update(link_fd, fd, NULL) == 0 || errno == ENOLINK)
		return 0;
	return errmsg_set(f->err, -errno,
			  "cannot put the new program on %s: %s; the old one goes on", device,
			  strerror(errno));
}

int link_flip(struct dataplane *dp, struct errmsg *err)
{
	struct flip f = { .dp = dp, .err = err };
	int e = pin_each(dp->dir_fd, flip_one, &f);

	if (!e)
		return 0;
	link_flip_back(dp);
	return e;
}

void link_flip_back(struct dataplane *dp)
{
	struct flip f = { .dp = dp, .back = true };

	pin_each(dp->dir_fd, flip_one, &f);
}
