/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether refusals become a verdict in the kernel. Pure logic: the clock, the maps and the memory of
 * who was served are inputs.
 *
 * Per source (its unit) refusals of the last window are counted. At the threshold the source climbs
 * one step of the ladder, unless something forbids it; the count begins anew, JUDGE_SETTLE_MS later,
 * because refusals that were on their way say nothing about the verdict. A source that stays quiet
 * after its verdict goes down a step per quiet period, which is the window or the verdict's length,
 * whichever is longer. A withheld verdict does not climb.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../conf/conf.h"
#include "sluice/abi/addr.h"
#include "sluice/abi/verdict.h"

#define JUDGE_SOURCES_MAX 65536U
#define JUDGE_WAYS	  8U
#define JUDGE_SLICES	  8U /* of a window: what is counted is between 7/8 and all of it old */
#define JUDGE_SETTLE_MS	  100U
#define JUDGE_WORKERS_MAX 64U

/* What was decided, as logs and counters name it. Append only. */
#define JUDGE_OUTCOMES(X)                                                                 \
	X(SET, "set", "a verdict was set")                                                \
	X(SHADOWED, "shadowed", "mode shadow: it would have been set")                    \
	X(TRUSTED, "trusted", "the source is in pushdown.trusted")                        \
	X(ALLOWED, "allowed", "an allow prefix covers the source")                        \
	X(BYSTANDER, "bystander", "another consumer was served there within nat_memory")  \
	X(UNCERTAIN, "uncertain", "who was served there within nat_memory was forgotten") \
	X(OPERATOR, "operator", "a verdict of an operator is in force")                   \
	X(BUDGET, "budget", "max_per_minute is used up")                                  \
	X(FAILED, "failed", "the kernel half did not take it, or is not there")           \
	X(SHARE, "share", "half of max_per_minute went to what this worker reported")     \
	X(FULL, "full", "dataplane.max_verdicts are in force")

enum judge_outcome {
#define JUDGE_OUTCOME_ENUM(id, label, doc) JUDGE_##id,
	JUDGE_OUTCOMES(JUDGE_OUTCOME_ENUM)
#undef JUDGE_OUTCOME_ENUM
		JUDGE_OUTCOME_COUNT,
};

/* Label and documentation. */
const char *judge_outcome_name(enum judge_outcome o);
const char *judge_outcome_text(enum judge_outcome o);

struct judge_bystander {
	uint32_t consumer;
	uint64_t seconds_ago;
};

enum judge_presence { JUDGE_ALONE, JUDGE_NOT_ALONE, JUDGE_UNKNOWN };

struct judge_ruling {
	enum judge_outcome outcome;
	struct prefix source;
	uint32_t consumer; /* the one who was refused; 0: none known, or several */
	uint32_t refusals; /* within the window */
	uint32_t step;	   /* of the ladder, from 0 */
	enum verdict_action action;
	enum verdict_reason reason;
	uint64_t ttl_ms;
	struct judge_bystander bystander; /* of outcome BYSTANDER */
	int error;			  /* of outcome FAILED: negative errno */
};

struct judge_env {
	bool (*allowed)(const struct addr *source, void *ctx);
	/* Was any consumer but this one (0: any at all) served there within nat_memory_ms? */
	enum judge_presence (*present)(const struct addr *source, uint32_t consumer,
				       uint64_t nat_memory_ms, uint64_t now_ns,
				       struct judge_bystander *ret, void *ctx);
	/* 0; -EEXIST: an operator's verdict stays; another negative errno. */
	int (*set)(const struct prefix *source, enum verdict_action action,
		   enum verdict_reason reason, uint64_t until_ns, void *ctx);
	/* Every verdict, set or shadowed; of those withheld at most one per source and window. */
	void (*on_ruling)(const struct judge_ruling *r, void *ctx);
	void *ctx;
	/* Of several none may use up the budget: each has half of it, rounded up. */
	uint32_t workers;
};

struct judge;

/* seed: 16 secret bytes, since peers choose the sources. -ENOMEM. */
int judge_new(const struct judge_env *env, const uint64_t seed[2], struct judge **ret);
void judge_free(struct judge *j);
/* conf has to stay until the next call. Who stands where on the ladder stays; counts do under the same
 * window. */
void judge_configure(struct judge *j, const struct conf_pushdown *conf);

/* count refusals of a source at now_ns, by the consumer that was refused (0: not identified), as
 * a worker (below JUDGE_WORKERS_MAX) says. */
void judge_refused(struct judge *j, uint32_t worker, const struct addr *source, uint32_t consumer,
		   enum verdict_reason reason, uint32_t count, uint64_t now_ns);

uint64_t judge_outcomes(const struct judge *j, enum judge_outcome o); /* since judge_new */
uint32_t judge_sources(const struct judge *j);			      /* rows of the table in use */
uint64_t judge_evicted(const struct judge *j); /* rows given to another source while they counted */
