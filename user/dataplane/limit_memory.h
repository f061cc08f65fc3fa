/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tables that limits and lists work on take, from the configuration alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "conf/conf.h"

#define LIMIT_MEMORY_ROWS 20

struct limit_memory {
	const char *map;
	uint64_t entries;
	uint64_t bytes; /* of keys and values and, in hashes and tries, what the kernel adds */
};

/* Fill up to max rows; how many there are. *ret_sum: of all of them. Of per-CPU maps, for cpus. */
size_t limit_memory(const struct conf_dataplane *conf, unsigned int cpus, struct limit_memory *ret,
		    size_t max, uint64_t *ret_sum);

/*
 * "memory of the kernel: at most 141 MiB" and a line for each map of 1 MiB and more, the largest first;
 * last a warning where it is more than the machine has. Of tables that are filled as they are used,
 * their maximum. Nothing without a kernel half. 0 or -ENOSPC.
 */
int limit_memory_format(const struct conf_dataplane *conf, struct buf *out);
