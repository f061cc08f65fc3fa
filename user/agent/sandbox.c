/* SPDX-License-Identifier: BSD-2-Clause */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_OFF 1
#endif
#endif
#ifndef SANDBOX_OFF
#define SANDBOX_OFF 0
#endif

/* What both kinds of process do: memory, time, descriptors that they were given, one loop. */
static const char *const common_calls[] = { "brk",
					    "mmap",
					    "munmap",
					    "mprotect",
					    "mremap",
					    "madvise",
					    "membarrier",
					    "futex",
					    "rseq",
					    "set_robust_list",
					    "get_robust_list",
					    "sched_yield",
					    "sched_getaffinity",
					    "getcpu",
					    "read",
					    "readv",
					    "pread64",
					    "write",
					    "writev",
					    "pwrite64",
					    "lseek",
					    "close",
					    "close_range",
					    "dup",
					    "fstat",
					    "newfstatat",
					    "statx",
					    "epoll_create1",
					    "epoll_ctl",
					    "epoll_wait",
					    "epoll_pwait",
					    "epoll_pwait2",
					    "poll",
					    "ppoll",
					    "eventfd2",
					    "timerfd_create",
					    "timerfd_settime",
					    "clock_gettime",
					    "clock_getres",
					    "clock_nanosleep",
					    "nanosleep",
					    "gettimeofday",
					    "time",
					    "getrandom",
					    "getpid",
					    "getppid",
					    "gettid",
					    "getuid",
					    "geteuid",
					    "getgid",
					    "getegid",
					    "uname",
					    "sysinfo",
					    "rt_sigaction",
					    "rt_sigprocmask",
					    "rt_sigreturn",
					    "rt_sigtimedwait",
					    "sigaltstack",
					    "restart_syscall",
					    "exit",
					    "exit_group",
					    "sendmsg",
					    "sendto",
					    "sendmmsg",
					    "recvmsg",
					    "recvfrom",
					    "recvmmsg",
					    "accept4",
					    "accept",
					    "connect",
					    "shutdown",
					    "getsockopt",
					    "setsockopt",
					    "getsockname",
					    "getpeername" };

/* Files of state_dir and /sys, BPF, netlink, and threads that carry what may block. */
static const char *const supervisor_calls[] = { "bpf",
						"perf_event_open",
						"open",
						"openat",
						"openat2",
						"readlink",
						"readlinkat",
						"access",
						"faccessat",
						"faccessat2",
						"stat",
						"lstat",
						"statfs",
						"fstatfs",
						"getdents64",
						"getcwd",
						"mkdir",
						"mkdirat",
						"rmdir",
						"unlink",
						"unlinkat",
						"rename",
						"renameat",
						"renameat2",
						"link",
						"linkat",
						"chmod",
						"fchmod",
						"fchmodat",
						"fchown",
						"umask",
						"utimensat",
						"flock",
						"ftruncate",
						"fallocate",
						"fsync",
						"fdatasync",
						"fadvise64",
						"memfd_create",
						"prlimit64",
						"getrlimit",
						"setrlimit",
						"dup2",
						"dup3",
						"pipe2",
						"ioctl",
						"socket",
						"socketpair",
						"bind",
						"set_tid_address",
						"sched_setaffinity",
						"prctl",
						"capget",
						"preadv",
						"pwritev",
						"msync",
						"getresuid",
						"getresgid",
						"getgroups",
						"epoll_create",
						"mlock",
						"munlock" };

/* Nobody needs them, and whoever reaches a shell does. */
static const char *const deadly_calls[] = {
	"execve",	 "ptrace",	    "process_vm_readv", "process_vm_writev",
	"kexec_load",	 "kexec_file_load", "init_module",	"finit_module",
	"delete_module", "mount",	    "umount2",		"pivot_root",
	"chroot",	 "open_tree",	    "move_mount",	"fsopen",
	"fsmount",	 "keyctl",	    "add_key",		"request_key",
	"userfaultfd",	 "reboot",	    "swapon",		"iopl",
	"ioperm",	 "setns",	    "unshare"
};

static const char *const worker_deadly_calls[] = { "bpf", "bind", "listen", "fork", "vfork" };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define INT_BITS    0xffffffffU /* of an argument register: the kernel looks at no more */

/* Names that this architecture or libseccomp lacks resolve to nothing, and are refused anyway. */
static int add(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		int ret;

		if (nr == __NR_SCMP_ERROR)
			continue;
		ret = seccomp_rule_add(ctx, action, nr, 0);
		if (ret)
			return ret;
	}
	return 0;
}

/* Descriptor flags, locks (SQLite) and seals. */
static const int fcntl_commands[] = { F_DUPFD,	   F_DUPFD_CLOEXEC, F_GETFD,	 F_SETFD,
				      F_GETFL,	   F_SETFL,	    F_GETLK,	 F_SETLK,
				      F_SETLKW,	   F_OFD_GETLK,	    F_OFD_SETLK, F_OFD_SETLKW,
				      F_ADD_SEALS, F_GET_SEALS };

/*
 * Workers are of one user, so that each could end all others: by tgkill, and with the owner and the
 * signal of a descriptor (F_SETOWN, F_SETSIG) as well. abort(3) needs the first, for itself.
 */
static int add_without_signals(scmp_filter_ctx ctx)
{
	int ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)getpid()));

	for (size_t i = 0; i < COUNT(fcntl_commands) && !ret; i++)
		ret = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)fcntl_commands[i]));
	return ret;
}

/* A worker opens sockets to upstreams and nothing else: TCP over IPv4 or IPv6. */
static int add_worker_sockets(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int ret = 0;

	for (size_t i = 0; i < COUNT(families) && !ret; i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0),
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
	return ret;
}

/*
 * Threads and no processes: clone with CLONE_THREAD. The flags of clone3 are behind a pointer, where
 * a filter cannot look; ENOSYS makes libc take clone.
 */
static int add_threads(scmp_filter_ctx ctx)
{
	int ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	return ret ? ret : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Of one descriptor, and of that itself: not of a path below it. */
static int add_successor(scmp_filter_ctx ctx)
{
	int ret = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execveat), 1,
				   SCMP_A0(SCMP_CMP_NE, SANDBOX_EXEC_FD, 0));

	return ret ? ret
		   : seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execveat), 1,
				      SCMP_A4(SCMP_CMP_NE, AT_EMPTY_PATH, 0));
}

static int add_role(scmp_filter_ctx ctx, enum sandbox_role role)
{
	int ret = add(ctx, SCMP_ACT_KILL_PROCESS, deadly_calls, COUNT(deadly_calls));

	if (!ret && role == SANDBOX_MONITOR)
		return add_successor(ctx);
	if (!ret)
		ret = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execveat), 0);
	if (ret)
		return ret;
	ret = add(ctx, SCMP_ACT_ALLOW, common_calls, COUNT(common_calls));
	if (!ret)
		ret = add_without_signals(ctx);
	if (ret)
		return ret;
	if (role == SANDBOX_SUPERVISOR) {
		ret = add(ctx, SCMP_ACT_ALLOW, supervisor_calls, COUNT(supervisor_calls));
		return ret ? ret : add_threads(ctx);
	}
	ret = add(ctx, SCMP_ACT_KILL_PROCESS, worker_deadly_calls, COUNT(worker_deadly_calls));
	return ret ? ret : add_worker_sockets(ctx);
}

bool sandbox_is_off(void)
{
	return SANDBOX_OFF;
}

int sandbox_enter(enum sandbox_role role, struct errmsg *err)
{
	const bool open = role == SANDBOX_MONITOR;
	scmp_filter_ctx ctx;
	int ret;

	if (SANDBOX_OFF)
		return 0;
	ctx = seccomp_init(open ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return errmsg_set(err, -ENOMEM, "seccomp: out of memory");
	ret = add_role(ctx, role);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	if (ret)
		return errmsg_set(err, ret, "seccomp: the filter cannot be installed: %s",
				  strerror(-ret));
	return 0;
}
