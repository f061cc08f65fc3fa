/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "gateway/gateway.h"
#include "net/ipc.h"
#include "peers.h"
#include "refusals.h"
#include "revision.h"
#include "sandbox.h"
#include "worker_sockets.h"

#define STATE_INTERVAL_MS    1000
#define WORKER_STATUS_MEMORY 3

static struct worker {
	uint32_t slot;
	struct loop *loop;
	struct watch monitor;
	struct watch supervisor; /* fd -1: none at present */
	struct timer state;
	struct gateway *gateway; /* NULL until memory came */
	uint64_t descriptors;	 /* RLIMIT_NOFILE; the filter lets nobody ask later */
	struct refusals refusals;
	struct peers peers;
	struct worker_sockets sockets;
	bool draining;
	int status;
} worker = { .supervisor.fd = -1 };

static void say(uint32_t type, int status, uint64_t revision, const char *text)
{
	struct worker_state s = {
		.slot = worker.slot,
		.pid = getpid(),
		.revision = revision,
		.status = status,
		.format = MESSAGE_FORMAT,
	};

	if (worker.supervisor.fd < 0)
		return;
	if (worker.gateway) {
		s.oldest_revision = gateway_oldest_revision(worker.gateway);
		s.connections = gateway_connections(worker.gateway);
		s.overload = gateway_overload(worker.gateway);
	}
	snprintf(s.text, sizeof(s.text), "%s", text);
	(void)ipc_send(worker.supervisor.fd, type, &s, sizeof(s), NULL, 0);
}

static uint64_t revision_now(void)
{
	return worker.gateway ? gateway_revision(worker.gateway) : 0;
}

static void on_state_due(struct timer *t)
{
	say(WORKER_STATE, 0, revision_now(), "");
	timer_start(worker.loop, t, STATE_INTERVAL_MS);
}

static int send_refusals(const struct worker_refusal *r, size_t n, void *ctx)
{
	(void)ctx;
	if (worker.supervisor.fd < 0)
		return -ENOTCONN;
	return ipc_send(worker.supervisor.fd, WORKER_REFUSALS, r, n * sizeof(*r), NULL, 0);
}

static void on_refusal(const struct gateway_refusal *r, void *ctx)
{
	(void)ctx;
	refusals_add(&worker.refusals, &r->source, r->consumer, r->reason);
}

static int send_peers(const struct addr *peers, size_t n, void *ctx)
{
	(void)ctx;
	if (worker.supervisor.fd < 0)
		return -ENOTCONN;
	return ipc_send(worker.supervisor.fd, WORKER_PEERS, peers, n * sizeof(*peers), NULL, 0);
}

static void on_peer(const struct addr *peer, void *ctx)
{
	(void)ctx;
	peers_add(&worker.peers, peer, (uint32_t)(clock_now_ns() / NS_PER_S));
}

static void *map(int fd, uint64_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static int take_memory(const struct ipc_msg *msg)
{
	struct worker_memory sizes;
	struct gateway_env env = { .loop = worker.loop,
				   .on_refusal = on_refusal,
				   .on_peer = on_peer,
				   .descriptors = worker.descriptors };
	struct presence_region *presence;
	struct metric_page *page;
	struct ring *ring;
	void *ring_mem;
	char role[32];

	if (msg->len != sizeof(sizes) || msg->nfds != 4)
		return -EPROTO;
	memcpy(&sizes, msg->payload, sizeof(sizes));
	if (sizes.presence_bytes != sizeof(*presence))
		return -EPROTO;
	env.meters = map(msg->fds[0], sizes.meters_bytes);
	presence = map(msg->fds[1], sizes.presence_bytes);
	page = map(msg->fds[2], sizes.metric_bytes);
	ring_mem = map(msg->fds[3], sizes.ring_bytes);
	if (!env.meters || !presence || !page || !ring_mem ||
	    ring_attach(ring_mem, sizes.ring_bytes, &ring))
		return -ENOMEM;
	env.n_meters = (uint32_t)(sizes.meters_bytes / sizeof(uint64_t));
	env.presence = presence; /* its own region, and none but it */
	metric_use(page);
	snprintf(role, sizeof(role), "worker-%u", worker.slot % MESSAGE_WORKERS_MAX);
	log_open_ring(role, ring);
	return gateway_new(&env, &worker.gateway);
}

static int apply(struct revision *r, struct errmsg *err)
{
	struct gateway_revision g = {
		.number = r->number,
		.conf = r->conf,
		.pairs = (const struct tls_pair *const *)r->pairs,
		.authorities = r->authorities,
		.tickets = &r->tickets,
		.cluster_authorities = (const struct tls_pair *const *)r->cluster_authorities,
		.cluster_pairs = (const struct tls_pair *const *)r->cluster_pairs,
		.route_stat_ids = r->route_stat_ids,
		.cluster_stat_ids = r->cluster_stat_ids,
		.consumer_ids = r->consumer_ids,
		.meter_slots = r->meter_slots,
	};
	CLEANUP_FREE int *fds = NULL;
	enum log_level level;
	int ret = worker_sockets_pick(&worker.sockets, r->conf, !worker.draining, &fds, err);

	if (ret)
		return ret;
	g.listen_fds = fds;
	if (log_level_parse(r->conf->agent.log_level, &level) == 0)
		log_set_level(level);
	ret = gateway_apply(worker.gateway, &g, err);
	if (ret) {
		worker_sockets_give_up(&worker.sockets);
		return ret;
	}
	worker_sockets_applied(&worker.sockets, r->conf);
	r->conf = NULL; /* the gateway's now */
	return 0;
}

static int take_revision(struct ipc_msg *msg, uint64_t *ret_number, struct errmsg *err)
{
	struct revision *r;
	char *data;
	size_t len;
	int ret;

	if (msg->nfds != 1 || msg->len != sizeof(*ret_number) || !worker.gateway)
		return errmsg_set(err, -EPROTO, "a revision without its text, or before memory");
	memcpy(ret_number, msg->payload, sizeof(*ret_number));
	ret = ipc_blob_read(msg->fds[0], REVISION_MAX_BYTES, &data, &len);
	if (ret)
		return errmsg_set(err, ret, "cannot read the revision: %s", strerror(-ret));
	ret = revision_decode(data, len, &r, err);
	if (ret) {
		explicit_bzero(data, len);
		free(data);
		return ret;
	}
	ret = apply(r, err);
	revision_free(r);
	return ret;
}

static void on_drained(void *ctx)
{
	(void)ctx;
	say(WORKER_DRAINED, 0, revision_now(), "");
	loop_stop(worker.loop);
}

static void on_supervisor_message(struct ipc_msg *msg)
{
	struct errmsg err = { "" };
	uint64_t number = 0;
	int ret;

	switch (msg->type) {
	case WORKER_MEMORY:
		if (worker.gateway)
			break; /* told twice by a supervisor that was replaced in between */
		if (take_memory(msg)) {
			worker.status = WORKER_STATUS_MEMORY; /* it has no log to say it in */
			loop_stop(worker.loop);
		}
		break;
	case WORKER_SOCKETS:
		worker_sockets_take(&worker.sockets, msg);
		break;
	case WORKER_REVISION:
		ret = take_revision(msg, &number, &err);
		worker_sockets_give_up(&worker.sockets);
		say(WORKER_APPLIED, ret, number, err.text);
		break;
	case WORKER_RETIRE:
		if (worker.draining)
			break;
		worker.draining = true;
		if (worker.gateway)
			gateway_retire(worker.gateway, on_drained, NULL);
		else
			on_drained(NULL);
		break;
	case WORKER_DRAIN: /* also of one that is retiring: the agent stops */
		worker.draining = true;
		if (worker.gateway)
			gateway_drain(worker.gateway, on_drained, NULL);
		else
			on_drained(NULL);
		break;
	}
}

static void drop_supervisor(void)
{
	if (worker.supervisor.fd < 0)
		return;
	loop_del(worker.loop, &worker.supervisor);
	close(worker.supervisor.fd);
	worker.supervisor.fd = -1;
}

static void on_supervisor_event(struct watch *w, uint32_t events)
{
	struct ipc_msg msg;
	int ret;

	(void)events;
	while (w->fd >= 0 && (ret = ipc_recv(w->fd, &msg)) != -EAGAIN) {
		if (ret != 1) {
			drop_supervisor(); /* the last snapshot goes on until the next one */
			return;
		}
		on_supervisor_message(&msg);
		ipc_msg_clear(&msg);
	}
}

static void take_supervisor(struct ipc_msg *msg)
{
	if (msg->nfds != 1)
		return;
	drop_supervisor();
	worker.supervisor.fd = msg->fds[0];
	msg->nfds = 0;
	if (loop_add(worker.loop, &worker.supervisor)) {
		close(worker.supervisor.fd);
		worker.supervisor.fd = -1;
		return;
	}
	say(WORKER_HELLO, 0, revision_now(), "");
}

static void on_monitor_event(struct watch *w, uint32_t events)
{
	struct ipc_msg msg;
	int ret;

	(void)events;
	while ((ret = ipc_recv(w->fd, &msg)) == 1) {
		if (msg.type == MONITOR_SUPERVISOR)
			take_supervisor(&msg);
		ipc_msg_clear(&msg);
	}
	if (ret == -EAGAIN)
		return;
	worker.status = 1; /* without a monitor there is no agent */
	loop_stop(worker.loop);
}

/* The slot-th of the CPUs that the agent may use, round and round. */
static void pin(uint32_t slot)
{
	cpu_set_t all, one;
	int n;

	if (sched_getaffinity(0, sizeof(all), &all) || (n = CPU_COUNT(&all)) < 1)
		return;
	n = (int)(slot % (uint32_t)n);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || n-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		(void)sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/*
 * Standard output is the supervisor's log, and what is written there is believed: a worker has its
 * ring for that. A sanitizer's report of a crash has to come out, so there stderr stays.
 */
static int close_output(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    (!sandbox_is_off() && dup2(fd, STDERR_FILENO) < 0)) {
		close(fd);
		return -errno;
	}
	close(fd);
	return 0;
}

static int start(uint32_t slot, int monitor_fd, struct errmsg *err)
{
	struct rlimit files;
	int ret;

	worker.descriptors = getrlimit(RLIMIT_NOFILE, &files) ? 0 : files.rlim_cur;
	pin(slot % MESSAGE_WORKERS_MAX);
	/* reads openssl.cnf, which the filter would not let it */
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, NULL);
	ret = close_output();
	if (!ret)
		ret = sandbox_enter(SANDBOX_WORKER, err);
	if (!ret)
		ret = loop_new(&worker.loop);
	if (!ret)
		ret = peers_init(&worker.peers, worker.loop, send_peers, NULL);
	if (ret)
		return ret;
	worker.slot = slot;
	worker.state.on_due = on_state_due;
	worker.supervisor.on_event = on_supervisor_event;
	worker.monitor.fd = monitor_fd;
	worker.monitor.on_event = on_monitor_event;
	refusals_init(&worker.refusals, worker.loop, send_refusals, NULL);
	timer_start(worker.loop, &worker.state, STATE_INTERVAL_MS);
	return loop_add(worker.loop, &worker.monitor);
}

int worker_run(uint32_t slot, int monitor_fd)
{
	struct errmsg err = { "cannot start its loop" };

	if (start(slot, monitor_fd, &err)) {
		fprintf(stderr, "sluiced: worker %u: %s\n", slot, err.text);
		return 1;
	}
	loop_run(worker.loop);
	return worker.status;
}
