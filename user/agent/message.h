/* SPDX-License-Identifier: BSD-2-Clause */
/* What monitor, supervisor and workers say to each other (net/ipc.h). */
#pragma once

#include <stdint.h>

#include "../dataplane/libxdp_way.h"
#include "sluice/abi/addr.h"

#define MESSAGE_PATH_MAX    512
#define MESSAGE_WORKERS_MAX 64
/* Of two generations: in an upgrade the workers of the old program serve their connections to the end
 * in one half, those of the new one begin in the other. */
#define MESSAGE_SLOTS_MAX (2 * MESSAGE_WORKERS_MAX)
/* Of the messages of workers, and of revisions (REVISION_MAGIC): raised with either. Workers of another
 * one are told to leave, and no more. */
#define MESSAGE_FORMAT 1
_Static_assert(sizeof(((struct errmsg *)0)->text) == MESSAGE_PATH_MAX, "errors travel as paths");

/* The fixed list of requests to the monitor, and what it answers or tells. */
enum monitor_message {
	/* supervisor -> monitor, each answered by the same type with an errno */
	MONITOR_OPEN_CONFIG = 1, /* -> fd of the configuration file */
	MONITOR_OPEN_PEM,	 /* path: a regular file that begins as PEM -> fd */
	MONITOR_LISTEN,		 /* address, port, slots -> one socket per slot, from slot on and at
				    most IPC_FDS_MAX an answer; the same ones again later */
	MONITOR_UNLISTEN,	 /* address, port: close what is held */
	MONITOR_SPAWN,		 /* slot: fork a worker -> pid, fd of its socketpair */
	MONITOR_READY,		 /* tell systemd that it runs; a supervisor's end is no failure of
				    the start any more */
	MONITOR_KEEP,		 /* path: a name, fd: hold it for the next supervisor, in place of
				    what had that name; without fd: forget it */
	MONITOR_LIBXDP,	  /* libxdp: attach or detach one device, or name the program on it; by a
			    child that ends itself. path: the text of an error, or the name */
	MONITOR_KILL,	  /* slot, pid: end this worker, if it is that one */
	MONITOR_STOPPING, /* ms: tell systemd that the stop may take this long from now on */
	MONITOR_UPGRADE,  /* ask the program on disk whether it could take over, and have it do so
			     when this supervisor ends; slots 1: only ask. path: why not */
	/* monitor -> supervisor */
	MONITOR_KEPT,	/* path, fd: told to a new supervisor, as MONITOR_WORKER is */
	MONITOR_WORKER, /* slot, pid, fd: a worker that lives */
	MONITOR_START, /* slots: a bit per enum monitor_start, fds in that order; slot: the first one of
			  our workers; path: why there is
			  no bpffs directory; pid, status: of the supervisor before this one. After
			  this one nothing old is told any more */
	MONITOR_EXIT,	 /* slot, pid, wait status: a worker ended */
	MONITOR_DRAIN,	 /* SIGTERM: drain and exit */
	MONITOR_RELOAD,	 /* SIGHUP */
	MONITOR_CHECKED, /* status: 0, the program on disk would take over; path: what it said */
	/* monitor -> worker; its number is for ever, since the worker may be an older one */
	MONITOR_SUPERVISOR = 32, /* fd of the socketpair to the (new) supervisor */
};

enum monitor_start { MONITOR_FD_CONTROL = 1, MONITOR_FD_INTERNAL = 2, MONITOR_FD_BPFFS = 4 };

struct monitor_request {
	struct addr address; /* LISTEN, UNLISTEN */
	uint16_t port;
	uint16_t slots;
	uint32_t slot;
	int32_t pid;
	uint64_t ms;		      /* STOPPING */
	int32_t status;		      /* answer: 0 or a negative errno; EXIT: wait status */
	struct libxdp_request libxdp; /* LIBXDP; checked in the child (dataplane/libxdp_way.h) */
	char path[MESSAGE_PATH_MAX];
};

enum worker_message {
	/* supervisor -> worker */
	WORKER_MEMORY = 64, /* fds: meters, presence, metric page, log ring; sizes in the payload */
	WORKER_SOCKETS,	    /* fds: listening sockets of the revision that comes next */
	WORKER_REVISION,    /* number; fd: sealed blob (agent/revision.h) */
	WORKER_DRAIN,
	/* worker -> supervisor */
	WORKER_HELLO,	 /* struct worker_state: slot, pid, revision */
	WORKER_APPLIED,	 /* struct worker_state: revision, status, text */
	WORKER_STATE,	 /* connections, oldest revision pinned; once a second */
	WORKER_REFUSALS, /* struct worker_refusal[] */
	WORKER_DRAINED,
	WORKER_PEERS, /* struct addr[]: sources of connections that it accepted */
	/* supervisor -> worker, of any version */
	WORKER_RETIRE = 96, /* accept no more; connections may stay idle until drain_timeout */
};

struct worker_refusal {
	struct addr source;
	uint32_t consumer;
	uint32_t reason; /* enum verdict_reason */
	uint32_t count;
};

struct worker_sockets_message {
	uint32_t listener[16]; /* index in the revision's listeners, by index of fd */
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
	uint32_t format;   /* MESSAGE_FORMAT */
	uint32_t overload; /* what it gives up: an enum overload_level */
};
