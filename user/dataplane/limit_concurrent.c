/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A count is right if every connection that was counted in is counted out of the same table. So the
 * table has a generation, and connections remember it: where it cannot be known that all were watched
 * to their end (the link was away, the table is another one), the next generation begins at 0.
 */
#include "limit_concurrent.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "dataplane_state.h"
#include "limit_class.h"
#include "limit_map.h"
#include "pin.h"
#include "program.h"

#ifndef SO_NETNS_COOKIE /* of Linux 5.14, which older headers lack */
#define SO_NETNS_COOKIE 71
#endif

/* A program that ran while its link was removed is done long before this. */
#define DETACH_GRACE_NS (10 * NS_PER_MS)

static struct limit_state *state_of(struct dataplane *dp)
{
	return pinned_map_mem(dp, "limit_state");
}

static bool is_wanted(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_limits; i++)
		if (conf->limits[i].concurrent)
			return true;
	return false;
}

static int open_cgroup(const char *path)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs))
		return -errno;
	return fs.f_type == CGROUP2_SUPER_MAGIC ? take_fd(&fd) : -ENOTSUP;
}

/* The one that the configuration names, or the root; on hosts with both versions that is aside. */
static int find_cgroup(const char *path, struct errmsg *err)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	int fd = -ENOENT;

	if (path) {
		fd = open_cgroup(path);
		if (fd < 0)
			return errmsg_set(err, fd,
					  "limits: connections are not counted: "
					  "dataplane.cgroup %s: %s",
					  path,
					  fd == -ENOTSUP ? "is not a directory of cgroup v2"
							 : strerror(-fd));
		return fd;
	}
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]) && fd < 0; i++)
		fd = open_cgroup(roots[i]);
	return fd < 0 ? errmsg_set(err, fd,
				   "limits: connections are not counted: no cgroup v2 is "
				   "mounted at %s; name it in dataplane.cgroup",
				   roots[0])
		      : fd;
}

/* The pinned link, if it is still on this control group; -ENOENT */
static int find_link(struct dataplane *dp, int cgroup_fd)
{
	CLEANUP_FD int fd = pin_get(dp->dir_fd, PIN_CONCURRENT);
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	struct stat st;

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || fstat(cgroup_fd, &st))
		return -errno;
	/* Of a control group that was removed it is 0; the inode is the id (64-bit kernels). */
	return info.cgroup.cgroup_id == st.st_ino ? take_fd(&fd) : -ENOENT;
}

static int netns_cookie(uint64_t *ret)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len))
		return -errno;
	return 0;
}

static int map_id(struct dataplane *dp, uint32_t *ret)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(pinned_map_fd(dp, "limit_concurrent"), &info, &len))
		return -errno;
	*ret = info.id;
	return 0;
}

static int first_key(struct limit_state *state)
{
	static const struct limit_row_key none;
	struct limit_row_key key;

	if (memcmp(&state->concurrent_key, &none, sizeof(none)) != 0)
		return 0;
	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	state->concurrent_key = key;
	return 0;
}

static void clear_table(struct dataplane *dp)
{
	void *table = pinned_map_mem(dp, "limit_concurrent");

	if (table)
		memset(table, 0, pinned_map_find(dp, "limit_concurrent")->mem_bytes);
}

/* Is the table the one that the link's program has counted in? Else begin it at 0. */
static int settle_table(struct dataplane *dp, bool has_link)
{
	struct limit_state *state = state_of(dp);
	uint32_t id = 0;
	int err = state && pinned_map_mem(dp, "limit_concurrent") ? map_id(dp, &id) : -ENOMEM;

	if (!err)
		err = first_key(state);
	if (err || (has_link && id == state->concurrent_map))
		return err;
	state->concurrent_map = id;
	state->concurrent_generation++;
	if (!state->concurrent_generation)
		state->concurrent_generation = 1;
	clear_table(dp);
	return 0;
}

/* Nobody counts any more, and nothing is counted. */
static void remove_link(struct dataplane *dp)
{
	const struct timespec grace = { .tv_nsec = DETACH_GRACE_NS };

	if (pin_remove(dp->dir_fd, PIN_CONCURRENT))
		return;
	nanosleep(&grace, NULL);
	clear_table(dp);
}

static int put_link(struct dataplane *dp, int link_fd, int cgroup_fd, int prog_fd)
{
	CLEANUP_FD int fd = -1;

	if (link_fd >= 0)
		return bpf_link_update(link_fd, prog_fd, NULL) ? -errno : 0;
	fd = bpf_link_create(prog_fd, cgroup_fd, BPF_CGROUP_SOCK_OPS, NULL);
	return fd < 0 ? -errno : pin_put(dp->dir_fd, PIN_CONCURRENT, fd);
}

static int attach(struct dataplane *dp, const char *path, struct errmsg *err)
{
	CLEANUP_FD int cgroup_fd = find_cgroup(path, err);
	CLEANUP_FD int link_fd = -1;
	CLEANUP_FD int prog_fd = -1;
	uint64_t cookie = 0;
	int e;

	if (cgroup_fd < 0)
		return cgroup_fd;
	link_fd = find_link(dp, cgroup_fd);
	if (link_fd < 0)
		remove_link(dp);
	e = netns_cookie(&cookie);
	if (!e)
		e = settle_table(dp, link_fd >= 0);
	if (e)
		return errmsg_set(err, e, "limits: connections are not counted: %s", strerror(-e));
	e = program_load_concurrent(dp, state_of(dp)->concurrent_generation, cookie, &prog_fd, err);
	if (e)
		return e;
	e = put_link(dp, link_fd, cgroup_fd, prog_fd);
	return e ? errmsg_set(err, e,
			      "limits: connections are not counted: the kernel refuses the program "
			      "at the control group: %s",
			      strerror(-e))
		 : 0;
}

int limit_concurrent_attach(struct dataplane *dp, const struct conf *conf, struct errmsg *err)
{
	struct errmsg why = { "" };
	int e = 0;

	if (is_wanted(conf))
		e = attach(dp, conf->dataplane.cgroup, &why);
	else
		remove_link(dp);
	dp->concurrent_why = why;
	if (e)
		*err = why;
	return e;
}

/* Of a source in its unit, as bpf/stage/limit_concurrent_table.h finds it. */
int limit_concurrent_count(struct dataplane *dp, const struct addr *source, uint32_t limit_class,
			   uint64_t *ret)
{
	const struct pinned_map *map = pinned_map_find(dp, "limit_concurrent");
	const struct limit_concurrent_set *table = pinned_map_mem(dp, "limit_concurrent");
	const struct limit_state *state = state_of(dp);
	struct limit_rates rates;
	struct addr unit;
	uint64_t sum = 0;
	__u64 is;
	uint32_t at;
	int high, err = limit_map_rates(dp, limit_class, &rates);

	if (err || !map || !table || !state)
		return err ? err : -ENOMEM;
	unit = limit_map_unit(source, rates.flags);
	high = addr_is_v4(&unit) ? 2 : 0;
	at = limit_concurrent_hash(&state->concurrent_key, map->shape.max_entries, unit.w[high],
				   unit.w[high + 1], limit_class, &is);
	for (int way = 0; way < LIMIT_CONCURRENT_WAYS; way++) {
		uint64_t word = __atomic_load_n(&table[at].word[way], __ATOMIC_RELAXED);

		if (limit_concurrent_is(word, is))
			sum += word & LIMIT_CONCURRENT_COUNT;
	}
	*ret = sum;
	return 0;
}

/* One less; a word without a count stays, and one whose last this was is free. */
static void take_one(__u64 *word)
{
	__u64 was = __atomic_load_n(word, __ATOMIC_RELAXED), is;

	do {
		if (!(was & LIMIT_CONCURRENT_COUNT))
			return;
		is = (was & LIMIT_CONCURRENT_COUNT) == 1 ? 0 : was - 1;
	} while (!__atomic_compare_exchange_n(word, &was, is, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

void limit_concurrent_lose(struct dataplane *dp, const struct limit_concurrent_place *place)
{
	const struct pinned_map *map = pinned_map_find(dp, "limit_concurrent");
	struct limit_concurrent_set *table = pinned_map_mem(dp, "limit_concurrent");
	const struct limit_state *state = state_of(dp);

	if (!map || !table || !state || place->generation != state->concurrent_generation)
		return;
	for (int i = 0; i < LIMIT_SET_CLASSES; i++) {
		const uint32_t number = place->word[i];

		if (number && (number - 1) / LIMIT_CONCURRENT_WAYS < map->shape.max_entries)
			take_one(&table[(number - 1) / LIMIT_CONCURRENT_WAYS]
					  .word[(number - 1) % LIMIT_CONCURRENT_WAYS]);
	}
}

int limit_concurrent_sums(struct dataplane *dp, struct limit_concurrent_sum ret[LIMIT_CLASSES])
{
	const struct pinned_map *map = pinned_map_find(dp, "limit_concurrent");
	const struct limit_concurrent_set *table = pinned_map_mem(dp, "limit_concurrent");

	if (!map || !table)
		return -ENOMEM;
	memset(ret, 0, LIMIT_CLASSES * sizeof(*ret));
	for (uint32_t i = 0; i < map->shape.max_entries; i++)
		for (int way = 0; way < LIMIT_CONCURRENT_WAYS; way++) {
			uint64_t word = __atomic_load_n(&table[i].word[way], __ATOMIC_RELAXED);
			uint32_t id = word >> LIMIT_CONCURRENT_CLASS_SHIFT & (LIMIT_CLASSES - 1);

			ret[id].sources += (word & LIMIT_CONCURRENT_COUNT) != 0;
			ret[id].connections += word & LIMIT_CONCURRENT_COUNT;
		}
	return 0;
}

uint64_t limit_concurrent_uncounted(struct dataplane *dp)
{
	const struct limit_state *state = state_of(dp);

	return state ? __atomic_load_n(&state->concurrent_uncounted, __ATOMIC_RELAXED) : 0;
}
