/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections at a time: the program of a control group that counts them (bpf/limit_concurrent.bpf.c),
 * and the table that it counts in.
 */
#pragma once

#include "dataplane.h"
#include "sluice/abi/limit_concurrent.h"

/*
 * Count connections if a limit of conf wants it, and no longer if none does. What is attached already
 * goes on with this build's program, and its counts stay; else they begin at 0, with connections that
 * begin from now on. Negative errno and *err: they are not counted, which dataplane_warnings says too.
 */
int limit_concurrent_attach(struct dataplane *dp, const struct conf *conf, struct errmsg *err);

/* Connections of a source now, in a class. */
int limit_concurrent_count(struct dataplane *dp, const struct addr *source, uint32_t limit_class,
			   uint64_t *ret);

/* A connection is no more, and nobody else will say so: what it counted for is given back. */
void limit_concurrent_lose(struct dataplane *dp, const struct limit_concurrent_place *place);

struct limit_concurrent_sum {
	uint64_t sources;
	uint64_t connections;
};
/* By class. Reads the whole table. */
int limit_concurrent_sums(struct dataplane *dp, struct limit_concurrent_sum ret[LIMIT_CLASSES]);
/* Connections that were not counted for want of room, ever. */
uint64_t limit_concurrent_uncounted(struct dataplane *dp);
