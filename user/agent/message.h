/* SPDX-License-Identifier: BSD-2-Clause */
/* What monitor, supervisor and workers say to each other (net/ipc.h). */
#pragma once

#include <stdint.h>

#include "sluice/abi/addr.h"

#define MESSAGE_PATH_MAX 512
#define MESSAGE_SLOTS_MAX 64

/* The fixed list of requests to the monitor, and what it answers or tells. */
enum monitor_message {
	/* supervisor -> monitor, each answered by the same type with an errno */
	MONITOR_OPEN_CONFIG = 1, /* -> fd of the configuration file */
	MONITOR_OPEN_PEM,	 /* path: a regular file that begins as PEM -> fd */
	MONITOR_LISTEN,		 /* address, port, slots -> one socket per slot, the same ones again
				    for the same request */
	MONITOR_UNLISTEN,	 /* address, port: close what is held */
	MONITOR_SPAWN,		 /* slot: fork a worker -> fd of its socketpair */
	MONITOR_READY,		 /* tell systemd and the caller of sluiced that it runs */
	/* monitor -> supervisor */
	MONITOR_WORKER,	 /* slot, pid, fd: a worker that lives, told to a new supervisor */
	MONITOR_EXIT,	 /* slot, pid, wait status: a worker ended */
	MONITOR_DRAIN,	 /* SIGTERM: drain and exit */
	MONITOR_RELOAD,	 /* SIGHUP */
	/* monitor -> worker */
	MONITOR_SUPERVISOR, /* fd of the socketpair to the (new) supervisor */
};

struct monitor_request {
	struct addr address; /* LISTEN, UNLISTEN */
	uint16_t port;
	uint16_t slots;
	uint32_t slot;
	int32_t pid;
	int32_t status; /* answer: 0 or a negative errno; EXIT: wait status */
	char path[MESSAGE_PATH_MAX];
};

enum worker_message {
	/* supervisor -> worker */
	WORKER_MEMORY = 64, /* fds: meters, presence, metric page, log ring; sizes in the payload */
	WORKER_REVISION,    /* fds: sealed blob (agent/revision.h), then listening sockets */
	WORKER_DRAIN,
	/* worker -> supervisor */
	WORKER_HELLO,	    /* slot, pid, revision */
	WORKER_APPLIED,	    /* revision, status, text */
	WORKER_STATE,	    /* connections, oldest revision pinned; once a second */
	WORKER_REFUSALS,    /* struct worker_refusal[] */
	WORKER_DRAINED,
};

struct worker_refusal {
	struct addr source;
	uint32_t consumer;
	uint32_t reason; /* enum verdict_reason */
	uint32_t count;
};

struct worker_memory {
	uint64_t meters_bytes;
	uint64_t presence_bytes;
	uint64_t metric_bytes;
	uint64_t ring_bytes;
};

struct worker_state {
	uint32_t slot;
	int32_t pid;
	uint64_t revision;
	uint64_t oldest_revision;
	uint32_t connections;
	int32_t status;
	char text[512];
};
