/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the supervisor counts about itself and its workers. The words lie in memory that the monitor
 * keeps, so that they do not go back when a supervisor is replaced.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"

/* family (without the prefix sluice_ and the suffix _total), label, value. Appended to, never
 * reordered; rows of a family stand together. */
#define COUNTERS(X)                                                           \
	X(RELOADS_OK, "agent_config_reloads", "result", "ok")                 \
	X(RELOADS_REFUSED, "agent_config_reloads", "result", "refused")       \
	X(RESTARTS_SUPERVISOR, "agent_restarts", "role", "supervisor")        \
	X(RESTARTS_WORKER, "agent_restarts", "role", "worker")                \
	X(KILLED_SILENT, "agent_workers_killed", "cause", "silent")           \
	X(KILLED_LATE, "agent_workers_killed", "cause", "late")               \
	X(KILLED_PROTOCOL, "agent_workers_killed", "cause", "protocol")       \
	X(PROPOSALS_BUDGET, "agent_proposals_refused", "cause", "budget")     \
	X(PROPOSALS_SOURCE, "agent_proposals_refused", "cause", "source")     \
	X(PROPOSALS_CONSUMER, "agent_proposals_refused", "cause", "consumer") \
	X(PROPOSALS_REASON, "agent_proposals_refused", "cause", "reason")     \
	X(PROPOSALS_COUNT, "agent_proposals_refused", "cause", "count")       \
	X(LOG_FORGED, "agent_log_lines_refused", "cause", "forged")           \
	X(LOG_CORRUPT, "agent_log_lines_refused", "cause", "corrupt")         \
	X(PROOFS_MADE, "agent_proofs", "outcome", "made")                     \
	X(PROOFS_KNOWN, "agent_proofs", "outcome", "known")                   \
	X(PROOFS_BUDGET, "agent_proofs", "outcome", "budget")                 \
	X(PROOFS_SOURCE, "agent_proofs", "outcome", "source")                 \
	X(PROOFS_FAILED, "agent_proofs", "outcome", "failed")                 \
	X(CERTIFICATES_OK, "agent_certificate_reloads", "result", "ok")       \
	X(CERTIFICATES_REFUSED, "agent_certificate_reloads", "result", "refused")

enum counter {
#define COUNTER_ENUM(id, family, label, value) COUNTER_##id,
	COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
		COUNTER_COUNT,
};

struct counters {
	_Atomic uint64_t word[64];
};
_Static_assert(COUNTER_COUNT <= sizeof(((struct counters *)0)->word) / sizeof(uint64_t), "words");

/* From any thread; c NULL: nobody counts. */
static inline void counters_add(struct counters *c, enum counter id, uint64_t n)
{
	if (c)
		atomic_fetch_add_explicit(&c->word[id], n, memory_order_relaxed);
}

uint64_t counters_get(const struct counters *c, enum counter id);
/* The families, and since when the process runs (seconds since 1970), in the Prometheus text format. 0 or -ENOSPC. */
int counters_write(const struct counters *c, uint64_t started_s, struct buf *out);
