/* SPDX-License-Identifier: BSD-2-Clause */
#include "libxdp_child.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"

/* linux/capability.h of older headers lacks them */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

/* Of the pipe, which takes less than PIPE_BUF bytes in one piece. */
struct answer {
	struct libxdp_request request;
	struct errmsg err;
	int status;
};
_Static_assert(sizeof(struct answer) <= 4096, "PIPE_BUF of Linux");

/* CAP_SETUID: pins are made as the owner of the directory. Permitted is what the monitor has. */
static int keep_needed(void)
{
	static const unsigned int needed[] = { CAP_SYS_ADMIN, CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON,
					       CAP_SETUID };
	const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED;
	bool has[sizeof(needed) / sizeof(needed[0])];

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		has[i] = capng_have_capability(CAPNG_PERMITTED, needed[i]);
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (has[i] && capng_update(CAPNG_ADD, sets, needed[i]))
			return -EPERM;
	}
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/*
 * No death with the monitor: half of an attachment would be a program that nobody knows. alarm ends
 * it when the monitor is not there to.
 */
_Noreturn static void run_child(int bpffs_fd, int to, struct libxdp_request *r)
{
	struct answer answer = { .err = { "" } };
	sigset_t none;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (const int *s = (int[]) { SIGINT, SIGTERM, SIGHUP, SIGPIPE, 0 }; *s; s++)
		signal(*s, SIG_IGN);
	alarm(LIBXDP_CHILD_TIMEOUT_MS / 1000);
	/* to the numbers 3 and 4, and nothing above them stays: above all not the supervisor's socket */
	if (bpffs_fd < 0) {
		answer.status = errmsg_set(&answer.err, -ENOENT, "there is no bpffs directory");
	} else if ((bpffs_fd = fcntl(bpffs_fd, F_DUPFD_CLOEXEC, 5)) < 0 ||
		   (to = fcntl(to, F_DUPFD_CLOEXEC, 5)) < 0 || dup3(bpffs_fd, 3, O_CLOEXEC) < 0 ||
		   dup3(to, 4, O_CLOEXEC) < 0 || close_range(5, ~0U, 0) || keep_needed()) {
		_exit(1);
	} else {
		to = 4;
		answer.status = libxdp_way_run(3, r, &answer.err);
	}
	answer.request = *r;
	_exit(write(to, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
}

int libxdp_child_run(int bpffs_fd, struct libxdp_request *r, struct errmsg *err)
{
	struct answer answer;
	CLEANUP_FD int from = -1;
	struct pollfd p;
	int pipes[2], n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return errmsg_set(err, -errno, "libxdp: no pipe to a child");
	pid = fork();
	if (pid == 0)
		run_child(bpffs_fd, pipes[1], r);
	close(pipes[1]);
	from = pipes[0];
	if (pid < 0)
		return errmsg_set(err, -EAGAIN, "libxdp: cannot fork a child");
	p = (struct pollfd) { .fd = from, .events = POLLIN };
	while ((n = poll(&p, 1, LIBXDP_CHILD_TIMEOUT_MS)) < 0 && errno == EINTR)
		; /* SIGCHLD and the like are blocked in the monitor: it does not start over */
	if (n != 1) {
		kill(pid, SIGKILL); /* not reaped yet, so the number is still its own */
		return errmsg_set(err, -ETIMEDOUT, "libxdp took more than %d s",
				  LIBXDP_CHILD_TIMEOUT_MS / 1000);
	}
	if (read(from, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		return errmsg_set(err, -ECHILD, "libxdp: the child ended without an answer");
	*r = answer.request;
	*err = answer.err;
	return answer.status;
}
