/* SPDX-License-Identifier: BSD-2-Clause */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sluice/ctl/ctl.h"

/* The agent takes nothing that could change after it looked at it. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static int write_all(int fd, const char *at, size_t len)
{
	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy(int from, int to)
{
	char block[65536];
	size_t sum = 0;

	for (;;) {
		ssize_t n = read(from, block, sizeof(block));
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		sum += (size_t)n;
		if (sum > CTL_FILE_MAX_BYTES)
			return -EFBIG;
		err = write_all(to, block, (size_t)n);
		if (err)
			return err;
	}
}

int feed_open(const char *path)
{
	CLEANUP_FD int from =
		strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FD int to = memfd_create("feed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err = from < 0 || to < 0 ? -errno : copy(from, to);

	if (!err && fcntl(to, F_ADD_SEALS, SEALS))
		err = -errno;
	if (!err)
		return take_fd(&to);
	fprintf(stderr, "sluicectl: %s: %s\n", path, strerror(-err));
	return -1;
}
