/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workers as the supervisor has them: started through the monitor, brought to the newest
 * revision, started again with back-off when they die, adopted when it is the supervisor that did.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../event/loop.h"
#include "memory.h"
#include "message.h"
#include "monitor_link.h"
#include "supervisor.h"

struct worker_set;

struct worker_set_row {
	struct worker_set *set;
	struct watch watch; /* fd -1: not connected */
	struct timer respawn;
	uint64_t started_ns;
	uint64_t backoff_ms;
	uint64_t sent;	 /* newest revision sent */
	uint64_t oldest; /* that an exchange of it pins */
	int status;	 /* of the newest revision that it answered for */
	uint64_t answered;
	bool drained;
	char text[512];
};

struct worker_set_events {
	void (*on_refusals)(const struct worker_refusal *r, size_t n, void *ctx);
	void (*on_drained)(void *ctx); /* each time one is done or gone while draining */
	void *ctx;
};

struct worker_set {
	struct loop *loop;
	struct monitor_link *monitor;
	const struct memory *memory;
	struct worker_set_events events;
	uint32_t n;
	struct supervisor_worker info[MESSAGE_SLOTS_MAX];
	struct worker_set_row row[MESSAGE_SLOTS_MAX];
	uint64_t number; /* newest revision, its blob and its listeners */
	int blob_fd;
	const struct conf *conf;
	uint64_t listeners_since; /* the first revision with these listeners */
	bool waiting;		  /* somebody else deals with refusals */
	bool draining;
};

void worker_set_init(struct worker_set *w, struct loop *loop, struct monitor_link *monitor,
		     const struct memory *memory, const struct worker_set_events *events);
/* A worker that the monitor told of: takes fd. */
void worker_set_adopt(struct worker_set *w, uint32_t slot, pid_t pid, int fd);
void worker_set_exited(struct worker_set *w, uint32_t slot, pid_t pid, int wait_status);
/* Start those of slots [0, n) that do not live. */
int worker_set_start(struct worker_set *w, uint32_t n, struct errmsg *err);

/*
 * Make this revision the one that every worker is to have, now and after a replacement. conf has to
 * stay until the next call; blob_fd is taken.
 */
void worker_set_revise(struct worker_set *w, uint64_t number, const struct conf *conf, int blob_fd);
/*
 * Serve the workers' sockets until all that live answered for the newest revision, or the time is
 * over (then those that are late go on with it when they can). -EINVAL and *err: one refused it.
 */
int worker_set_wait(struct worker_set *w, uint64_t timeout_ms, struct errmsg *err);
/* The oldest revision that any living worker may still use. */
uint64_t worker_set_oldest(const struct worker_set *w);
/* How many have the newest revision in force. */
uint32_t worker_set_current(const struct worker_set *w);

void worker_set_drain(struct worker_set *w);
uint32_t worker_set_undrained(const struct worker_set *w);
