/* SPDX-License-Identifier: BSD-2-Clause */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "host_files.h"
#include "net/ipc.h"
#include "sandbox.h"

#define PATIENCE_MS 60000 /* lists and certificates of a large configuration */

static void on_impatient(struct timer *t)
{
	struct upgrade *u = container_of(t, struct upgrade, patience);

	if (u->check)
		kill(u->check, SIGKILL);
}

int upgrade_open(struct upgrade *u, const char *config_path)
{
	ssize_t n = readlink("/proc/self/exe", u->exe, sizeof(u->exe) - 1);

	u->exe[n > 0 ? n : 0] = '\0';
	u->config_path = config_path;
	u->text_fd = -1;
	u->patience.on_due = on_impatient;
	(void)prctl(PR_SET_NAME, "sluiced", 0, 0,
		    0); /* who was executed by a number has it as name */
	/* the only number that the filter lets be executed */
	return dup3(STDERR_FILENO, SANDBOX_EXEC_FD, O_CLOEXEC) < 0 ? -errno : 0;
}

/* To the number that may be executed. */
static int open_exe(const struct upgrade *u, struct errmsg *err)
{
	CLEANUP_FD int fd = open(u->exe, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return errmsg_set(err, -errno, "%s: %s", u->exe, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return errmsg_set(err, -EPERM,
				  "%s: has to be a file of root's that nobody else may write to",
				  u->exe);
	return dup3(fd, SANDBOX_EXEC_FD, O_CLOEXEC) < 0 ? -errno : 0;
}

/* What is checked is what runs: the file may change in between. */
static int copy_config(const struct upgrade *u, struct errmsg *err)
{
	CLEANUP(buf_clear) struct buf text;
	CLEANUP_FD int fd = host_files_open_config(u->config_path, err);
	ssize_t n = 1;

	buf_init(&text, CONF_FILE_MAX_BYTES + 65536);
	if (fd < 0)
		return fd;
	while (n > 0) {
		char *room = buf_reserve(&text, 65536);

		n = room ? read(fd, room, 65536) : -1;
		if (n > 0)
			buf_commit(&text, (size_t)n);
	}
	if (n < 0)
		return errmsg_set(err, -EIO, "%s: cannot read", u->config_path);
	return ipc_blob_new("config", buf_len(&text) ? buf_head(&text) : "", buf_len(&text));
}

/* Not by its path: that is checked already. Returns only on failure. */
static void run(const struct upgrade *u, const struct handover *h, bool check)
{
	char number[16];
	char *args[] = { "sluiced",    "-c",   (char *)u->config_path,
			 "--takeover", number, check ? "--check" : NULL,
			 NULL };
	int fd = handover_write(h);

	if (fd < 0)
		return;
	snprintf(number, sizeof(number), "%d", fd);
	handover_inherit(h, true);
	syscall(SYS_execveat, (long)SANDBOX_EXEC_FD, "", args, environ, (long)AT_EMPTY_PATH);
	fprintf(stderr, "sluiced: %s: cannot be executed: %s\n", u->exe, strerror(errno));
	handover_inherit(h, false);
	close(fd);
}

static void run_check(const struct upgrade *u, const struct handover *h)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(u->text_fd, STDOUT_FILENO) >= 0 && dup2(u->text_fd, STDERR_FILENO) >= 0)
		run(u, h, true);
	_exit(1);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(take_fd(fd));
}

int upgrade_check(struct upgrade *u, struct loop *loop, struct handover *h, bool dry_run,
		  struct errmsg *err)
{
	int ret;

	if (u->check || u->passed)
		return errmsg_set(err, -EALREADY, "an upgrade is under way");
	if (handover_leaving(h))
		return errmsg_set(err, -EBUSY,
				  "%u workers of the last upgrade have connections still, until "
				  "agent.drain_timeout is over",
				  handover_leaving(h));
	ret = open_exe(u, err);
	if (ret)
		return ret;
	h->config_fd = copy_config(u, err);
	u->text_fd = memfd_create("check", MFD_CLOEXEC);
	if (h->config_fd < 0 || u->text_fd < 0) {
		ret = h->config_fd < 0 ? h->config_fd : -errno;
	} else {
		u->dry_run = dry_run;
		u->check = fork();
		if (u->check == 0)
			run_check(u, h);
		ret = u->check < 0 ? -errno : 0;
	}
	if (!ret) {
		timer_start(loop, &u->patience, PATIENCE_MS);
		return 0;
	}
	u->check = 0;
	close_fd(&u->text_fd);
	close_fd(&h->config_fd);
	return ret;
}

/* The first of what it printed, in one line. */
static void read_text(int fd, int wait_status, char *ret, size_t ret_bytes)
{
	ssize_t n = pread(fd, ret, ret_bytes - 1, 0);

	ret[n > 0 ? n : 0] = '\0';
	for (char *c = ret; *c; c++)
		*c = (unsigned char)*c < 0x20 ? ' ' : *c;
	if (ret[0])
		return;
	if (WIFSIGNALED(wait_status))
		snprintf(ret, ret_bytes, "the check ended by signal %d", WTERMSIG(wait_status));
	else
		snprintf(ret, ret_bytes, "the check ended with status %d",
			 WEXITSTATUS(wait_status));
}

bool upgrade_checked(struct upgrade *u, struct handover *h, pid_t pid, int wait_status,
		     struct monitor_request *r)
{
	if (!u->check || pid != u->check)
		return false;
	timer_stop(&u->patience);
	u->check = 0;
	u->passed = wait_status == 0 && !u->dry_run;
	*r = (struct monitor_request) { .pid = pid, .status = wait_status ? -ENOEXEC : 0 };
	read_text(u->text_fd, wait_status, r->path, sizeof(r->path));
	close_fd(&u->text_fd);
	if (!u->passed)
		close_fd(&h->config_fd);
	return true;
}

void upgrade_exec(struct upgrade *u, struct handover *h)
{
	u->passed = false;
	run(u, h, false);
	close_fd(&h->config_fd);
}
