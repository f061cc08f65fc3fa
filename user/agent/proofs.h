/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a worker's word that sources are real: meters of their own in the kernel. A worker
 * may be anybody's, so each has a budget, of words and of records.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "message.h"
#include "sluice/abi/limit.h"

#define PROOFS_SOURCES_PER_S 4096  /* of a worker: what is looked up */
#define PROOFS_RECORDS_PER_S 16384 /* of all workers together, in equal shares: what is written */

struct proofs_env {
	/* The limits that packets of the source may meet; how many. 0: a proof has no use. */
	size_t (*classes)(const struct addr *source, uint8_t ret[LIMIT_CLASSES], void *ctx);
	/* Is it proven already? */
	bool (*known)(const struct addr *source, void *ctx);
	/* 0 or negative errno. */
	int (*prove)(const struct addr *source, const uint8_t *classes, size_t n, void *ctx);
	void *ctx;
	uint32_t workers;
};

struct proofs {
	struct proofs_env env;
	struct counters *counters; /* may be NULL */
	struct {
		uint64_t second; /* that the others are about */
		uint32_t sources, records;
	} worker[MESSAGE_SLOTS_MAX];
};

/* Sources that the worker in this slot says it has accepted connections of. */
void proofs_take(struct proofs *p, uint32_t slot, const struct addr *sources, size_t n,
		 uint64_t now_ns);
