/* SPDX-License-Identifier: BSD-2-Clause */
#include "host_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "conf/conf.h"
#include "net/sock.h"

#define LOCK_RETRY_MS 50
#define LOCK_TRIES    60
#define LISTEN_TRIES  10
#define PEM_BEGIN     "-----BEGIN "
#define PEM_OPENSSH   "-----BEGIN OPENSSH"

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static int check_regular(int fd, const char *path, off_t max_bytes, struct stat *st,
			 struct errmsg *err)
{
	if (fd < 0 || fstat(fd, st))
		return errmsg_set(err, -errno, "%s: cannot open: %s", path, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return errmsg_set(err, -EINVAL, "%s: is not a regular file", path);
	if (st->st_size > max_bytes)
		return errmsg_set(err, -EFBIG, "%s: is larger than %lld bytes", path,
				  (long long)max_bytes);
	return 0;
}

int host_files_open_config(const char *path, struct errmsg *err)
{
	struct stat st;
	CLEANUP_FD int fd = open(path, OPEN_FLAGS);
	int ret = check_regular(fd, path, CONF_FILE_MAX_BYTES, &st, err);

	return ret ? ret : take_fd(&fd);
}

/*
 * Open a path below dir. RESOLVE_BENEATH (Linux 5.6): no link, and no "..", leads out of it, also
 * while somebody who owns a directory on the way changes it. -ENXIO: it is not below.
 */
static int open_below(const char *path, const char *dir, size_t dir_len)
{
	const struct open_how how = { .flags = OPEN_FLAGS,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	char name[PATH_MAX];
	CLEANUP_FD int at = -1;
	int fd;

	while (dir_len && dir[dir_len - 1] == '/')
		dir_len--;
	if (strncmp(path, dir, dir_len) != 0 || path[dir_len] != '/' || dir_len >= sizeof(name))
		return -ENXIO;
	memcpy(name, dir, dir_len);
	memcpy(name + dir_len, "/", 2); /* "/" itself is not left empty */
	at = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	path += dir_len;
	while (*path == '/')
		path++;
	fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* The first directory that has it decides; -ENXIO: none has. */
static int open_bounded(const char *path, const struct host_files_pems *b)
{
	const char *slash = strrchr(b->config_path, '/');
	int ret = -ENXIO;

	for (size_t i = 0; i < b->conf->n_certificate_dirs && ret == -ENXIO; i++)
		ret = open_below(path, b->conf->certificate_dirs[i],
				 strlen(b->conf->certificate_dirs[i]));
	if (b->conf->n_certificate_dirs)
		return ret;
	if (slash)
		ret = open_below(path, b->config_path, (size_t)(slash - b->config_path));
	return ret == -ENXIO ? open_below(path, HOST_FILES_DIR, strlen(HOST_FILES_DIR)) : ret;
}

int host_files_open_pem(const char *path, const struct host_files_pems *bounds, struct errmsg *err)
{
	struct stat st;
	CLEANUP_FD int fd = open_bounded(path, bounds);
	char head[sizeof(PEM_OPENSSH)] = "";
	int ret;

	if (fd == -ENXIO || fd == -EXDEV)
		return errmsg_set(err, fd,
				  "%s: %s the directories that certificates are read from; move "
				  "it, or name its directory in agent.certificate_dirs",
				  path, fd == -ENXIO ? "is outside of" : "leads out of");
	errno = -fd; /* for where it is negative */
	ret = check_regular(fd, path, HOST_FILES_PEM_MAX_BYTES, &st, err);
	if (ret)
		return ret;
	if (st.st_uid != 0 && st.st_uid != bounds->agent->uid)
		return errmsg_set(err, -EPERM,
				  "%s: belongs to uid %u; root or the agent's user "
				  "has to own it",
				  path, (unsigned int)st.st_uid);
	if (pread(fd, head, sizeof(head) - 1, 0) < 0)
		return errmsg_set(err, -errno, "%s: cannot read: %s", path, strerror(errno));
	if (strncmp(head, PEM_BEGIN, strlen(PEM_BEGIN)) != 0)
		return errmsg_set(err, -EINVAL, "%s: does not begin as PEM (\"" PEM_BEGIN "…\")",
				  path);
	if (strncmp(head, PEM_OPENSSH, strlen(PEM_OPENSSH)) == 0)
		return errmsg_set(err, -EINVAL, "%s: is a key of OpenSSH; convert it to PKCS#8",
				  path);
	return take_fd(&fd);
}

/* Every folder above the last component; those that are there stay as they are. */
static int make_parents(const char *path, struct errmsg *err)
{
	char part[PATH_MAX];

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return errmsg_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
	for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0755) == 0)
			(void)chmod(part,
				    0755); /* whatever the umask: the group has to get through */
		else if (errno != EEXIST)
			return errmsg_set(err, -errno, "%s: cannot make it: %s", part,
					  strerror(errno));
		*p = '/';
	}
	return 0;
}

/* An fd on the directory; *ret_made: it was not there. */
static int make_dir(const char *path, mode_t mode, bool *ret_made, struct errmsg *err)
{
	int ret = make_parents(path, err);
	int fd;

	if (ret)
		return ret;
	*ret_made = mkdir(path, mode) == 0;
	if (!*ret_made && errno != EEXIST)
		return errmsg_set(err, -errno, "%s: cannot make it: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errmsg_set(err, -errno, "%s: cannot open: %s", path, strerror(errno));
	return fd;
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool empty = dir != NULL;

	while (dir && empty && (e = readdir(dir)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	return empty;
}

int host_files_state_dir(const char *path, const struct privilege_account *agent,
			 struct errmsg *err)
{
	bool made = false;
	CLEANUP_FD int fd = make_dir(path, 0700, &made, err);

	if (fd < 0)
		return fd;
	/* systemd makes it for root; /var by mistake must not become the agent's */
	if (!made && !is_empty(path))
		return 0;
	if (fchown(fd, agent->uid, agent->gid) || fchmod(fd, 0700))
		return errmsg_set(err, -errno, "%s: cannot give it to the agent: %s", path,
				  strerror(errno));
	return 0;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

int host_files_on_bpffs(const char *path)
{
	char part[PATH_MAX];
	struct statfs fs;
	char *slash;

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return -ENAMETOOLONG;
	while (statfs(part, &fs)) {
		slash = strrchr(part, '/');
		if (errno != ENOENT || !slash || !part[1])
			return -errno;
		slash[slash == part] = '\0'; /* "/" stays */
	}
	return fs.f_type == BPF_FS_MAGIC;
}

/* A place that can never be right is an error, and nothing is made there; a kernel without BPF is not. */
static int check_bpffs_place(const char *path, struct errmsg *err)
{
	if (strcmp(path, HOST_FILES_BPFFS) == 0 || strcmp(path, HOST_FILES_BPFFS "/") == 0)
		return errmsg_set(err, -EINVAL,
				  "agent.bpffs_dir: %s: name a directory of sluice's own below it",
				  path);
	if (strncmp(path, HOST_FILES_BPFFS "/", strlen(HOST_FILES_BPFFS) + 1) != 0 &&
	    host_files_on_bpffs(path) == 0)
		return errmsg_set(err, -EINVAL,
				  "agent.bpffs_dir: %s is not on a bpffs; mount one (mount -t bpf "
				  "bpf DIR), or name a directory below " HOST_FILES_BPFFS,
				  path);
	return 0;
}

static int open_bpffs_dir(const char *path, const struct privilege_account *agent,
			  struct errmsg *err)
{
	struct stat st, root;
	bool made = false;
	CLEANUP_FD int fd = -1;

	if (!is_bpffs(HOST_FILES_BPFFS) &&
	    strncmp(path, HOST_FILES_BPFFS "/", strlen(HOST_FILES_BPFFS) + 1) == 0 &&
	    mount("bpf", HOST_FILES_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return errmsg_set(err, -errno, "cannot mount a bpffs at %s: %s", HOST_FILES_BPFFS,
				  strerror(errno));
	fd = make_dir(path, 0700, &made, err);
	if (fd < 0)
		return fd;
	if (!is_bpffs(path))
		return errmsg_set(err, -EINVAL, "%s: is not on a bpffs (mount -t bpf)", path);
	/* the mount itself belongs to everybody who pins there */
	if (fstat(fd, &st) || stat(HOST_FILES_BPFFS, &root) ||
	    (st.st_dev == root.st_dev && st.st_ino == root.st_ino))
		return errmsg_set(err, -EINVAL, "%s: name a directory of sluice's own below it",
				  path);
	if (fchown(fd, agent->uid, agent->gid))
		return errmsg_set(err, -errno, "%s: cannot give it to the agent: %s", path,
				  strerror(errno));
	return take_fd(&fd);
}

/* What a killed agent had is closed a moment after its processes are gone. */
static void await_killed(void)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000000L };

	nanosleep(&pause, NULL);
}

/* Held by whoever has the descriptor: the monitor and its supervisor. */
static int lock_bpffs_dir(int fd)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		await_killed();
	}
	return 0;
}

int host_files_bpffs_dir(const struct conf *conf, const struct privilege_account *agent,
			 int *ret_fd, struct errmsg *why, struct errmsg *err)
{
	const char *path = conf->agent.bpffs_dir;
	int ret = conf_wants_kernel(conf) ? check_bpffs_place(path, err) : 0;

	*ret_fd = conf_wants_kernel(conf) && !ret ? open_bpffs_dir(path, agent, why) : -1;
	if (ret)
		return ret;
	if (*ret_fd < 0)
		return 0;
	ret = lock_bpffs_dir(*ret_fd);
	return ret ? errmsg_set(err, ret, "%s: %s (is another sluiced using it?)", path,
				strerror(-ret))
		   : 0;
}

int host_files_control_socket(const char *path, const char *group, struct errmsg *err)
{
	const struct group *gr = group ? getgrnam(group) : NULL;
	CLEANUP_FD int fd = -1;
	int ret = make_parents(path, err);

	if (ret)
		return ret;
	if (group && !gr)
		return errmsg_set(err, -ENOENT,
				  "there is no group %s; make it with: groupadd --system %s", group,
				  group);
	fd = sock_listen_unix(path, 0660);
	for (int i = 0; fd == -EADDRINUSE && i < LISTEN_TRIES; i++) {
		await_killed();
		fd = sock_listen_unix(path, 0660);
	}
	if (fd < 0)
		return errmsg_set(err, fd, "cannot listen on %s: %s%s", path, strerror(-fd),
				  fd == -EADDRINUSE ? " (is another sluiced running?)" : "");
	if (chown(path, 0, gr ? gr->gr_gid : 0))
		return errmsg_set(err, -errno, "%s: cannot give it to its group: %s", path,
				  strerror(errno));
	return take_fd(&fd);
}
