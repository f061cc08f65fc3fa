/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tables that limits and lists work on take, from the configuration alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

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
