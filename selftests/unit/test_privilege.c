/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process has given up, read from /proc in the process itself; each case in a child. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/privilege.h"
#include "agent/sandbox.h"

/* CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39 */
#define KERNEL_CAPS "000000c000001000"
#define NO_CAPS	    "0000000000000000"
#define SOME_UID    65534

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static bool status_has(const char *name, const char *want)
{
	char line[256], expected[128];
	FILE *f = fopen("/proc/self/status", "re");
	bool found = false;

	snprintf(expected, sizeof(expected), "%s:\t%s", name, want);
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = strcmp(line, expected) == 0;
		if (!found && strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			fprintf(stderr, "%s, expected %s\n", line, want);
	}
	if (f)
		fclose(f);
	return found;
}

/* The exit status of fn in a child; 128 + n for signal n. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool need_root(void)
{
	if (geteuid() == 0)
		return true;
	print_message("needs root\n");
	return false;
}

static int drop_and_look(enum privilege_keep keep, const char *caps)
{
	const struct privilege_account to = { SOME_UID, SOME_UID };
	struct rlimit core;
	struct errmsg err;

	if (privilege_drop(&to, keep, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (!status_has("CapEff", caps) || !status_has("CapPrm", caps) ||
	    !status_has("CapInh", NO_CAPS) || !status_has("CapBnd", NO_CAPS) ||
	    !status_has("CapAmb", NO_CAPS) || !status_has("NoNewPrivs", "1") ||
	    !status_has("Uid", "65534\t65534\t65534\t65534") ||
	    !status_has("Gid", "65534\t65534\t65534\t65534"))
		return 2;
	if (getgroups(0, NULL) != 0 || prctl(PR_GET_DUMPABLE) != 0)
		return 3;
	if (getrlimit(RLIMIT_CORE, &core) || core.rlim_max != 0)
		return 4;
	return setuid(0) == 0 || seteuid(0) == 0 ? 5 : 0;
}

static int drop_worker(void)
{
	return drop_and_look(PRIVILEGE_NONE, NO_CAPS);
}

static int drop_supervisor(void)
{
	return drop_and_look(PRIVILEGE_KERNEL, KERNEL_CAPS);
}

static void a_worker_keeps_nothing(void **state)
{
	(void)state;
	if (!need_root())
		skip();
	assert_int_equal(in_child(drop_worker), 0);
}

static void a_supervisor_keeps_three_capabilities(void **state)
{
	(void)state;
	if (!need_root())
		skip();
	assert_int_equal(in_child(drop_supervisor), 0);
}

static void a_missing_user_names_the_remedy(void **state)
{
	struct privilege_account account;
	struct errmsg err;

	(void)state;
	assert_int_equal(privilege_account("no-such-user-here", &account, &err), -ENOENT);
	assert_non_null(strstr(err.text, "useradd --system"));
	assert_non_null(strstr(err.text, "no-such-user-here"));
	assert_int_equal(privilege_account("root", &account, &err), -EINVAL);
}

/* What a process of this role may not: errno, or the signal's 128 + SIGSYS from in_child. */
static enum sandbox_role role;
static int (*attempt)(void);

static int enter_and_try(void)
{
	struct errmsg err;

	if (privilege_harden() || sandbox_enter(role, &err))
		return 99;
	errno = 0;
	if (attempt() >= 0)
		return 0;
	return errno;
}

static int try_exec(void)
{
	char *const argv[] = { "true", NULL };

	return execv("/bin/true", argv);
}

static int try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int try_bind(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? fd : bind(fd, (struct sockaddr *)&any, sizeof(any));
}

static int try_tcp(void)
{
	return socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int try_udp(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int try_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int try_bpf(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int try_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return (int)pid;
}

static int try_kill(void)
{
	return kill(getppid(), 0);
}

#define KILLED (128 + SIGSYS)

static const struct {
	const char *name;
	enum sandbox_role role;
	int (*attempt)(void);
	int outcome;
} attempts[] = {
	{ "the monitor does not exec", SANDBOX_MONITOR, try_exec, KILLED },
	{ "the monitor does not trace", SANDBOX_MONITOR, try_ptrace, KILLED },
	{ "the monitor opens files", SANDBOX_MONITOR, try_open, 0 },
	{ "the monitor forks", SANDBOX_MONITOR, try_fork, 0 },
	{ "the supervisor does not exec", SANDBOX_SUPERVISOR, try_exec, KILLED },
	{ "the supervisor does not trace", SANDBOX_SUPERVISOR, try_ptrace, KILLED },
	{ "the supervisor does not fork", SANDBOX_SUPERVISOR, try_fork, EPERM },
	{ "the supervisor signals nobody", SANDBOX_SUPERVISOR, try_kill, EPERM },
	{ "the supervisor opens files", SANDBOX_SUPERVISOR, try_open, 0 },
	{ "a worker does not exec", SANDBOX_WORKER, try_exec, KILLED },
	{ "a worker does not trace", SANDBOX_WORKER, try_ptrace, KILLED },
	{ "a worker does not call bpf", SANDBOX_WORKER, try_bpf, KILLED },
	{ "a worker does not bind", SANDBOX_WORKER, try_bind, KILLED },
	{ "a worker opens no file", SANDBOX_WORKER, try_open, EPERM },
	{ "a worker does not fork", SANDBOX_WORKER, try_fork, EPERM },
	{ "a worker signals nobody", SANDBOX_WORKER, try_kill, EPERM },
	{ "a worker opens TCP sockets", SANDBOX_WORKER, try_tcp, 0 },
	{ "a worker opens no UDP socket", SANDBOX_WORKER, try_udp, EPERM },
	{ "a worker opens no UNIX socket", SANDBOX_WORKER, try_unix, EPERM },
};

static void system_calls_of_each_role(void **state)
{
	(void)state;
	if (SANITIZED) {
		print_message("no filter in a sanitized build\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		print_message("%s\n", attempts[i].name);
		role = attempts[i].role;
		attempt = attempts[i].attempt;
		assert_int_equal(in_child(enter_and_try), attempts[i].outcome);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_keeps_nothing),
		cmocka_unit_test(a_supervisor_keeps_three_capabilities),
		cmocka_unit_test(a_missing_user_names_the_remedy),
		cmocka_unit_test(system_calls_of_each_role),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
