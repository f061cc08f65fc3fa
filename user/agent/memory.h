/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that processes share: per slot a page of counters and a ring of log lines, for all the
 * meters. Each slot also has the presence region that its worker writes. The monitor keeps the
 * descriptors, so that nothing is lost with a supervisor. Meters are a BPF map where there is a kernel
 * half; presence is saved to one, which no worker has: whoever could write to all regions could take
 * the shield from every bystander.
 */
#pragma once

#include <stdint.h>

#include "../base/errmsg.h"
#include "../base/metric.h"
#include "../base/ring.h"
#include "../dataplane/dataplane.h"
#include "counters.h"
#include "message.h"
#include "sluice/abi/presence.h"

#define MEMORY_RING_DATA_BYTES (1U << 20)
#define MEMORY_PAGES_MAX       (MESSAGE_SLOTS_MAX + 1)
#define MEMORY_OWN	       MESSAGE_SLOTS_MAX /* the supervisor's own slot */
#define MEMORY_REGIONS_MAX     (2 * PRESENCE_WORKERS_MAX)

struct memory_slot {
	int page_fd, ring_fd, presence_fd;
	struct metric_page *page;
	struct presence_region *presence; /* of a worker; it writes, we read */
	void *ring_mem;
	struct ring *ring; /* the supervisor's reading end */
};

struct memory {
	uint32_t base, slots; /* of the workers: [base, base + slots) */
	/* Also those of slots that were used before: what they counted still counts, and a worker of
	 * the program before this one may be there. page NULL: never used. */
	struct memory_slot slot[MEMORY_PAGES_MAX];
	struct metric_page *pages[MEMORY_PAGES_MAX]; /* all there are */
	size_t n_pages;
	struct counters *counters; /* the supervisor's own, over all supervisors */
	int meters_fd;
	size_t meters_bytes;
	struct presence_region *pinned; /* the map's regions; NULL: there is no kernel half */
	/* What may be asked: the workers' regions, those of the generation before, then what was saved
	 * of slots that there were once. A worker may write to the first n_live. */
	const struct presence_region *presence[MEMORY_REGIONS_MAX];
	size_t n_live, n_regions;
};

/* Finds a descriptor that was kept under a name, or -1; and keeps one. */
struct memory_keeper {
	int (*kept)(const char *name, void *ctx);
	int (*keep)(const char *name, int fd, void *ctx);
	void *ctx;
};

/* Pages and rings of the workers' slots and of the supervisor. Negative errno and *err. */
int memory_open(struct memory *m, uint32_t base, uint32_t slots, const struct memory_keeper *keeper,
		struct errmsg *err);
/* Meters and presence. dp NULL: memory of our own, max_meters words. */
int memory_open_shared(struct memory *m, struct dataplane *dp, uint32_t max_meters,
		       const struct memory_keeper *keeper, struct errmsg *err);

/*
 * Copy the workers' regions to the pinned map, for the agent that comes after this one. A stamp is
 * there after the next call at the latest.
 */
void memory_save_presence(const struct memory *m);

/* What WORKER_MEMORY carries: four descriptors that stay ours. Nothing of another slot. */
void memory_of_worker(const struct memory *m, uint32_t slot, int fds[4], struct worker_memory *ret);
