/* SPDX-License-Identifier: BSD-2-Clause */
/* The filters from within: a process enters one and tries what a taken-over one would. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sandbox.h"

static pid_t victim;

static int signal_self(void)
{
	return (int)syscall(SYS_tgkill, getpid(), gettid(), 0);
}

static int signal_other_thread_group(void)
{
	return (int)syscall(SYS_tgkill, victim, victim, 0);
}

static int signal_other(void)
{
	return kill(victim, 0);
}

static int own_by_other(void)
{
	return fcntl(STDIN_FILENO, F_SETOWN, victim);
}

static int choose_signal(void)
{
	return fcntl(STDIN_FILENO, F_SETSIG, SIGKILL);
}

static int set_nonblocking(void)
{
	return fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL));
}

static int duplicate(void)
{
	return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) < 0 ? -1 : 0;
}

static const struct {
	const char *name;
	int (*call)(void);
	int want; /* errno */
} tries[] = {
	{ "a signal to itself, as abort(3) sends it", signal_self, 0 },
	{ "a signal to another process by tgkill", signal_other_thread_group, EPERM },
	{ "a signal to another process by kill", signal_other, EPERM },
	{ "another process as owner of a descriptor's signals", own_by_other, EPERM },
	{ "which signal a descriptor sends", choose_signal, EPERM },
	{ "descriptor flags", set_nonblocking, 0 },
	{ "a duplicate", duplicate, 0 },
};

/* In a child, since a filter stays: the errno of the call, or 255 when there is no filter. */
static int try_call(enum sandbox_role role, int (*call)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct errmsg err;

		errno = 0;
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || sandbox_enter(role, &err))
			_exit(255);
		_exit(call() ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void signals_go_to_oneself_only(void **state)
{
	static const enum sandbox_role roles[] = { SANDBOX_SUPERVISOR, SANDBOX_WORKER };

	(void)state;
	if (sandbox_is_off()) {
		print_message("no filter in a sanitized build\n");
		skip();
	}
	victim = getpid();
	for (size_t r = 0; r < 2; r++) {
		for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
			print_message("role %d: %s\n", (int)roles[r], tries[i].name);
			assert_int_equal(try_call(roles[r], tries[i].call), tries[i].want);
		}
	}
}

static int execute(int fd, const char *path, long flags)
{
	static char *const args[] = { "true", NULL };

	return (int)syscall(SYS_execveat, (long)fd, path, args, NULL, flags);
}

static int execute_successor(void)
{
	return execute(SANDBOX_EXEC_FD, "", AT_EMPTY_PATH);
}

static int execute_another(void)
{
	return execute(SANDBOX_EXEC_FD + 1, "", AT_EMPTY_PATH);
}

static int execute_below_it(void)
{
	return execute(SANDBOX_EXEC_FD, "/bin/true", 0);
}

static int execute_path(void)
{
	return (int)syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static const struct {
	const char *name;
	enum sandbox_role role;
	int (*call)(void);
	bool lives;
} executions[] = {
	{ "the monitor its successor", SANDBOX_MONITOR, execute_successor, true },
	{ "the monitor another descriptor", SANDBOX_MONITOR, execute_another, false },
	{ "the monitor a path", SANDBOX_MONITOR, execute_path, false },
	{ "the monitor a path below the descriptor", SANDBOX_MONITOR, execute_below_it, false },
	{ "the supervisor that descriptor", SANDBOX_SUPERVISOR, execute_successor, false },
	{ "a worker that descriptor", SANDBOX_WORKER, execute_successor, false },
};

static void only_a_monitor_executes_and_only_its_successor(void **state)
{
	int program = open("/bin/true", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(program >= 0);
	assert_int_equal(dup2(program, SANDBOX_EXEC_FD), SANDBOX_EXEC_FD);
	assert_int_equal(dup2(program, SANDBOX_EXEC_FD + 1), SANDBOX_EXEC_FD + 1);
	if (sandbox_is_off()) {
		print_message("no filter in a sanitized build\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(executions) / sizeof(executions[0]); i++) {
		struct errmsg err;
		int status;
		pid_t pid = fork();

		print_message("%s\n", executions[i].name);
		assert_true(pid >= 0);
		if (pid == 0) {
			if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
			    sandbox_enter(executions[i].role, &err))
				_exit(255);
			_exit(executions[i].call() ? 254 : 253);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WIFEXITED(status), executions[i].lives);
		if (executions[i].lives)
			assert_int_equal(WEXITSTATUS(status), 0);
		else
			assert_int_equal(WTERMSIG(status), SIGSYS);
	}
	close(program);
	close(SANDBOX_EXEC_FD);
	close(SANDBOX_EXEC_FD + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_go_to_oneself_only),
		cmocka_unit_test(only_a_monitor_executes_and_only_its_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
