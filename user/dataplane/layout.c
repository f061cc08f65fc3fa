/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout.h"
#include "pin.h"
#include "sluice/abi/layout.h"

#define REMEDY                                                                                       \
	"; remove what is pinned with `sluiced --detach` (traffic passes unfiltered until the next " \
	"start) or set another agent.bpffs_dir"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "unknown"
#endif

static int differs(struct errmsg *err, const char *name, const char *what, uint32_t is,
		   uint32_t want)
{
	return errmsg_set(err, -EPROTO,
			  "pinned map %s has another layout: its %s is %u and not %u" REMEDY, name,
			  what, is, want);
}

static int shape_check(const struct pinned_map *m, const struct map_shape *is, struct errmsg *err)
{
	if (is->type != m->shape.type)
		return differs(err, m->name, "type", is->type, m->shape.type);
	if (is->key_bytes != m->shape.key_bytes)
		return differs(err, m->name, "key size", is->key_bytes, m->shape.key_bytes);
	if (is->value_bytes != m->shape.value_bytes)
		return differs(err, m->name, "value size", is->value_bytes, m->shape.value_bytes);
	if (is->flags != m->shape.flags)
		return differs(err, m->name, "set of flags", is->flags, m->shape.flags);
	return 0;
}

/* The kernel gives every kind of object "info": only its link says which kind it is. */
static bool is_map(int fd)
{
	static const char want[] = "anon_inode:bpf-map";
	char path[32], text[sizeof(want)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, text, sizeof(text));
	return n == sizeof(want) - 1 && memcmp(text, want, sizeof(want) - 1) == 0;
}

/* 1: opened into m, 0: not pinned, or negative errno. */
static int adopt_map(struct dataplane *dp, struct pinned_map *m, struct errmsg *err)
{
	CLEANUP_FD int fd = pin_get(dp->dir_fd, m->name);
	struct map_shape is;
	int e;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return errmsg_set(err, fd == -EACCES ? -EPROTO : fd,
				  "cannot open pinned map %s: %s%s", m->name, strerror(-fd),
				  fd == -EACCES ? "; it belongs to another user: chown the bpffs "
						  "directory and what is in it"
						: "");
	if (!is_map(fd) || pinned_map_shape(fd, &is))
		return errmsg_set(err, -EPROTO, "pinned object %s is not a map" REMEDY, m->name);
	e = shape_check(m, &is, err);
	if (e)
		return e;
	if (is.max_entries == m->shape.max_entries)
		m->fd = take_fd(&fd);
	else
		m->old_fd = take_fd(&fd);
	return 1;
}

static int layout_check(struct dataplane *dp, const char *first_found, struct errmsg *err)
{
	int fd = pinned_map_fd(dp, "layout");
	struct layout l = { 0 };
	uint32_t zero = 0;

	if (fd < 0 && !first_found)
		return 0;
	if (fd < 0)
		return errmsg_set(err, -EPROTO,
				  "pinned map %s was not made by sluice: there is no map "
				  "`layout` beside it" REMEDY,
				  first_found);
	if (bpf_map_lookup_elem(fd, &zero, &l) || l.magic != LAYOUT_MAGIC)
		return errmsg_set(err, -EPROTO, "pinned map layout was not made by sluice" REMEDY);
	if (l.abi != ABI_LAYOUT)
		return errmsg_set(err, -EPROTO,
				  "the pinned maps are of layout %u (sluice %.31s), this is layout "
				  "%u (sluice %s)" REMEDY,
				  l.abi, l.version, ABI_LAYOUT, SLUICE_VERSION);
	dp->adopted = true;
	return 0;
}

int layout_adopt(struct dataplane *dp, struct errmsg *err)
{
	const char *first_found = NULL;
	size_t i;

	for (i = 0; i < dp->n_maps; i++) {
		int e = adopt_map(dp, &dp->maps[i], err);

		if (e < 0)
			return e;
		if (e && !first_found)
			first_found = dp->maps[i].name;
	}
	return layout_check(dp, first_found, err);
}

int layout_init(struct dataplane *dp, struct errmsg *err)
{
	struct layout l = { .magic = LAYOUT_MAGIC, .abi = ABI_LAYOUT };
	int fd = pinned_map_fd(dp, "layout");
	uint32_t zero = 0;

	if (fd < 0)
		return errmsg_set(err, fd, "the programs have no map `layout`");
	snprintf(l.version, sizeof(l.version), "%s", SLUICE_VERSION);
	if (bpf_map_update_elem(fd, &zero, &l, BPF_ANY))
		return errmsg_set(err, -errno, "cannot write map layout: %s", strerror(errno));
	return 0;
}

uint32_t layout_netns_here(void)
{
	struct stat st;

	/* the kernel's inode numbers of namespaces have 32 bits */
	return stat("/proc/thread-self/ns/net", &st) ? 0 : (uint32_t)st.st_ino;
}

uint32_t layout_netns(int dir_fd)
{
	CLEANUP_FD int fd = pin_get(dir_fd, "layout");
	struct layout l = { 0 };
	struct map_shape is;
	uint32_t zero = 0;

	/* what is pinned there may be anybody's */
	if (fd < 0 || !is_map(fd) || pinned_map_shape(fd, &is) || is.key_bytes != sizeof(zero) ||
	    is.value_bytes != sizeof(l) || bpf_map_lookup_elem(fd, &zero, &l) ||
	    l.magic != LAYOUT_MAGIC)
		return 0;
	return l.netns;
}

int layout_set_netns(struct dataplane *dp)
{
	int fd = pinned_map_fd(dp, "layout");
	uint32_t zero = 0;
	struct layout l;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &zero, &l))
		return -errno;
	l.netns = layout_netns_here();
	return bpf_map_update_elem(fd, &zero, &l, BPF_ANY) ? -errno : 0;
}
