/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash_lab.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The kernel stops the child at these, and tells which. */
static int filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_renameat, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_OBJ_PIN, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_UPDATE, 3, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | CRASH_RENAME),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | CRASH_PIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | CRASH_LINK_UPDATE),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void child(void (*fn)(void *ctx), void *ctx)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP) || filter())
		_exit(2);
	fn(ctx);
	_exit(0);
}

static bool renames(pid_t pid, const char *pin)
{
	struct user_regs_struct regs;
	char text[64] = "";
	struct iovec here = { text, sizeof(text) - 1 }, there = { NULL, sizeof(text) - 1 };

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
	there.iov_base = (void *)(uintptr_t)regs.rsi;
	return process_vm_readv(pid, &here, 1, &there, 1, 0) > 0 && strcmp(text, pin) == 0;
}

/* Is it there? n counts what it did of the kind. */
static bool is_there(pid_t pid, const struct crash *c, int *n)
{
	unsigned long what;

	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &what), 0);
	if (what != (unsigned long)c->at)
		return false;
	return c->at == CRASH_RENAME ? renames(pid, c->pin) : ++*n == c->nth;
}

bool crash_lab_run(const struct crash *c, void (*fn)(void *ctx), void *ctx)
{
	int status, n = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		child(fn, ctx);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL), 0);
	for (;;) {
		assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			break;
		if (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) || !is_there(pid, c, &n))
			continue;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		return true;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}
