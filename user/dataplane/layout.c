/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout.h"
#include "layout_convert.h"
#include "layout_table.h"
#include "pin.h"
#include "sluice/abi/layout.h"

#define REMEDY                                                                                       \
	"; remove what is pinned with `sluiced --detach` (traffic passes unfiltered until the next " \
	"start) or set another agent.bpffs_dir"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "unknown"
#endif

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

/* 1: opened into old_fd, 0: not pinned, or negative errno. */
static int open_map(struct dataplane *dp, struct pinned_map *m, struct errmsg *err)
{
	CLEANUP_FD int fd = pin_get(dp->dir_fd, m->name);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return errmsg_set(err, fd == -EACCES ? -EPROTO : fd,
				  "cannot open pinned map %s: %s%s", m->name, strerror(-fd),
				  fd == -EACCES ? "; it belongs to another user: chown the bpffs "
						  "directory and what is in it"
						: "");
	if (!is_map(fd))
		return errmsg_set(err, -EPROTO, "pinned object %s is not a map" REMEDY, m->name);
	m->old_fd = take_fd(&fd);
	return 1;
}

static bool is_copied(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_LPM_TRIE || type == BPF_MAP_TYPE_ARRAY ||
	       type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static bool is_hash(uint32_t type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH;
}

/* Of one that is listed as was, and is of this shape. */
static enum map_fate fate_of(struct pinned_map *m, const struct map_shape *is,
			     const struct layout_map *was)
{
	const struct map_shape *want = &m->shape;
	const bool same_value =
		was->value == m->print.value && is->value_bytes == want->value_bytes;

	if (was->version != m->print.version || was->key != m->print.key ||
	    is->key_bytes != want->key_bytes)
		return MAP_FORGOTTEN;
	if (same_value && is->type == want->type && is->flags == want->flags)
		return is->max_entries == want->max_entries ? MAP_ADOPTED : MAP_RESIZED;
	if (!layout_table_can_carry(m->name) || !is_copied(is->type) ||
	    (is->type != want->type && !(is_hash(is->type) && is_hash(want->type))))
		return MAP_FORGOTTEN;
	if (same_value)
		return MAP_CARRIED;
	m->moves = layout_moves_new(was, is->value_bytes, &m->print, want->value_bytes);
	return m->moves ? MAP_CARRIED : MAP_FORGOTTEN;
}

static int judge_map(struct pinned_map *m, int list_fd, struct errmsg *err)
{
	struct layout_name name = { "" };
	struct layout_map was;
	struct map_shape is;

	if (m->old_fd < 0) {
		m->fate = MAP_NEW;
		return 0;
	}
	if (pinned_map_shape(m->old_fd, &is))
		return errmsg_set(err, -errno, "cannot look at pinned map %s", m->name);
	memcpy(name.text, m->name, strlen(m->name));
	m->fate = list_fd < 0 || bpf_map_lookup_elem(list_fd, &name, &was) ? MAP_FORGOTTEN
									   : fate_of(m, &is, &was);
	if (m->fate == MAP_ADOPTED) {
		m->fd = m->old_fd;
		m->old_fd = -1;
	}
	return 0;
}

/* Is the map at m->old_fd one of ours, and which layout number has it? 0: not ours. */
static uint32_t layout_number(const struct pinned_map *m)
{
	struct layout l = { 0 };
	struct map_shape is;
	uint32_t zero = 0;

	if (m->old_fd < 0 || pinned_map_shape(m->old_fd, &is) || is.key_bytes != sizeof(zero) ||
	    is.value_bytes != sizeof(l) || bpf_map_lookup_elem(m->old_fd, &zero, &l) ||
	    l.magic != LAYOUT_MAGIC)
		return 0;
	return l.abi;
}

int layout_list_open(int dir_fd, const char *pin)
{
	CLEANUP_FD int fd = pin_get(dir_fd, pin);
	struct map_shape is;

	if (fd < 0)
		return fd;
	if (!is_map(fd) || pinned_map_shape(fd, &is) || is.type != BPF_MAP_TYPE_HASH ||
	    is.key_bytes != sizeof(struct layout_name) ||
	    is.value_bytes != sizeof(struct layout_map))
		return -EPROTO;
	return take_fd(&fd);
}

void layout_remove_map(int dir_fd, const struct layout_name *name)
{
	CLEANUP_FD int fd = -1;
	bool is_name = name->text[0] != '\0' && !name->text[LAYOUT_NAME_BYTES - 1];

	for (size_t i = 0; is_name && i < LAYOUT_NAME_BYTES && name->text[i]; i++)
		is_name = (name->text[i] >= 'a' && name->text[i] <= 'z') ||
			  (name->text[i] >= '0' && name->text[i] <= '9') || name->text[i] == '_';
	fd = is_name ? pin_get(dir_fd, name->text) : -ENOENT;
	if (fd >= 0 && is_map(fd))
		pin_remove(dir_fd, name->text);
}

static int remove_retired(const char *pin, void *ctx)
{
	const int *dir_fd = ctx;
	struct layout_name name = { "" };

	if (!layout_table_is_retired(pin))
		return 0;
	snprintf(name.text, sizeof(name.text), "%s", pin);
	layout_remove_map(*dir_fd, &name);
	return 0;
}

void layout_remove_retired(int dir_fd)
{
	pin_each(dir_fd, remove_retired, &dir_fd);
}

/* These two are written once, before they are pinned: they are new with any other. */
static void renew_list(struct dataplane *dp)
{
	static const char *const names[] = { "layout", "layout_maps" };
	bool all_adopted = true;

	for (size_t i = 0; i < dp->n_maps; i++)
		all_adopted = all_adopted && dp->maps[i].fate == MAP_ADOPTED;
	for (size_t i = 0; !all_adopted && i < 2; i++) {
		struct pinned_map *m = pinned_map_find(dp, names[i]);

		if (!m || m->fate != MAP_ADOPTED)
			continue;
		m->old_fd = m->fd;
		m->fd = -1;
		m->fate = MAP_FORGOTTEN;
	}
}

int layout_adopt(struct dataplane *dp, struct errmsg *err)
{
	const struct pinned_map *layout = pinned_map_find(dp, "layout");
	const char *first_found = NULL;
	CLEANUP_FD int list_fd = -1;
	uint32_t number;
	int e = 0;

	for (size_t i = 0; i < dp->n_maps; i++) {
		e = open_map(dp, &dp->maps[i], err);
		if (e < 0)
			return e;
		if (e && !first_found)
			first_found = dp->maps[i].name;
	}
	number = layout ? layout_number(layout) : 0;
	if (layout && layout->old_fd >= 0 && !number)
		return errmsg_set(err, -EPROTO, "pinned map layout was not made by sluice" REMEDY);
	if (first_found && !number)
		return errmsg_set(err, -EPROTO,
				  "pinned map %s was not made by sluice: there is no map "
				  "`layout` beside it" REMEDY,
				  first_found);
	dp->adopted = number != 0;
	list_fd = number == ABI_LAYOUT ? layout_list_open(dp->dir_fd, "layout_maps") : -ENOENT;
	for (size_t i = 0; !(e < 0) && i < dp->n_maps; i++)
		e = judge_map(&dp->maps[i], list_fd, err);
	layout_table_spread(dp);
	renew_list(dp);
	return e < 0 ? e : 0;
}

static int write_list(const struct dataplane *dp, int fd)
{
	for (size_t i = 0; i < dp->n_maps; i++) {
		struct layout_name name = { "" };

		memcpy(name.text, dp->maps[i].name, strlen(dp->maps[i].name));
		if (bpf_map_update_elem(fd, &name, &dp->maps[i].print, BPF_ANY))
			return -errno;
	}
	return 0;
}

int layout_init(struct dataplane *dp, struct errmsg *err)
{
	struct layout l = { .magic = LAYOUT_MAGIC, .abi = ABI_LAYOUT };
	const struct pinned_map *m = pinned_map_find(dp, "layout");
	int list_fd = pinned_map_fd(dp, "layout_maps"), e;
	uint32_t zero = 0;

	if (!m || list_fd < 0)
		return errmsg_set(err, -ENOENT, "the programs have no map `layout`");
	if (m->fate == MAP_ADOPTED)
		return 0;
	l.netns = layout_netns(dp->dir_fd);
	snprintf(l.version, sizeof(l.version), "%s", SLUICE_VERSION);
	e = bpf_map_update_elem(m->fd, &zero, &l, BPF_ANY) ? -errno : write_list(dp, list_fd);
	return e ? errmsg_set(err, e, "cannot write map layout: %s", strerror(-e)) : 0;
}

static bool is_of_layout(const struct pinned_map *m)
{
	return strcmp(m->name, "layout") == 0 || strcmp(m->name, "layout_maps") == 0;
}

bool layout_has_empty(const struct dataplane *dp)
{
	for (size_t i = 0; i < dp->n_maps; i++) {
		const struct pinned_map *m = &dp->maps[i];

		if (!is_of_layout(m) && (m->fate == MAP_FORGOTTEN || m->fate == MAP_NEW))
			return true;
	}
	return false;
}

bool layout_steer_is_empty(struct dataplane *dp)
{
	const struct pinned_map *sockets = pinned_map_find(dp, "steer_sockets");

	return sockets && sockets->fate == MAP_FORGOTTEN;
}

/* Text of a limited length, cut where it is full. */
struct text {
	char *to;
	size_t room, at;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
	size_t left = t->room - t->at;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->to + t->at, left, format, args);
	va_end(args);
	if (n > 0)
		t->at += (size_t)n < left ? (size_t)n : left - 1;
}

/* Of those that were made anew, the ones whose loss somebody notices come first. */
static void describe(const struct dataplane *dp, enum map_fate fate, bool with_loss,
		     const char **title, struct text *t)
{
	for (size_t i = 0; i < dp->n_maps; i++) {
		const struct pinned_map *m = &dp->maps[i];
		const char *loss = fate == MAP_FORGOTTEN ? layout_table_loss(m->name) : "";

		if (m->fate != fate || is_of_layout(m) || (loss[0] != '\0') != with_loss)
			continue;
		add(t, "%s%s%s%s%s", *title, m->name, with_loss ? " (" : "", loss,
		    with_loss ? ")" : "");
		*title = ", ";
	}
}

void layout_describe(const struct dataplane *dp, struct errmsg *ret)
{
	const char *anew = "made anew: ", *copied;
	struct text t = { ret->text, sizeof(ret->text), 0 };

	ret->text[0] = '\0';
	describe(dp, MAP_FORGOTTEN, true, &anew, &t);
	describe(dp, MAP_FORGOTTEN, false, &anew, &t);
	copied = t.at ? "; copied: " : "copied: ";
	describe(dp, MAP_CARRIED, false, &copied, &t);
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
