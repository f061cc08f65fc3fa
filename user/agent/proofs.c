/* SPDX-License-Identifier: BSD-2-Clause */
#include "proofs.h"

#include <stdbool.h>

#include "base/clock.h"
#include "peers.h"

/* COUNTER_COUNT: nothing to count. */
static enum counter take(struct proofs *p, uint32_t slot, const struct addr *source)
{
	const uint32_t share = PROOFS_RECORDS_PER_S / (p->env.workers ? p->env.workers : 1);
	uint8_t classes[LIMIT_CLASSES];
	uint32_t records;
	size_t n;

	if (p->worker[slot].sources >= PROOFS_SOURCES_PER_S)
		return COUNTER_PROOFS_BUDGET;
	p->worker[slot].sources++;
	if (!peers_is_peer(source))
		return COUNTER_PROOFS_SOURCE;
	n = p->env.classes(source, classes, p->env.ctx);
	if (!n)
		return COUNTER_COUNT;
	if (p->env.known(source, p->env.ctx))
		return COUNTER_PROOFS_KNOWN;
	records = (uint32_t)n + 1; /* and the one that says that it is proven */
	if (p->worker[slot].records + records > share)
		return COUNTER_PROOFS_BUDGET;
	p->worker[slot].records += records;
	return p->env.prove(source, classes, n, p->env.ctx) ? COUNTER_PROOFS_FAILED
							    : COUNTER_PROOFS_MADE;
}

void proofs_take(struct proofs *p, uint32_t slot, const struct addr *sources, size_t n,
		 uint64_t now_ns)
{
	const uint64_t now_s = now_ns / NS_PER_S;

	if (slot >= MESSAGE_SLOTS_MAX)
		return;
	if (p->worker[slot].second != now_s) {
		p->worker[slot].second = now_s;
		p->worker[slot].sources = 0;
		p->worker[slot].records = 0;
	}
	for (size_t i = 0; i < n; i++) {
		enum counter what = take(p, slot, &sources[i]);

		if (what != COUNTER_COUNT)
			counters_add(p->counters, what, 1);
	}
}
