/* SPDX-License-Identifier: BSD-2-Clause */
#include "supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/overload.h"
#include "sandbox.h"
#include "supervisor_state.h"

#define TICK_MS	       1000
#define AUDIT_STOP_MS  2000
#define STOP_MARGIN_MS 15000 /* for the end of workers and what storage still writes */
#define DRAIN_GRACE_MS 1000  /* for workers to end after they cut what was left */

struct loop *supervisor_loop(struct supervisor *s)
{
	return s->loop;
}

const struct conf *supervisor_conf(const struct supervisor *s)
{
	return s->revision->conf;
}

struct dataplane *supervisor_dataplane(struct supervisor *s, const char **why)
{
	if (why)
		*why = s->kernel.why.text;
	return s->kernel.dp;
}

const struct decap *supervisor_decap(const struct supervisor *s)
{
	return s->kernel.decap;
}

struct storage *supervisor_storage(struct supervisor *s)
{
	return s->storage;
}

uint64_t supervisor_revision(const struct supervisor *s)
{
	return s->revision->number;
}

uint64_t supervisor_started_ns(const struct supervisor *s)
{
	return s->started_ns;
}

bool supervisor_ready(const struct supervisor *s, const char **why)
{
	const char *reason = NULL;

	if (s->draining)
		reason = "draining";
	else if (!s->ready)
		reason = "starting";
	else if (!worker_set_current(&s->workers))
		reason = "no worker has the newest revision";
	if (why)
		*why = reason ? reason : "";
	return !reason;
}

_Static_assert(SUPERVISOR_WORKERS_MAX == MESSAGE_SLOTS_MAX, "a row a slot");

size_t supervisor_workers(const struct supervisor *s,
			  struct supervisor_worker ret[SUPERVISOR_WORKERS_MAX])
{
	return worker_set_list(&s->workers, ret, SUPERVISOR_WORKERS_MAX);
}

const char *supervisor_config_path(const struct supervisor *s)
{
	return s->config_path;
}

/* Over all workers, since the agent started. */
static bool has_counted(const struct supervisor *s, enum metric_counter c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->memory.n_pages; i++)
		sum += atomic_load_explicit(&s->memory.pages[i]->counter[c], memory_order_relaxed);
	return sum != 0;
}

size_t supervisor_warnings(const struct supervisor *s, const char **ret, size_t max)
{
	const struct conf *conf = s->revision->conf;
	size_t n = 0;

	if (n < max && !s->storage)
		ret[n++] = s->storage_why.text;
	if (n < max && s->pem_why.text[0])
		ret[n++] = s->pem_why.text;
	if (n < max && s->reload_why.text[0])
		ret[n++] = s->reload_why.text;
	if (n < max && s->audit_why.text[0])
		ret[n++] = s->audit_why.text;
	if (n < max && s->edits.skipped_why.text[0])
		ret[n++] = s->edits.skipped_why.text;
	if (n < max && s->health_why.text[0])
		ret[n++] = s->health_why.text;
	if (n < max && s->health_way_why.text[0])
		ret[n++] = s->health_way_why.text;
	if (n < max && s->kernel.acl && acl_job_warning(s->kernel.acl)[0])
		ret[n++] = acl_job_warning(s->kernel.acl);
	if (n < max && s->kernel.places_why.text[0])
		ret[n++] = s->kernel.places_why.text;
	if (n < max && !s->kernel.dp && conf->dataplane.enabled)
		ret[n++] = s->kernel.why.text;
	if (n < max && s->kernel.decap_why.text[0])
		ret[n++] = s->kernel.decap_why.text;
	if (n < max && decap_warning(s->kernel.decap)[0])
		ret[n++] = decap_warning(s->kernel.decap);
	if (n < max && conf->pushdown.mode == CONF_ENFORCE && !s->kernel.dp)
		ret[n++] = "pushdown.mode is enforce, and there is no kernel half to enforce it";
	if (n < max && worker_set_current(&s->workers) < s->workers.n)
		ret[n++] = "not every worker runs the newest revision";
	for (uint32_t i = 0; i < MESSAGE_SLOTS_MAX && n < max; i++) {
		if (!s->workers.info[i].pid || s->workers.info[i].overload < OVERLOAD_ACCEPT)
			continue;
		ret[n++] = "a worker has too much to do (OVERLOAD; overload.level in the log "
			   "says of what)";
		break;
	}
	if (n < max && has_counted(s, METRIC_LIMIT_OVERFLOW))
		ret[n++] = "consumers without a meter shared one: restart sluiced";
	if (n < max && has_counted(s, METRIC_ACCEPT_STOPS))
		ret[n++] = "a listener stopped (listener.stopped in the log): restart sluiced";
	return n;
}

size_t supervisor_metric_pages(const struct supervisor *s, struct metric_page *const **ret)
{
	*ret = s->memory.pages;
	return s->memory.n_pages;
}

const char *supervisor_route_name(const struct supervisor *s, uint32_t stat_id)
{
	return stat_id < s->routes.n ? s->routes.name[stat_id] : NULL;
}

const char *supervisor_cluster_name(const struct supervisor *s, uint32_t stat_id)
{
	return stat_id < s->clusters.n ? s->clusters.name[stat_id] : NULL;
}

uint64_t supervisor_rulings(const struct supervisor *s, enum judge_outcome outcome)
{
	return judge_outcomes(s->pushdown.judge, outcome);
}

int supervisor_counters_write(const struct supervisor *s, struct buf *out)
{
	return counters_write(s->memory.counters, s->started_s, out);
}

void supervisor_audit(struct supervisor *s, const struct supervisor_caller *who, json_t *what)
{
	CLEANUP_FREE char *text = json_dumps(what, JSON_COMPACT);
	char name[64];

	if (who && who->pid)
		snprintf(name, sizeof(name), "uid %u pid %d", (unsigned int)who->uid, who->pid);
	else
		snprintf(name, sizeof(name), "%s", who ? "signal" : "sluiced");
	if (s->writer && text) /* counts what it does not take */
		(void)storage_writer_audit(s->writer, clock_wall_ns(), name, text);
	else
		s->audit_unqueued++;
	if (who) /* what the agent does by itself has a line of its own */
		log_info("audit.record", LOG_STR("who", name), LOG_STR("what", text ? text : ""));
}

uint64_t supervisor_audit_lost(const struct supervisor *s)
{
	return s->audit_unqueued + (s->writer ? storage_writer_lost(s->writer, NULL) : 0);
}

/* A line a second at most, however many were lost: the thread that loses them cannot log. */
static void watch_audit(struct supervisor *s)
{
	const uint64_t lost = supervisor_audit_lost(s);
	const char *why = "there is no storage";
	int error = 0;

	if (lost == s->audit_lost_logged)
		return;
	if (s->writer && storage_writer_lost(s->writer, &error))
		why = strerror(-error);
	log_error("audit.lost", LOG_U64("records", lost - s->audit_lost_logged),
		  LOG_STR("error", why));
	s->audit_lost_logged = lost;
	errmsg_set(&s->audit_why, 0,
		   "%" PRIu64
		   " audit records were lost since the supervisor began: %s; they are in "
		   "the log",
		   lost, why);
}

int supervisor_can_detach(const struct supervisor *s, struct errmsg *err)
{
	return kernel_can_detach(&s->kernel, err);
}

int supervisor_detach(struct supervisor *s, struct errmsg *err)
{
	int ret = kernel_can_detach(&s->kernel, err);

	if (ret)
		return ret;
	/* the workers' meters stay mapped: note which are whose before the map that knows goes */
	slots_adopt(s->slots, s->revision);
	s->events_on = false;
	supervisor_health_stop(s);
	ret = kernel_detach(&s->kernel, err);
	log_info("dataplane.detached", LOG_STR("error", ret ? err->text : ""));
	return ret;
}

void supervisor_finish(struct supervisor *s)
{
	s->status = 0;
	loop_stop(s->loop);
}

static void on_drained(void *ctx)
{
	struct supervisor *s = ctx;

	if (worker_set_undrained(&s->workers) == 0)
		supervisor_finish(s);
}

/* First the delay is over, then the time for what was begun. */
static void on_drain_due(struct timer *t)
{
	struct supervisor *s = container_of(t, struct supervisor, drain);
	uint32_t left = worker_set_undrained(&s->workers);

	if (s->workers.draining || !left) {
		if (left)
			log_warn("drain.cut", LOG_U64("workers", left));
		supervisor_finish(s);
		return;
	}
	worker_set_drain(&s->workers);
	/* the monitor's duplicates would go on queueing connections that nobody accepts */
	supervisor_close_listeners(s, s->revision->conf, NULL);
	/* workers cut by themselves then, and say what */
	timer_start(s->loop, t, s->revision->conf->agent.drain_timeout_ms + DRAIN_GRACE_MS);
}

void supervisor_drain(struct supervisor *s)
{
	const struct conf_agent *c = &s->revision->conf->agent;
	struct monitor_request stopping = { 0 };
	int err;

	if (s->draining)
		return;
	s->draining = true; /* /readyz fails from here on, before anything else changes */
	log_info("drain.begin", LOG_U64("delay_ms", c->drain_delay_ms),
		 LOG_U64("timeout_ms", c->drain_timeout_ms));
	timer_start(s->loop, &s->drain, c->drain_delay_ms);
	/* systemd would kill a drain that is longer than its TimeoutStopSec= */
	stopping.ms = c->drain_delay_ms + c->drain_timeout_ms + STOP_MARGIN_MS;
	err = monitor_link_ask(&s->monitor, MONITOR_STOPPING, &stopping, -1, NULL, NULL);
	if (err)
		log_warn("drain.extend", LOG_STR("error", strerror(-err)));
}

static void on_refusals(uint32_t slot, struct worker_refusal *r, size_t n, void *ctx)
{
	pushdown_refusals(ctx, slot, r, n);
}

static void on_peers(uint32_t slot, const struct addr *peers, size_t n, void *ctx)
{
	supervisor_limit_peers(ctx, slot, peers, n);
}

static void on_tick(struct timer *t)
{
	struct supervisor *s = container_of(t, struct supervisor, tick);
	int ret;

	timer_start(s->loop, t, TICK_MS);
	watch_audit(s);
	supervisor_limit_tick(s);
	if (!s->draining)
		supervisor_watch_pems(s);
	if (!s->sweep_slots || worker_set_oldest(&s->workers) < s->sweep_slots)
		return;
	ret = slots_sweep(s->slots, s->kernel.dp, s->revision);
	if (ret < 0)
		log_warn("meters.sweep", LOG_STR("error", strerror(-ret)));
	s->sweep_slots = 0;
}

static void on_rotate(struct timer *t)
{
	struct supervisor *s = container_of(t, struct supervisor, rotate);
	struct errmsg err;

	timer_start(s->loop, t, TICKETS_ROTATE_MS);
	if (!s->draining &&
	    (tickets_rotate(&s->revision->tickets) || supervisor_publish(s, s->revision, &err)))
		log_error("tickets.rotate");
}

static void on_start_message(struct supervisor *s, const struct monitor_request *r, const int *fds,
			     size_t n)
{
	int *const to[] = { &s->control_fd, &s->internal_fd, &s->bpffs_fd };
	size_t used = 0;

	for (size_t i = 0; i < 3; i++) { /* in the order of enum monitor_start */
		if ((r->slots & (1U << i)) && used < n)
			*to[i] = fds[used++];
	}
	memcpy(s->bpffs_error, r->path, sizeof(s->bpffs_error));
	s->last_pid = r->pid;
	s->last_status = r->status;
	worker_set_begin_at(&s->workers, r->slot);
}

static void reload(struct supervisor *s)
{
	struct monitor_request ready = { 0 };

	supervisor_reload(s);
	(void)monitor_link_ask(&s->monitor, MONITOR_READY, &ready, -1, NULL, NULL);
}

static void on_monitor_message(struct monitor_link *l, uint32_t type,
			       const struct monitor_request *r, const int *fds, size_t n)
{
	struct supervisor *s = container_of(l, struct supervisor, monitor);

	switch (type) {
	case MONITOR_START:
		on_start_message(s, r, fds, n);
		return;
	case MONITOR_WORKER:
		if (n == 1) {
			worker_set_adopt(&s->workers, r->slot, r->pid, fds[0]);
			return;
		}
		break;
	case MONITOR_KEPT:
		if (n == 1)
			(void)kept_fds_put(&s->kept, r->path, fds[0]);
		break;
	case MONITOR_EXIT:
		worker_set_exited(&s->workers, r->slot, r->pid, r->status);
		break;
	case MONITOR_DRAIN:
		supervisor_drain(s);
		break;
	case MONITOR_RELOAD:
		reload(s);
		break;
	case MONITOR_CHECKED:
		supervisor_upgrade_checked(s, r);
		break;
	case 0: /* the monitor is gone, and with it the agent; the kernel half goes on */
		s->status = 1;
		loop_stop(s->loop);
		break;
	}
	while (n)
		close(fds[--n]);
}

static int open_loop(struct supervisor *s, int monitor_fd, struct errmsg *err)
{
	const struct worker_set_events events = { on_refusals, on_peers, on_drained, s };
	int ret = sandbox_enter(SANDBOX_SUPERVISOR, err);

	if (!ret)
		ret = loop_new(&s->loop);
	if (ret)
		return ret;
	s->tick.on_due = on_tick;
	s->rotate.on_due = on_rotate;
	s->drain.on_due = on_drain_due;
	timer_start(s->loop, &s->tick, TICK_MS);
	timer_start(s->loop, &s->rotate, TICKETS_ROTATE_MS);
	worker_set_init(&s->workers, s->loop, &s->monitor, &s->memory, &events);
	ret = monitor_link_open(&s->monitor, s->loop, monitor_fd, on_monitor_message);
	return ret ? ret : monitor_link_wait(&s->monitor, MONITOR_START);
}

static void close_storage(struct supervisor *s)
{
	size_t left = storage_writer_stop(s->writer, AUDIT_STOP_MS);

	if (left)
		log_error("audit.lost", LOG_U64("records", left),
			  LOG_STR("error", "the disk did not answer in time"));
	storage_close(s->storage);
}

int supervisor_run(int monitor_fd, const char *config_path, const struct supervisor_hooks *hooks)
{
	static struct supervisor supervisor = { .control_fd = -1,
						.internal_fd = -1,
						.bpffs_fd = -1 };
	struct supervisor *s = &supervisor;
	struct errmsg err = { "out of memory" };

	s->config_path = config_path;
	s->hooks = hooks;
	s->started_ns = clock_now_ns();
	s->started_s = clock_wall_ns() / NS_PER_S;
	log_open_fd("supervisor", STDOUT_FILENO);
	if (open_loop(s, monitor_fd, &err) || supervisor_start(s, &err)) {
		fprintf(stderr, "sluiced: %s\n", err.text);
		s->status = 1;
	} else {
		loop_run(s->loop);
		log_info("supervisor.stop", LOG_I64("status", s->status));
	}
	if (s->hooked && s->hooks->stop)
		s->hooks->stop(s);
	memory_save_presence(&s->memory);
	supervisor_health_stop(s);
	kernel_close(&s->kernel);
	close_storage(s);
	log_pump_stop(s->pump);
	return s->status;
}
