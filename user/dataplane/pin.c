/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "pin.h"

/* A directory of ours holds some 40 names; what is beyond this is not looked at. */
#define PIN_NAMES_MAX 1024

void pin_device_name(char ret[PIN_NAME_MAX], const char *prefix, const char *device,
		     const char *suffix)
{
	char *p;

	snprintf(ret, PIN_NAME_MAX, "%s%s%s", prefix, device, suffix);
	for (p = ret; *p; p++) {
		if (*p == '.')
			*p = ':';
	}
}

bool pin_device_parse(const char *name, const char *prefix, const char *suffix, char ret[16])
{
	size_t len = strlen(name), head = strlen(prefix), tail = strlen(suffix), i, n;

	if (len <= head + tail || strncmp(name, prefix, head) ||
	    strcmp(name + len - tail, suffix) != 0)
		return false;
	n = len - head - tail;
	if (n > 15)
		return false;
	for (i = 0; i < n; i++)
		ret[i] = name[head + i] == ':' ? '.' : name[head + i];
	ret[n] = 0;
	return true;
}

static int pin_path(char ret[PIN_PATH_MAX], int dir_fd, const char *name)
{
	int n = snprintf(ret, PIN_PATH_MAX, "/proc/self/fd/%d/%s", dir_fd, name);

	return n < PIN_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int pin_get(int dir_fd, const char *name)
{
	char path[PIN_PATH_MAX];
	int err = pin_path(path, dir_fd, name);

	if (err)
		return err;
	err = bpf_obj_get(path);
	return err < 0 ? -errno : err;
}

int pin_put(int dir_fd, const char *name, int fd)
{
	char path[PIN_PATH_MAX];
	int err = pin_path(path, dir_fd, name);

	if (err)
		return err;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

int pin_replace(int dir_fd, const char *name, int fd)
{
	char aside[PIN_NAME_MAX];
	int err;

	snprintf(aside, sizeof(aside), PIN_NEW "%s", name);
	err = pin_remove(dir_fd, aside);
	if (err && err != -ENOENT)
		return err;
	err = pin_put(dir_fd, aside, fd);
	if (err)
		return err;
	err = pin_rename(dir_fd, aside, name);
	if (err)
		pin_remove(dir_fd, aside);
	return err;
}

int pin_rename(int dir_fd, const char *from, const char *to)
{
	return renameat(dir_fd, from, dir_fd, to) ? -errno : 0;
}

int pin_remove(int dir_fd, const char *name)
{
	return unlinkat(dir_fd, name, 0) ? -errno : 0;
}

const char *pin_final_name(const char *name)
{
	if (strcmp(name, PIN_COMMIT) == 0)
		return "layout";
	return strncmp(name, PIN_NEW, strlen(PIN_NEW)) ? name : name + strlen(PIN_NEW);
}

uid_t pin_owner_begin(int dir_fd)
{
	struct stat st;

	if (geteuid() != 0 || fstat(dir_fd, &st))
		return geteuid();
	return (uid_t)setfsuid(st.st_uid);
}

void pin_owner_end(uid_t before)
{
	if (geteuid() == 0)
		setfsuid(before);
}

static void pin_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* The caller's descriptor may be O_PATH, which cannot be read: open the directory again. */
static int pin_list(int dir_fd, char (*names)[PIN_NAME_MAX], size_t max, size_t *ret_n)
{
	CLEANUP(pin_closedir) DIR *dir = NULL;
	CLEANUP_FD int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	size_t n = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	take_fd(&fd);
	while (n < max && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] == '.' || len >= PIN_NAME_MAX)
			continue;
		memcpy(names[n++], entry->d_name, len + 1);
	}
	*ret_n = n;
	return 0;
}

int pin_each(int dir_fd, int (*fn)(const char *name, void *ctx), void *ctx)
{
	CLEANUP_FREE char(*names)[PIN_NAME_MAX] = calloc(PIN_NAMES_MAX, sizeof(*names));
	size_t i, n = 0;
	int err;

	if (!names)
		return -ENOMEM;
	err = pin_list(dir_fd, names, PIN_NAMES_MAX, &n);
	for (i = 0; !err && i < n; i++)
		err = fn(names[i], ctx);
	return err;
}
