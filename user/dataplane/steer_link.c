/* SPDX-License-Identifier: BSD-2-Clause */
#include "steer_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout.h"
#include "link.h"
#include "pin.h"

void steer_link_probe(struct dataplane *dp)
{
	const char *lacks = NULL;

	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SK_LOOKUP, NULL) != 1)
		lacks = "programs of type sk_lookup (Linux 5.9)";
	else if (libbpf_probe_bpf_map_type(BPF_MAP_TYPE_SOCKMAP, NULL) != 1)
		lacks = "maps of sockets (CONFIG_NET_SOCK_MSG)";
	dp->steer_why[0] = '\0';
	if (lacks)
		snprintf(dp->steer_why, sizeof(dp->steer_why),
			 "the kernel lacks %s, or this process may not use them", lacks);
}

/* The pinned link where it is at this namespace, -ESTALE where it is elsewhere or nowhere. */
static int get(const struct dataplane *dp)
{
	CLEANUP_FD int fd = pin_get(dp->dir_fd, PIN_STEER);
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	/* 0 once it was detached, or the namespace is gone */
	if (info.type != BPF_LINK_TYPE_NETNS || !info.netns.netns_ino ||
	    info.netns.netns_ino != layout_netns_here())
		return -ESTALE;
	return take_fd(&fd);
}

bool steer_link_is_on(const struct dataplane *dp)
{
	CLEANUP_FD int fd = get(dp);

	return fd >= 0;
}

int steer_link_attach(struct dataplane *dp)
{
	CLEANUP_FD int here = -1;
	CLEANUP_FD int fd = get(dp);

	if (fd >= 0)
		return 0;
	if (fd == -ESTALE)
		steer_link_detach(dp->dir_fd);
	here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (here < 0)
		return -errno;
	fd = bpf_link_create(dp->sk_lookup.fd, here, BPF_SK_LOOKUP, NULL);
	if (fd < 0)
		return -errno;
	return pin_put(dp->dir_fd, PIN_STEER, fd);
}

void steer_link_detach(int dir_fd)
{
	link_remove(dir_fd, PIN_STEER);
}

int steer_link_flip(struct dataplane *dp, int prog_fd, struct errmsg *err)
{
	CLEANUP_FD int fd = get(dp);

	if (fd < 0 || prog_fd < 0 || bpf_link_update(fd, prog_fd, NULL) == 0)
		return 0;
	return errmsg_set(err, -errno, "cannot put the new sk_lookup in place: %s; the old goes on",
			  strerror(errno));
}

void steer_link_flip_back(struct dataplane *dp)
{
	CLEANUP_FD int before = pin_get(dp->dir_fd, PIN_PROG "sk_lookup");
	struct errmsg err;

	(void)steer_link_flip(dp, before, &err);
}
