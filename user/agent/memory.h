/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that processes share: per slot a page of counters and a ring of log lines, for all the
 * meters and the presence regions. The monitor keeps the descriptors, so that neither counters nor
 * lines are lost with a supervisor. Meters and presence are BPF maps where there is a kernel half.
 */
#pragma once

#include <stdint.h>

#include "../base/errmsg.h"
#include "../base/metric.h"
#include "../base/ring.h"
#include "../dataplane/dataplane.h"
#include "message.h"
#include "sluice/abi/presence.h"

#define MEMORY_RING_DATA_BYTES (1U << 20)
#define MEMORY_PAGES_MAX       (MESSAGE_SLOTS_MAX + 1) /* the last is the supervisor's own */

struct memory_slot {
	int page_fd, ring_fd;
	struct metric_page *page;
	void *ring_mem;
	struct ring *ring; /* the supervisor's reading end */
};

struct memory {
	uint32_t slots; /* workers; slot[slots] is the supervisor's own */
	struct memory_slot slot[MEMORY_PAGES_MAX];
	struct metric_page *pages[MEMORY_PAGES_MAX];
	int meters_fd, presence_fd;
	size_t meters_bytes, presence_bytes;
	const struct presence_region *presence; /* PRESENCE_WORKERS_MAX regions */
};

/* Finds a descriptor that was kept under a name, or -1; and keeps one. */
struct memory_keeper {
	int (*kept)(const char *name, void *ctx);
	int (*keep)(const char *name, int fd, void *ctx);
	void *ctx;
};

/* Pages and rings of the slots and of the supervisor. Negative errno and *err. */
int memory_open(struct memory *m, uint32_t slots, const struct memory_keeper *keeper,
		struct errmsg *err);
/* Meters and presence. dp NULL: memory of our own, max_meters words. */
int memory_open_shared(struct memory *m, struct dataplane *dp, uint32_t max_meters,
		       const struct memory_keeper *keeper, struct errmsg *err);

/* What WORKER_MEMORY carries: four descriptors that stay ours. */
void memory_of_worker(const struct memory *m, uint32_t slot, int fds[4], struct worker_memory *ret);
