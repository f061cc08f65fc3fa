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
	struct timer more; /* messages that the last turn left */
	uint64_t started_ns;
	uint64_t backoff_ms;
	uint64_t sent;	 /* newest revision sent */
	uint64_t oldest; /* that an exchange of it pins */
	int status;	 /* of the newest revision that it answered for */
	uint64_t answered;
	uint64_t offered; /* the newest revision ever sent on this connection */
	uint32_t silent;  /* ticks since it said anything that it had to */
	uint32_t behind;  /* ticks since it was sent a revision that it did not answer for */
	bool hello;	  /* it said so, once */
	bool condemned;	  /* the monitor was asked to end it */
	bool drained;
	bool foreign; /* of another format: it is told to leave, and nothing else */
	char text[512];
};

struct worker_set_events {
	/* of the worker in this slot; the rows are the callee's to change */
	void (*on_refusals)(uint32_t slot, struct worker_refusal *r, size_t n, void *ctx);
	void (*on_peers)(uint32_t slot, const struct addr *peers, size_t n, void *ctx);
	void (*on_drained)(void *ctx); /* each time one is done or gone while draining */
	void *ctx;
};

/*
 * After how many ticks of the loop a worker is ended: a worker says how it is once a second. Counted
 * in turns of our loop and not by the clock: when it is this process that stood still, what the
 * workers said meanwhile is read before the next tick.
 */
struct worker_set_deadlines {
	uint64_t tick_ms;
	uint32_t silent; /* without a word, or connected without HELLO */
	uint32_t
		behind; /* with a revision that it does not answer for; it may be busy building it */
};

struct worker_set {
	struct loop *loop;
	struct monitor_link *monitor;
	const struct memory *memory;
	struct worker_set_events events;
	/* Slots [base, base + n) have workers of this program; in the others are those of the one
	 * before, that leave. */
	uint32_t base, n;
	bool retiring; /* ours have taken over: those may go */
	struct supervisor_worker info[MESSAGE_SLOTS_MAX];
	struct worker_set_row row[MESSAGE_SLOTS_MAX];
	uint64_t number; /* newest revision, its blob and its listeners */
	int blob_fd;
	const struct conf *conf;
	uint64_t listeners_since; /* the first revision with these listeners */
	struct timer tick;
	struct worker_set_deadlines deadlines;
	bool waiting; /* somebody else deals with refusals */
	bool draining;
};

void worker_set_init(struct worker_set *w, struct loop *loop, struct monitor_link *monitor,
		     const struct memory *memory, const struct worker_set_events *events);
/* Where our slots begin: before workers are adopted. */
void worker_set_begin_at(struct worker_set *w, uint32_t base);
/* A worker that the monitor told of: takes fd. */
void worker_set_adopt(struct worker_set *w, uint32_t slot, pid_t pid, int fd);
void worker_set_exited(struct worker_set *w, uint32_t slot, pid_t pid, int wait_status);
/* Start those of our n slots that do not live. */
int worker_set_start(struct worker_set *w, uint32_t n, struct errmsg *err);

/*
 * Make this revision the one that every worker is to have, now and after a replacement. conf has to
 * stay until the next call; blob_fd is taken.
 */
void worker_set_revise(struct worker_set *w, uint64_t number, const struct conf *conf, int blob_fd);
/*
 * Serve the workers' sockets until all that live answered for the newest revision, or the time is
 * over (then those that are late go on with it when they can). -EINVAL and *err: more than
 * half of those that answered refused it. Fewer are offered it again.
 */
int worker_set_wait(struct worker_set *w, uint64_t timeout_ms, struct errmsg *err);
/* The oldest revision that any living worker may still use. */
uint64_t worker_set_oldest(const struct worker_set *w);
/* How many have the newest revision in force. */
uint32_t worker_set_current(const struct worker_set *w);

/* Ours serve: have those of the program before accept no more and leave, now or when they are heard of. */
void worker_set_retire(struct worker_set *w);
/* Ours, and those that leave; how many there are. */
size_t worker_set_list(const struct worker_set *w, struct supervisor_worker *ret, size_t max);
void worker_set_drain(struct worker_set *w);
uint32_t worker_set_undrained(const struct worker_set *w);
