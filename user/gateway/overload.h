/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker that has more to do than it can: measured four times a second, by its connections, its
 * memory and the lag of its loop, against agent.worker_connections, worker_memory and worker_lag. What it
 * gives up first costs others least: connections on which nothing happens, then new ones, then requests.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../event/loop.h"

#define OVERLOAD_TICK_MS 250
/* Of what is allowed, in thousandths. Lag is not of what stands but of what is done: no idle there. */
#define OVERLOAD_IDLE_MILLE	  900
#define OVERLOAD_ACCEPT_MILLE	  950
#define OVERLOAD_SHED_MILLE	  1000
#define OVERLOAD_LAG_ACCEPT_MILLE 500

struct gateway;

enum overload_level {
	OVERLOAD_NONE,
	OVERLOAD_IDLE,	 /* idle connections are closed, the longest idle first */
	OVERLOAD_ACCEPT, /* and none is accepted */
	OVERLOAD_SHED,	 /* and requests are answered 503 */
	OVERLOAD_LEVELS,
};

struct overload {
	struct timer tick;
	uint64_t due_ns;	      /* of the tick */
	uint64_t lag_ns, last_lag_ns; /* of the last two */
	enum overload_level level;
	uint32_t calm;	 /* ticks at a lower level */
	uint32_t halved; /* how often the time that connections may be idle was */
};

void overload_start(struct gateway *g);
void overload_stop(struct gateway *g);
/* "none", "idle", "accept", "shed" */
const char *overload_name(enum overload_level level);
