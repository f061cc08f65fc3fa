/* SPDX-License-Identifier: BSD-2-Clause */
#include "libxdp_way.h"

#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "link_libxdp.h"
#include "link_xdp.h"
#include "pin.h"
#include "program.h"

/* The bounds of conf_rows_kernel.c. */
#define RING_SIZE_MIN	  3
#define RING_SIZE_MAX	  65537
#define ECHO_PER_S_MAX	  100000
#define EVENTS_PER_S_MAX  100000
#define TOO_BIG_PER_S_MAX 100000

static void close_dataplane(struct dataplane **dp)
{
	if (*dp)
		dataplane_close(*dp);
}

/* As the kernel's dev_valid_name, and no control characters: it ends up in messages and in pins. */
static bool is_device_name(const char *name)
{
	size_t len = strnlen(name, IFNAMSIZ);

	if (len == 0 || len == IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)name[i]) || name[i] == '/' || name[i] == ':')
			return false;
	}
	return true;
}

static bool is_valid(const struct libxdp_request *r)
{
	return r->op >= LIBXDP_ATTACH && r->op <= LIBXDP_NAME && is_device_name(r->device) &&
	       r->mode <= CONF_XDP_GENERIC && r->unknown_l4 <= CONF_L4_DROP && r->frags <= 1 &&
	       r->ring_size >= RING_SIZE_MIN && r->ring_size <= RING_SIZE_MAX &&
	       r->events_per_s <= EVENTS_PER_S_MAX && r->too_big_per_s <= TOO_BIG_PER_S_MAX &&
	       r->echo_per_s <= ECHO_PER_S_MAX;
}

/* Sizes are configured and may be any; all else has to be as the program wants it. */
static int open_map(struct dataplane *dp, struct pinned_map *m, struct errmsg *err)
{
	struct map_shape shape;
	int e;

	m->fd = pin_get(dp->dir_fd, m->name);
	e = m->fd < 0 ? m->fd : pinned_map_shape(m->fd, &shape);
	if (e)
		return errmsg_set(err, e, "cannot open pinned map %s: %s", m->name, strerror(-e));
	shape.max_entries = m->shape.max_entries;
	if (memcmp(&shape, &m->shape, sizeof(shape)) != 0)
		return errmsg_set(err, -EPROTO, "pinned map %s has another shape", m->name);
	return 0;
}

/* Only what attaching needs: the maps are opened and never written. */
static int open_maps(int dir_fd, const struct libxdp_request *r, struct dataplane **ret,
		     struct errmsg *err)
{
	CLEANUP(close_dataplane) struct dataplane *dp = calloc(1, sizeof(*dp));
	struct bpf_object *obj;
	uid_t before;
	int e;

	if (!dp)
		return errmsg_set(err, -ENOMEM, "no memory");
	dp->xdp = (struct program) { .fd = -1, .frags = r->frags };
	dp->tc.fd = dp->dir_fd = -1;
	dp->conf.ring_size = r->ring_size;
	dp->conf.unknown_l4 = (enum conf_unknown_l4)r->unknown_l4;
	dp->conf.events_per_s = r->events_per_s;
	dp->conf.too_big_per_s = r->too_big_per_s;
	dp->conf.echo_per_s = r->echo_per_s;
	e = program_open_xdp(dp, PROGRAM_XDP, &obj, err); /* lists the maps that it shares */
	if (e)
		return e;
	bpf_object__close(obj);
	dp->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	if (dp->dir_fd < 0)
		return errmsg_set(err, -errno, "bpffs directory: %s", strerror(errno));
	before = pin_owner_begin(dir_fd);
	for (size_t i = 0; !e && i < dp->n_maps; i++)
		e = open_map(dp, &dp->maps[i], err);
	pin_owner_end(before);
	if (!e)
		*ret = take_ptr(&dp);
	return e;
}

static int attach(int dir_fd, struct libxdp_request *r, struct errmsg *err)
{
	CLEANUP(close_dataplane) struct dataplane *dp = NULL;
	struct device d = { .link_fd = -1 };
	int e = open_maps(dir_fd, r, &dp, err);

	if (e)
		return e;
	memcpy(d.state.name, r->device, sizeof(d.state.name));
	d.state.prog_id = r->prog_id;
	d.state.ifindex = if_nametoindex(r->device);
	d.want.mode = (enum conf_xdp_mode)r->mode;
	if (!d.state.ifindex)
		return errmsg_set(err, -ENODEV, "there is no device %s", r->device);
	e = link_libxdp_attach(dp, &d, err);
	if (e)
		return e;
	r->prog_id = d.state.prog_id;
	r->native = d.state.native;
	r->adopted = d.state.adopted;
	r->fixed = d.state.fixed;
	return 0;
}

static int tell_name(const struct libxdp_request *r, struct errmsg *err)
{
	uint32_t prog_id = 0;
	char text[64];
	int e = link_xdp_query(if_nametoindex(r->device), &prog_id, NULL);

	if (e || !prog_id)
		return errmsg_set(err, e ? e : -ENOENT, "%s has no XDP program", r->device);
	return errmsg_set(err, 0, "%s", link_xdp_program_text(prog_id, text));
}

int libxdp_way_run(int dir_fd, struct libxdp_request *r, struct errmsg *err)
{
	static const struct libxdp_way here;
	int e;

	program_quiet();
	if (!is_valid(r))
		return errmsg_set(err, -EINVAL, "not a request that is served");
	if (r->op == LIBXDP_NAME)
		return tell_name(r, err);
	if (r->op == LIBXDP_ATTACH)
		return attach(dir_fd, r, err);
	e = link_libxdp_detach(dir_fd, &here, r->device);
	return e ? errmsg_set(err, e, "cannot detach from %s: %s", r->device, strerror(-e)) : 0;
}
