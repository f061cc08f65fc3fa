/* SPDX-License-Identifier: BSD-2-Clause */
#include "map_entries.h"

#include <errno.h>
#include <string.h>

#include "dataplane_state.h"
#include "limit_concurrent.h"
#include "limit_class.h"
#include "limit_row.h"
#include "meter_map.h"
#include "steer_map.h"
#include "vip_state.h"

static uint64_t backends(struct dataplane *dp)
{
	uint64_t n = 0;

	for (uint32_t id = 0; dp->vip && id < dp->vip->max_backends; id++)
		n += dp->vip->backend_used[id];
	return n;
}

/* Each vip has two rings, so that one can be filled aside. */
static uint64_t vip_ring(struct dataplane *dp)
{
	uint64_t n = 0;

	for (size_t i = 0; dp->vip && i < dp->vip->n_services; i++)
		n += 2ULL * dp->vip->services[i].rec.ring_size;
	return n;
}

/* A limit that was removed keeps its name, in case it comes back. */
static uint64_t limit_class(struct dataplane *dp)
{
	const struct limit_class *classes = limit_class_all(dp);
	uint64_t n = 0;

	for (uint32_t id = LIMIT_CLASS_NONE + 1; classes && id < LIMIT_CLASSES; id++)
		n += classes[id].name[0] != 0;
	return n;
}

static uint64_t limit_rows(struct dataplane *dp)
{
	const struct limit_class *classes = limit_class_all(dp);
	uint64_t n = 0;

	for (uint32_t id = LIMIT_CLASS_NONE + 1; classes && id < LIMIT_CLASSES; id++)
		n += classes[id].row_bits && limit_row_has_rates(&classes[id])
			     ? 2ULL << classes[id].row_bits
			     : 0;
	return n;
}

/* Sets, as its size is; so the words in use, by their number in one. */
static uint64_t limit_concurrent(struct dataplane *dp)
{
	struct limit_concurrent_sum sums[LIMIT_CLASSES];
	uint64_t n = 0;

	if (limit_concurrent_sums(dp, sums))
		return 0;
	for (uint32_t id = 0; id < LIMIT_CLASSES; id++)
		n += sums[id].sources;
	return (n + LIMIT_CONCURRENT_WAYS - 1) / LIMIT_CONCURRENT_WAYS;
}

static uint64_t meters(struct dataplane *dp)
{
	return meter_map_used(dp);
}

static uint64_t steer_listeners(struct dataplane *dp)
{
	return steer_map_used(dp);
}

static uint64_t steer_sockets(struct dataplane *dp)
{
	return steer_map_sockets(dp);
}

int map_entries_count(struct dataplane *dp, const char *name, uint32_t *ret)
{
	static const struct {
		const char *map;
		uint64_t (*count)(struct dataplane *dp);
	} arrays[] = {
		{ "backends", backends },
		{ "vip_ring", vip_ring },
		{ "limit_class", limit_class },
		{ "limit_rows", limit_rows },
		{ "meters", meters },
		{ "limit_concurrent", limit_concurrent },
		{ "steer_listeners", steer_listeners },
		{ "steer_sockets", steer_sockets },
	};

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		if (strcmp(arrays[i].map, name) != 0)
			continue;
		*ret = (uint32_t)arrays[i].count(dp);
		return 0;
	}
	return -ENOENT;
}
