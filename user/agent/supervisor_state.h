/* SPDX-License-Identifier: BSD-2-Clause */
/* What the supervisor holds; its files share it, nobody else sees it. */
#pragma once

#include "../health/health.h"
#include "edits.h"
#include "ids.h"
#include "judge.h"
#include "kept_fds.h"
#include "kernel.h"
#include "limit_rotation.h"
#include "log_pump.h"
#include "memory.h"
#include "monitor_link.h"
#include "pem_checked.h"
#include "proofs.h"
#include "proposals.h"
#include "../storage/storage_writer.h"
#include "revision.h"
#include "pem_watch.h"
#include "slots.h"
#include "supervisor.h"
#include "tickets.h"
#include "worker_set.h"

struct pushdown {
	struct judge *judge;
	size_t regions; /* of presence that may hold something */
	struct proposals proposals;
	struct timer sweep, presence;
	uint64_t log_s; /* lines about withheld verdicts in this second */
	uint32_t logged;
	uint64_t unlogged;
};

/* From the question to the end of this process. */
struct supervisor_upgrade {
	supervisor_upgrade_done *done; /* NULL: nobody waits */
	void *ctx;
	bool asked, dry_run;
	struct timer leave;
};

struct supervisor {
	struct loop *loop;
	const char *config_path;
	const struct supervisor_hooks *hooks;
	bool hooked;
	struct monitor_link monitor;
	struct kept_fds kept; /* what the monitor held for us */
	int control_fd, internal_fd, bpffs_fd;
	char bpffs_error[MESSAGE_PATH_MAX];

	struct revision *revision;  /* in force */
	struct pem_checked checked; /* certificates that need not be tried again */
	struct edits edits;
	struct kernel kernel;
	struct storage *storage;
	struct errmsg storage_why;
	struct storage_writer *writer; /* of audit records; NULL: no storage */
	struct pem_watch pems;	       /* files of certificates */
	struct errmsg pem_why;	       /* the last change of those was refused; "": it was not */
	struct errmsg reload_why;      /* the last one was refused; "": it was not */
	uint64_t audit_unqueued, audit_lost_logged;
	struct errmsg audit_why; /* as a warning; "": none was lost */
	struct memory memory;
	struct slots *slots;
	struct ids_table routes, clusters;
	uint64_t sweep_slots; /* once no worker uses an older revision; 0: nothing to sweep */

	struct worker_set workers;
	struct pushdown pushdown;
	struct proofs proofs;
	struct health *health;	      /* NULL: nothing is probed */
	struct errmsg health_way_why; /* probes that do not go as they should; "": all do */
	struct errmsg health_why;     /* as a warning; "": all are probed that should be */
	struct limit_rotation rotation;
	bool rotation_failed; /* said already */
	struct log_pump *pump;
	struct supervisor_listener *listeners;
	bool events_on;
	uint64_t events_since_ns;
	struct timer tick, rotate, drain;
	struct supervisor_upgrade upgrade;
	uint64_t started_ns;
	uint64_t started_s; /* by the wall clock, once: it must not waver in /metrics */
	pid_t last_pid;	    /* the supervisor before this one; 0: none */
	int last_status;
	bool ready, draining;
	int status;
};

/* pushdown.c */
int pushdown_open(struct supervisor *s);
void pushdown_refusals(struct supervisor *s, uint32_t slot, struct worker_refusal *r, size_t n);

/* supervisor_limit.c: once a second */
void supervisor_limit_tick(struct supervisor *s);
/* A worker's word that these have finished a handshake with it. */
void supervisor_limit_peers(struct supervisor *s, uint32_t slot, const struct addr *peers,
			    size_t n);

/* supervisor_events.c: to all listeners, with the time in front; takes the reference of body. */
void supervisor_emit(struct supervisor *s, json_t *body, uint64_t time_ns);
/* Start or stop reading the kernel's samples: after listeners or the dataplane changed. */
void supervisor_events_switch(struct supervisor *s);

/* supervisor_health.c: after the kernel half was brought to the revision in force. */
void supervisor_health_apply(struct supervisor *s);
void supervisor_health_stop(struct supervisor *s);

/* supervisor_apply.c */
int supervisor_keep(struct supervisor *s, const char *name, int fd);
/* Hand the revision to the workers under a new number and wait. Negative errno and *err. */
int supervisor_publish(struct supervisor *s, struct revision *r, struct errmsg *err);
/* Keys of connection ids, which a revision that was kept has not. Without them the kernel's stay. */
void supervisor_read_keys(struct supervisor *s);
/* As supervisor_build, without the meters, which need the kernel half. */
int supervisor_prepare(struct supervisor *s, struct conf *conf, bool fresh, struct revision **ret,
		       struct conf_errors *errors, struct errmsg *err);
/* Have files of certificates changed, and settled (pem_watch.h)? */
bool supervisor_pems_turn(struct supervisor *s);
/* A conf_outside of the supervisor ctx: the certificates of a text that is refused. */
void supervisor_check_outside(const struct conf *conf, struct conf_errors *errors, void *ctx);
/*
 * Everything that a revision needs beside its text: certificates, ids, meters. Takes conf. What is
 * wrong with certificates is in errors, at its place in the file, and *err is empty then.
 *   fresh  read the certificates' files; otherwise those in force are taken over, which needs the
 *	    same listeners: a limit is not to wait for a certificate that has expired
 */
int supervisor_build(struct supervisor *s, struct conf *conf, bool fresh, struct revision **ret,
		     struct conf_errors *errors, struct errmsg *err);
/* Have the monitor open what to listens on and from (NULL: nothing) does not. */
int supervisor_open_listeners(struct supervisor *s, const struct conf *from, const struct conf *to,
			      struct errmsg *err);
/* Have it close what from listens on and to (NULL: nothing) does not. */
void supervisor_close_listeners(struct supervisor *s, const struct conf *from,
				const struct conf *to);
/*
 * supervisor_steer.c: have the kernel hand to listeners of conf what they steer. After kernel_apply, and
 * after their sockets were opened.
 */
int supervisor_steer(struct supervisor *s, const struct conf *conf, struct errmsg *err);
/* kernel_apply and supervisor_steer; what was in force is in force again after an error. */
int supervisor_kernel_apply(struct supervisor *s, const struct conf *from, const struct conf *to,
			    const char *diff, struct errmsg *err);
/* SIGHUP: the file again. The outcome goes to the log. */
void supervisor_reload(struct supervisor *s);
/* Once a second: files of certificates that have changed, with the configuration in force. */
void supervisor_watch_pems(struct supervisor *s);
int supervisor_read_config(struct supervisor *s, char **ret, size_t *ret_len, struct errmsg *err);

/* End in order, with what there is in force. */
void supervisor_finish(struct supervisor *s);
/* supervisor_upgrade.c: MONITOR_CHECKED */
void supervisor_upgrade_checked(struct supervisor *s, const struct monitor_request *r);

/* supervisor_start.c: everything up to the first revision in force. */
int supervisor_start(struct supervisor *s, struct errmsg *err);
