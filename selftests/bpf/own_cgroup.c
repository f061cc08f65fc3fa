/* SPDX-License-Identifier: BSD-2-Clause */
#include "own_cgroup.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int own_cgroup_fd = -1;
char own_cgroup_path[300];

static char root[256];

static int enter(const char *folder)
{
	char path[320];
	int fd, entered;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	entered = fd >= 0 && write(fd, "0", 1) == 1;
	if (fd >= 0)
		close(fd);
	return entered ? 0 : -1;
}

int own_cgroup_open(void)
{
	const char *tmp = getenv("TEST_TMPDIR") ? getenv("TEST_TMPDIR") : "/tmp";

	snprintf(root, sizeof(root), "%s/cgroup-%d", tmp, (int)getpid());
	snprintf(own_cgroup_path, sizeof(own_cgroup_path), "%s/sluice-test-%d", root,
		 (int)getpid());
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, 0) ||
	    mkdir(root, 0700) || mount("none", root, "cgroup2", 0, NULL) ||
	    mkdir(own_cgroup_path, 0700) || enter(own_cgroup_path)) {
		perror(own_cgroup_path);
		return -1;
	}
	own_cgroup_fd = open(own_cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return own_cgroup_fd < 0 ? -1 : 0;
}

void own_cgroup_close(void)
{
	close(own_cgroup_fd);
	if (enter(root) || rmdir(own_cgroup_path) || umount(root) || rmdir(root))
		perror(own_cgroup_path);
}
