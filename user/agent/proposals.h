/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the supervisor believes of a worker's refusal reports: a worker may be anybody's, so each row
 * is held against what the supervisor knows itself, and each worker has a budget of rows.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "message.h"

#define PROPOSALS_ROWS_PER_S 8192 /* of a worker: 64 full messages */
#define PROPOSALS_COUNT_MAX  4096 /* refusals in one row, which is about one turn of a loop */

struct proposals {
	struct counters *counters; /* may be NULL */
	uint32_t *consumers;	   /* sorted */
	size_t n_consumers;
	uint64_t revision; /* that they are of */
	struct {
		uint64_t second; /* that rows and logged are about */
		uint32_t rows;
		uint64_t refused; /* since the last line */
		uint64_t logged_s;
	} worker[MESSAGE_SLOTS_MAX];
};

/* The consumers of a revision; the same one again costs nothing. -ENOMEM: the last ones stay. */
int proposals_know(struct proposals *p, uint64_t revision, const uint32_t *ids, size_t n);
/*
 * Move the rows that can be believed to the front; how many they are. A row with too high a count is
 * believed up to PROPOSALS_COUNT_MAX. The others are counted, and logged once a second and worker.
 */
size_t proposals_check(struct proposals *p, uint32_t slot, struct worker_refusal *rows, size_t n,
		       uint64_t now_ns);
void proposals_clear(struct proposals *p);
