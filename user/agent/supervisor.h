/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor: owner of the running configuration, the maps, the workers' revisions and the
 * judgement over verdicts. control/ calls what is here; everything runs on one loop.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/errmsg.h"
#include "../base/metric.h"
#include "../conf/conf.h"
#include "../dataplane/dataplane.h"
#include "../event/loop.h"
#include "../health/health.h"
#include "../storage/storage.h"
#include "acl_job.h"
#include "judge.h"

struct supervisor;

/* Who asks for a change: for the audit record. */
struct supervisor_caller {
	uid_t uid;
	pid_t pid;
};

struct supervisor_worker {
	uint32_t slot;
	pid_t pid;	   /* 0: being replaced */
	uint64_t revision; /* acknowledged */
	uint32_t connections;
	uint32_t restarts;
	uint32_t overload; /* what it gives up: an enum overload_level */
	bool leaving; /* of the program before an upgrade: it serves its connections to the end */
};

#define SUPERVISOR_WORKERS_MAX 128

struct loop *supervisor_loop(struct supervisor *s);
const struct conf *supervisor_conf(const struct supervisor *s);
/* NULL: no kernel half; why says why ("" when it is just not configured). */
struct dataplane *supervisor_dataplane(struct supervisor *s, const char **why);
/* NULL: nothing is taken out of outer headers here. */
const struct decap *supervisor_decap(const struct supervisor *s);
/* By places in supervisor_conf; NULL: nothing is probed. */
const struct health *supervisor_health(const struct supervisor *s);
/* Files of authorities that conf names and that cannot be used; also for sluiced --check. */
void supervisor_health_check(const struct conf *conf, struct conf_errors *errors);
struct storage *supervisor_storage(struct supervisor *s); /* NULL: state_dir unusable */
uint64_t supervisor_revision(const struct supervisor *s);
uint64_t supervisor_started_ns(const struct supervisor *s);
bool supervisor_ready(const struct supervisor *s, const char **why);
/* Those that leave come last. */
size_t supervisor_workers(const struct supervisor *s,
			  struct supervisor_worker ret[SUPERVISOR_WORKERS_MAX]);
const char *supervisor_config_path(const struct supervisor *s);
size_t supervisor_warnings(const struct supervisor *s, const char **ret, size_t max);
/* Pages of all workers, for metrics; n pages. */
size_t supervisor_metric_pages(const struct supervisor *s, struct metric_page *const **ret);
/* Names of stat ids, by id; NULL where unused. */
const char *supervisor_route_name(const struct supervisor *s, uint32_t stat_id);
const char *supervisor_cluster_name(const struct supervisor *s, uint32_t stat_id);

/*
 * Check, diff and apply a whole configuration text in place of the running one; edits by operators
 * that are stored are applied on top, or forgotten when replace is set. *diff (may be NULL) gets the
 * lines of conf_diff. dry_run: check and diff only.
 * 0, or -EINVAL with *errors, or negative errno with *err. A failed check changes nothing.
 */
int supervisor_apply(struct supervisor *s, const char *text, size_t len, bool replace, bool dry_run,
		     const struct supervisor_caller *who, struct buf *diff,
		     struct conf_errors *errors, struct errmsg *err);
/* One edit, in the form of conf_edit: stored and applied. */
int supervisor_edit(struct supervisor *s, json_t *edit, bool dry_run,
		    const struct supervisor_caller *who, struct buf *diff,
		    struct conf_errors *errors, struct errmsg *err);
/* acl_job_import; -ENODEV: no kernel half. */
int supervisor_acl_import(struct supervisor *s, const struct acl_import *import, bool dry_run,
			  acl_job_done *done, void *ctx);
void supervisor_acl_forget(struct supervisor *s, void *ctx);
size_t supervisor_acl_imported(const struct supervisor *s);

/* How many pushes were decided so, since this process began: for metrics. */
uint64_t supervisor_rulings(const struct supervisor *s, enum judge_outcome outcome);
/* Its own counters in the Prometheus text format, for the end of /metrics. 0 or -ENOSPC. */
int supervisor_counters_write(const struct supervisor *s, struct buf *out);
/* Have an audit record written about something that was done; takes no reference of what. Waits for
 * no disk: what finds no room in the queue is lost and counted. */
void supervisor_audit(struct supervisor *s, const struct supervisor_caller *who, json_t *what);
uint64_t supervisor_audit_lost(const struct supervisor *s); /* since this process began */
/*
 * Have the program on disk take this one's place, its connections aside, which are served to their
 * end by the workers that have them; dry_run: only ask whether it could. done is called once, with
 * what it said; then, where code is 0, this supervisor ends in a moment. -ESHUTDOWN: draining, -EALREADY,
 * -EBUSY; and *err: done is not called.
 */
typedef void supervisor_upgrade_done(int code, const char *text, void *ctx);
int supervisor_upgrade(struct supervisor *s, bool dry_run, supervisor_upgrade_done *done, void *ctx,
		       struct errmsg *err);
/* done is not to be called any more. */
void supervisor_upgrade_forget(struct supervisor *s);
/*
 * Remove links and maps from the kernel; the agent goes on without them until it is restarted. -ENOENT:
 * there is no directory that could have any.
 */
int supervisor_can_detach(const struct supervisor *s, struct errmsg *err);
int supervisor_detach(struct supervisor *s, struct errmsg *err);
struct supervisor_limit_key {
	bool rotating;	      /* another key is on its way in */
	uint64_t since_ns;    /* CLOCK_MONOTONIC: when it came in force; 0: unknown */
	uint64_t wait_ms;     /* between the begin of a rotation and its end */
	uint64_t lifetime_ms; /* 0: it stays until an operator changes it */
};
/* The key of the limits' rows. -ENODEV: no kernel half */
int supervisor_limit_key(struct supervisor *s, struct supervisor_limit_key *ret);
/* Begin to change it, and note who asked. -EALREADY: it is being changed */
int supervisor_limit_rotate(struct supervisor *s, const struct supervisor_caller *who);
/* An instant of CLOCK_MONOTONIC by the wall clock: RFC 3339, UTC. A new reference. */
json_t *supervisor_time(uint64_t time_ns);
/* Begin to drain, as SIGTERM does. */
void supervisor_drain(struct supervisor *s);

/* Sampled kernel events and agent events (verdicts set, pushes refused), as JSON objects. */
struct supervisor_listener {
	struct supervisor_listener *next;
	void (*on_event)(struct supervisor_listener *l, json_t *event);
};
void supervisor_listen(struct supervisor *s, struct supervisor_listener *l);
void supervisor_unlisten(struct supervisor *s, struct supervisor_listener *l);

/* Set by main before supervisor_run: rooms above this one start and stop with the loop. */
struct supervisor_hooks {
	int (*start)(struct supervisor *s, int control_fd, int internal_fd, struct errmsg *err);
	void (*stop)(struct supervisor *s);
};

/* The process: returns its exit status. monitor_fd: the socketpair to the monitor. */
int supervisor_run(int monitor_fd, const char *config_path, const struct supervisor_hooks *hooks);
