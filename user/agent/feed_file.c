/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static int check(int fd, const char *path, size_t max_bytes, struct stat *st, struct errmsg *err)
{
	if (fd < 0 || fstat(fd, st))
		return errmsg_set(err, -errno, "%s: cannot open: %s", path, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return errmsg_set(err, -EINVAL, "%s: is not a regular file", path);
	if ((uint64_t)st->st_size > max_bytes)
		return errmsg_set(err, -EFBIG, "%s: is larger than %zu bytes", path, max_bytes);
	/* --check runs as root, or as whoever wrote the file */
	if (geteuid() != 0 && st->st_uid != 0 && st->st_uid != geteuid())
		return errmsg_set(err, -EPERM,
				  "%s: belongs to uid %u; root or the agent's user has to own it",
				  path, (unsigned int)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return errmsg_set(err, -EPERM, "%s: others can write it; chmod go-w", path);
	return 0;
}

/* What is read is what there is, whatever the size was a moment ago; -EFBIG: more. */
static int read_all(int fd, char *data, size_t room, size_t *ret_len)
{
	size_t len = 0;

	while (len < room) {
		ssize_t n = read(fd, data + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			*ret_len = len;
			return 0;
		}
		len += (size_t)n;
	}
	return -EFBIG;
}

int feed_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
		   struct errmsg *err)
{
	CLEANUP_FD int fd = open(path, OPEN_FLAGS);
	CLEANUP_FREE char *data = NULL;
	struct stat st = { 0 };
	size_t len = 0;
	int e = check(fd, path, max_bytes, &st, err);

	if (e)
		return e;
	data = malloc((size_t)st.st_size + 2);
	if (!data)
		return errmsg_set(err, -ENOMEM, "%s: no memory", path);
	e = read_all(fd, data, (size_t)st.st_size + 1, &len);
	if (e)
		return errmsg_set(err, e, "%s: %s", path,
				  e == -EFBIG ? "grew while it was read" : strerror(-e));
	data[len] = '\0';
	*ret = take_ptr(&data);
	*ret_len = len;
	return 0;
}

static int sync_parent(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	CLEANUP_FD int fd = -1;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	fd = open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? -errno : 0;
}

static int write_new(const char *path, const char *data, size_t len)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

int feed_file_write(const char *path, const char *data, size_t len)
{
	char new[PATH_MAX];
	int err;

	if ((size_t)snprintf(new, sizeof(new), "%s.new", path) >= sizeof(new))
		return -ENAMETOOLONG;
	err = write_new(new, data, len);
	if (!err && rename(new, path))
		err = -errno;
	if (err)
		(void)unlink(new);
	return err ? err : sync_parent(path);
}
