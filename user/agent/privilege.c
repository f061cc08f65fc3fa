/* SPDX-License-Identifier: BSD-2-Clause */
#include "privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* linux/capability.h of older headers lacks them */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

int privilege_account(const char *user, struct privilege_account *ret, struct errmsg *err)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return errmsg_set(err, -ENOENT,
				  "there is no user %s; make it with: useradd --system "
				  "--no-create-home --shell /usr/sbin/nologin %s",
				  user, user);
	if (pw->pw_uid == 0)
		return errmsg_set(err, -EINVAL, "user %s is root: name one without privileges",
				  user);
	*ret = (struct privilege_account) { .uid = pw->pw_uid, .gid = pw->pw_gid };
	return 0;
}

#define NOFILE_WANT (1U << 20) /* fs.nr_open of a kernel that nobody configured */

void privilege_raise_limits(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit files = { NOFILE_WANT, NOFILE_WANT };

	/* BPF maps are charged to it before Linux 5.11 */
	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	if (setrlimit(RLIMIT_NOFILE, &files) && getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

int privilege_harden(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}

static int keep_kernel(void)
{
	const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED;

	return capng_updatev(CAPNG_ADD, sets, CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, -1);
}

/* The first one that the process still has and should not, or NULL. */
static const char *check_dropped(const struct privilege_account *to)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) || ruid != to->uid || euid != to->uid || suid != to->uid)
		return "user";
	if (getresgid(&rgid, &egid, &sgid) || rgid != to->gid || egid != to->gid || sgid != to->gid)
		return "group";
	if (getgroups(0, NULL) != 0)
		return "supplementary groups";
	if (setuid(0) == 0)
		return "the way back to root";
	return NULL;
}

int privilege_drop(const struct privilege_account *to, enum privilege_keep keep, struct errmsg *err)
{
	const char *left;
	int ret;

	capng_clear(CAPNG_SELECT_ALL);
	if (keep == PRIVILEGE_KERNEL && keep_kernel())
		return errmsg_set(err, -EPERM, "cannot keep CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON");
	ret = capng_change_id(
		(int)to->uid, (int)to->gid,
		(capng_flags_t)(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT));
	if (ret)
		return errmsg_set(err, -EPERM, "cannot become uid %u (libcap-ng: %d)",
				  (unsigned int)to->uid, ret);
	left = check_dropped(to);
	if (left)
		return errmsg_set(err, -EPERM, "dropping privileges left %s", left);
	/* a change of user makes the process dumpable again where fs.suid_dumpable says so */
	ret = privilege_harden();
	if (ret)
		return errmsg_set(err, ret, "cannot harden the process: %s", strerror(-ret));
	return 0;
}

int privilege_child(int keep_fd, const struct privilege_account *to, enum privilege_keep keep,
		    pid_t parent)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct errmsg err = { "cannot begin" };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if ((keep_fd != 3 && dup3(keep_fd, 3, O_CLOEXEC) < 0) || close_range(4, ~0U, 0) ||
	    privilege_drop(to, keep, &err)) {
		fprintf(stderr, "sluiced: %s\n", err.text);
		_exit(1);
	}
	/* after the change of user, which resets it; the parent may be gone by now */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(1);
	return 3;
}
