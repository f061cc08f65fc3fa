/* SPDX-License-Identifier: BSD-2-Clause */
#include "kept_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int kept_fds_put(struct kept_fds *k, const char *name, int fd)
{
	size_t i = 0;
	int own = -1;

	if (strlen(name) >= KEPT_FDS_NAME_MAX)
		return -ENAMETOOLONG;
	while (i < k->n && strcmp(k->row[i].name, name) != 0)
		i++;
	if (fd < 0 && i == k->n)
		return -ENOENT;
	if (fd >= 0 && i == KEPT_FDS_MAX)
		return -ENOSPC;
	if (fd >= 0) {
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (own < 0)
			return -errno;
	}
	if (i < k->n)
		close(k->row[i].fd);
	else
		k->n++;
	if (fd < 0) {
		k->row[i] = k->row[--k->n];
		return 0;
	}
	memcpy(k->row[i].name, name, strlen(name) + 1);
	k->row[i].fd = own;
	return 0;
}
