/* SPDX-License-Identifier: BSD-2-Clause */
#include "monitor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/host_files.h"
#include "agent/libxdp_child.h"
#include "agent/sandbox.h"
#include "agent/upgrade.h"
#include "agent/worker.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "event/signals.h"
#include "net/ipc.h"
#include "net/notify.h"

#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	10000
#define SEND_TIMEOUT_MS 1000

static struct monitor {
	const struct monitor_settings *set;
	struct privilege_account agent, worker_account;
	struct loop *loop;
	struct signals signals;
	struct watch link; /* to the supervisor; fd -1: none */
	struct timer restart;
	uint64_t started_ns, backoff_ms; /* of the supervisor */
	pid_t supervisor, last;		 /* the last one is told of to its successor */
	int last_status;
	struct handover held; /* all that outlives this program */
	struct upgrade upgrade;
	struct host_files_pems pems;
	struct errmsg bpffs_error;
	bool ready, stopping;
	int status;
} monitor = { .link.fd = -1,
	      .held = { .control_fd = -1, .internal_fd = -1, .bpffs_fd = -1, .config_fd = -1 } };

/* It waits for a child that is slow to read, as one that adopts much is, but not for ever. */
static int tell(int to, uint32_t type, const struct monitor_request *r, const int *fds, size_t n)
{
	struct pollfd p = { .fd = to, .events = POLLOUT };
	int ret = ipc_send(to, type, r, sizeof(*r), fds, n);

	if (ret == -EAGAIN && poll(&p, 1, SEND_TIMEOUT_MS) == 1)
		ret = ipc_send(to, type, r, sizeof(*r), fds, n);
	return ret;
}

/* Connect a living worker and the supervisor with each other. */
static int introduce(uint32_t slot)
{
	const struct monitor_request r = { .slot = slot, .pid = monitor.held.worker[slot].pid };
	int pair[2];

	if (ipc_pair(pair))
		return -errno;
	tell(monitor.held.worker[slot].fd, MONITOR_SUPERVISOR, &r, &pair[1], 1);
	tell(monitor.link.fd, MONITOR_WORKER, &r, &pair[0], 1);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static int spawn_worker(uint32_t slot)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (slot >= MESSAGE_SLOTS_MAX || monitor.held.worker[slot].pid || ipc_pair(pair))
		return -EINVAL;
	pid = fork();
	if (pid == 0)
		_exit(worker_run(slot, privilege_child(pair[1], &monitor.worker_account,
						       PRIVILEGE_NONE, parent)));
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	monitor.held.worker[slot].pid = pid;
	monitor.held.worker[slot].fd = pair[0];
	return introduce(slot);
}

/* One request of the supervisor, and its answer. */
static void serve(const struct ipc_msg *msg)
{
	struct monitor_request r;
	struct errmsg err = { "" };
	int fds[IPC_FDS_MAX];
	CLEANUP_FD int own = -1;
	size_t n = 0;

	if (msg->len != sizeof(r))
		return;
	memcpy(&r, msg->payload, sizeof(r));
	r.path[sizeof(r.path) - 1] = '\0';
	r.status = -EINVAL;
	switch (msg->type) {
	case MONITOR_OPEN_CONFIG:
		r.status = own = host_files_open_config(monitor.set->config_path, &err);
		break;
	case MONITOR_OPEN_PEM:
		r.status = own = host_files_open_pem(r.path, &monitor.pems, &err);
		break;
	case MONITOR_LISTEN:
		r.status = listen_group_open(&monitor.held.groups, &r, fds, &n);
		break;
	case MONITOR_UNLISTEN:
		listen_group_close(&monitor.held.groups, &r);
		r.status = 0;
		break;
	case MONITOR_SPAWN:
		r.status = spawn_worker(r.slot);
		break;
	case MONITOR_KILL:
		if (r.slot < MESSAGE_SLOTS_MAX && r.pid > 0 &&
		    monitor.held.worker[r.slot].pid == r.pid)
			r.status = kill(r.pid, SIGKILL);
		break;
	case MONITOR_READY:
		monitor.ready = true;
		r.status = notify_send("READY=1\n");
		break;
	case MONITOR_STOPPING:
		r.status = notify_stopping(r.ms);
		break;
	case MONITOR_LIBXDP:
		r.status = libxdp_child_run(monitor.held.bpffs_fd, &r.libxdp, &err);
		break;
	case MONITOR_UPGRADE:
		r.status =
			upgrade_check(&monitor.upgrade, monitor.loop, &monitor.held, r.slots, &err);
		break;
	case MONITOR_KEEP:
		r.status = kept_fds_put(&monitor.held.kept, r.path, msg->nfds ? msg->fds[0] : -1);
		break;
	}
	if (own >= 0)
		fds[n++] = own;
	r.status = r.status > 0 ? 0 : r.status;
	memcpy(r.path, err.text, sizeof(r.path));
	tell(monitor.link.fd, msg->type, &r, fds, n);
}

static void drop_link(void)
{
	if (monitor.link.fd >= 0) {
		loop_del(monitor.loop, &monitor.link);
		close(monitor.link.fd);
	}
	monitor.link.fd = -1;
}

static void on_link(struct watch *w, uint32_t events)
{
	struct ipc_msg msg;
	int ret;

	(void)events;
	while (w->fd >= 0 && (ret = ipc_recv(w->fd, &msg)) != -EAGAIN) {
		if (ret != 1) { /* it is gone, or speaks nonsense: SIGCHLD brings the next */
			if (monitor.supervisor)
				kill(monitor.supervisor, SIGKILL);
			drop_link();
			return;
		}
		serve(&msg);
		ipc_msg_clear(&msg);
	}
}

/* Tell a new supervisor what there is. */
static void tell_all(void)
{
	const int own[] = { monitor.held.control_fd, monitor.held.internal_fd,
			    monitor.held.bpffs_fd };
	struct monitor_request r = { .pid = monitor.last,
				     .status = monitor.last_status,
				     .slot = monitor.held.base };
	int fds[3];
	size_t n = 0;

	for (size_t i = 0; i < monitor.held.kept.n; i++) {
		memcpy(r.path, monitor.held.kept.row[i].name,
		       sizeof(monitor.held.kept.row[i].name));
		tell(monitor.link.fd, MONITOR_KEPT, &r, &monitor.held.kept.row[i].fd, 1);
	}
	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++)
		if (monitor.held.worker[slot].pid)
			introduce(slot);
	memcpy(r.path, monitor.bpffs_error.text, sizeof(r.path));
	for (size_t i = 0; i < 3; i++) { /* in the order of enum monitor_start */
		if (own[i] < 0)
			continue;
		r.slots |= (uint16_t)(1U << i);
		fds[n++] = own[i];
	}
	tell(monitor.link.fd, MONITOR_START, &r, fds, n);
}

static void start_supervisor(struct timer *t)
{
	int pair[2] = { -1, -1 };
	pid_t parent = getpid();

	monitor.supervisor = ipc_pair(pair) ? -1 : fork();
	if (monitor.supervisor == 0)
		_exit(supervisor_run(
			privilege_child(pair[1], &monitor.agent, PRIVILEGE_KERNEL, parent),
			monitor.set->config_path, monitor.set->hooks));
	close(pair[1]);
	if (monitor.supervisor < 0) {
		close(pair[0]);
		monitor.supervisor = 0;
		timer_start(monitor.loop, t, BACKOFF_MAX_MS);
		return;
	}
	monitor.link.fd = pair[0];
	monitor.link.on_event = on_link;
	loop_add(monitor.loop, &monitor.link);
	monitor.started_ns = loop_now_ns(monitor.loop);
	tell_all();
}

static void on_supervisor_exit(int status)
{
	monitor.last = monitor.supervisor;
	monitor.last_status = status;
	monitor.supervisor = 0;
	drop_link();
	if (monitor.upgrade.passed && !monitor.stopping) {
		upgrade_exec(&monitor.upgrade, &monitor.held);
		start_supervisor(&monitor.restart);
		return;
	}
	/* before it was ready, and while draining, its end is the agent's */
	if (!monitor.ready || monitor.stopping) {
		monitor.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		loop_stop(monitor.loop);
		return;
	}
	if (loop_now_ns(monitor.loop) - monitor.started_ns > 2 * BACKOFF_MAX_MS * NS_PER_MS)
		monitor.backoff_ms = 0;
	monitor.backoff_ms =
		monitor.backoff_ms ? MIN(monitor.backoff_ms * 2, BACKOFF_MAX_MS) : BACKOFF_MIN_MS;
	timer_start(monitor.loop, &monitor.restart, monitor.backoff_ms);
}

static void reap(void)
{
	struct monitor_request r;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == monitor.supervisor) {
			on_supervisor_exit(status);
			continue;
		}
		if (upgrade_checked(&monitor.upgrade, &monitor.held, pid, status, &r)) {
			tell(monitor.link.fd, MONITOR_CHECKED, &r, NULL, 0);
			continue;
		}
		for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++) {
			r = (struct monitor_request) { .slot = slot, .pid = pid, .status = status };

			if (monitor.held.worker[slot].pid != pid)
				continue;
			close(monitor.held.worker[slot].fd);
			monitor.held.worker[slot].pid = 0;
			tell(monitor.link.fd, MONITOR_EXIT, &r, NULL, 0);
		}
	}
}

static void on_signal(struct signals *s, int signo)
{
	const struct monitor_request r = { 0 };

	(void)s;
	if (signo == SIGCHLD) {
		reap();
	} else if (signo == SIGHUP) {
		if (monitor.ready && !monitor.stopping && monitor.link.fd >= 0) {
			notify_reloading();
			tell(monitor.link.fd, MONITOR_RELOAD, &r, NULL, 0);
		}
	} else if (monitor.stopping || !monitor.ready || monitor.link.fd < 0) {
		loop_stop(monitor.loop); /* asked twice, or there is nobody who could drain */
	} else {
		monitor.stopping = true;
		notify_send("STOPPING=1\n");
		tell(monitor.link.fd, MONITOR_DRAIN, &r, NULL, 0);
	}
}

static int open_places(const struct conf *conf, struct errmsg *err)
{
	const struct conf_agent *c = &conf->agent;
	struct handover *h = &monitor.held;
	int ret;

	handover_name(h, c);
	if ((ret = host_files_state_dir(c->state_dir, &monitor.agent, err)) ||
	    (ret = h->control_fd =
		     host_files_control_socket(c->control_socket, c->control_group, err)) < 0 ||
	    (ret = h->internal_fd = listen_group_internal(&h->groups, &c->internal_address,
							  c->internal_port, err)) < -1)
		return ret;
	return host_files_bpffs_dir(conf, &monitor.agent, &h->bpffs_fd, &monitor.bpffs_error, err);
}

/* In place of a program that ran: its workers are the other half from here. The filter is on. */
static int take_over(const struct handover *held)
{
	monitor.held = *held;
	monitor.held.base ^= MESSAGE_WORKERS_MAX;
	close(take_fd(&monitor.held.config_fd));
	monitor.ready = true; /* a supervisor that does not start ends nobody's connections */
	return 0;
}

/* All that needs root before the filter is entered. */
static int prepare(const struct monitor_settings *set, struct errmsg *err)
{
	const struct conf_agent *c = &set->conf->agent;
	int ret;

	if ((ret = upgrade_open(&monitor.upgrade, set->config_path)) ||
	    (ret = privilege_account(c->user, &monitor.agent, err)) ||
	    (ret = privilege_account(c->worker_user, &monitor.worker_account, err)) ||
	    (ret = set->held ? take_over(set->held) : open_places(set->conf, err)))
		return ret;
	monitor.held.groups.bounds = set->conf;
	privilege_raise_limits();
	ret = privilege_harden();
	return ret || set->held ? ret : sandbox_enter(SANDBOX_MONITOR, err);
}

static void kill_all(void)
{
	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++)
		if (monitor.held.worker[slot].pid)
			kill(monitor.held.worker[slot].pid, SIGKILL);
	if (monitor.supervisor)
		kill(monitor.supervisor, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int monitor_run(const struct monitor_settings *settings)
{
	struct errmsg err = { "cannot start" };
	sigset_t set;

	monitor.set = settings;
	monitor.pems = (struct host_files_pems) { &settings->conf->agent, settings->config_path,
						  &monitor.agent };
	monitor.restart.on_due = start_supervisor;
	sigemptyset(&set);
	for (const int *s = (int[]) { SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 }; *s; s++)
		sigaddset(&set, *s);
	if (prepare(settings, &err) || loop_new(&monitor.loop) ||
	    signals_open(&monitor.signals, monitor.loop, &set, on_signal)) {
		fprintf(stderr, "sluiced: %s\n", err.text);
		monitor.status = 1;
	} else {
		start_supervisor(&monitor.restart);
		loop_run(monitor.loop);
		kill_all();
	}
	if (monitor.held.control_fd >= 0)
		unlink(settings->conf->agent.control_socket);
	return monitor.status;
}
