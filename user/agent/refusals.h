/* SPDX-License-Identifier: BSD-2-Clause */
/* Refusals on their way from a worker to the judge: coalesced, one message per turn of the loop. */
#pragma once

#include <stddef.h>

#include "../event/loop.h"
#include "message.h"
#include "sluice/abi/verdict.h"

#define REFUSALS_MAX 128 /* sources, consumers and reasons in a turn; one message holds them */

struct refusals {
	struct deferred deferred;
	struct loop *loop;
	int (*send)(const struct worker_refusal *r, size_t n, void *ctx);
	void *ctx;
	size_t n;
	struct worker_refusal row[REFUSALS_MAX];
};

/* send: 0, or negative errno; what it does not take is counted as dropped (proposals_dropped). */
void refusals_init(struct refusals *r, struct loop *loop,
		   int (*send)(const struct worker_refusal *, size_t, void *), void *ctx);
/* source is masked to the unit that verdicts are about. */
void refusals_add(struct refusals *r, const struct addr *source, uint32_t consumer,
		  enum verdict_reason reason);
