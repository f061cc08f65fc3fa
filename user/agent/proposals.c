/* SPDX-License-Identifier: BSD-2-Clause */
#include "proposals.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "peers.h"
#include "sluice/abi/verdict.h"

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int proposals_know(struct proposals *p, uint64_t revision, const uint32_t *ids, size_t n)
{
	uint32_t *own;

	if (p->consumers && p->revision == revision)
		return 0;
	own = malloc((n ? n : 1) * sizeof(*own));
	if (!own)
		return -ENOMEM;
	if (n)
		memcpy(own, ids, n * sizeof(*own));
	qsort(own, n, sizeof(*own), compare);
	free(p->consumers);
	p->consumers = own;
	p->n_consumers = n;
	p->revision = revision;
	return 0;
}

void proposals_clear(struct proposals *p)
{
	free(p->consumers);
	*p = (struct proposals) { .counters = p->counters };
}

static bool is_known(const struct proposals *p, uint32_t consumer)
{
	return !consumer || (p->n_consumers && bsearch(&consumer, p->consumers, p->n_consumers,
						       sizeof(consumer), compare));
}

/* COUNTER_COUNT: to be believed. */
static enum counter judge_row(const struct proposals *p, const struct worker_refusal *r)
{
	if (r->reason != VERDICT_REASON_LIMIT && r->reason != VERDICT_REASON_AUTH &&
	    r->reason != VERDICT_REASON_HTTP2)
		return COUNTER_PROPOSALS_REASON;
	if (!r->count)
		return COUNTER_PROPOSALS_COUNT;
	/* A verdict on fe80::/64 would take neighbour discovery away, and with it the link. */
	if (!peers_is_peer(&r->source))
		return COUNTER_PROPOSALS_SOURCE;
	return is_known(p, r->consumer) ? COUNTER_COUNT : COUNTER_PROPOSALS_CONSUMER;
}

static void tell(struct proposals *p, uint32_t slot, uint64_t now_s)
{
	if (!p->worker[slot].refused || p->worker[slot].logged_s == now_s)
		return;
	log_warn("worker.proposals_refused", LOG_U64("slot", slot),
		 LOG_U64("rows", p->worker[slot].refused));
	p->worker[slot].refused = 0;
	p->worker[slot].logged_s = now_s;
}

size_t proposals_check(struct proposals *p, uint32_t slot, struct worker_refusal *rows, size_t n,
		       uint64_t now_ns)
{
	const uint64_t now_s = now_ns / NS_PER_S;
	size_t kept = 0;

	if (slot >= MESSAGE_SLOTS_MAX)
		return 0;
	if (p->worker[slot].second != now_s)
		p->worker[slot].rows = 0;
	p->worker[slot].second = now_s;
	for (size_t i = 0; i < n; i++) {
		enum counter why = p->worker[slot].rows >= PROPOSALS_ROWS_PER_S
					   ? COUNTER_PROPOSALS_BUDGET
					   : judge_row(p, &rows[i]);

		if (p->worker[slot].rows < PROPOSALS_ROWS_PER_S)
			p->worker[slot].rows++;
		if (why != COUNTER_COUNT) {
			counters_add(p->counters, why, 1);
			p->worker[slot].refused++;
			continue;
		}
		rows[kept] = rows[i];
		if (rows[kept].count > PROPOSALS_COUNT_MAX) {
			counters_add(p->counters, COUNTER_PROPOSALS_COUNT, 1);
			rows[kept].count = PROPOSALS_COUNT_MAX;
		}
		kept++;
	}
	tell(p, slot, now_s);
	return kept;
}
