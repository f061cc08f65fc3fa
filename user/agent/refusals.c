/* SPDX-License-Identifier: BSD-2-Clause */
#include "refusals.h"

#include "base/addr.h"
#include "base/metric.h"
#include "net/ipc.h"

_Static_assert(REFUSALS_MAX * sizeof(struct worker_refusal) <= IPC_PAYLOAD_MAX, "one message");

static void flush(struct deferred *d)
{
	struct refusals *r = container_of(d, struct refusals, deferred);
	uint64_t count = 0;

	if (r->n && r->send(r->row, r->n, r->ctx)) {
		for (size_t i = 0; i < r->n; i++)
			count += r->row[i].count;
		metric_add(METRIC_PROPOSALS_DROPPED, count);
	}
	r->n = 0;
}

void refusals_init(struct refusals *r, struct loop *loop,
		   int (*send)(const struct worker_refusal *, size_t, void *), void *ctx)
{
	*r = (struct refusals) { .loop = loop, .send = send, .ctx = ctx, .deferred.run = flush };
}

void refusals_add(struct refusals *r, const struct addr *source, uint32_t consumer,
		  enum verdict_reason reason)
{
	const struct addr unit = addr_unit(source);

	/* newest first: in a burst the same client comes again at once */
	for (size_t i = r->n; i-- > 0;) {
		struct worker_refusal *row = &r->row[i];

		if (row->consumer == consumer && row->reason == reason &&
		    addr_eq(&row->source, &unit)) {
			row->count++;
			return;
		}
	}
	if (r->n == REFUSALS_MAX) {
		metric_add(METRIC_PROPOSALS_DROPPED, 1);
		return;
	}
	r->row[r->n++] = (struct worker_refusal) {
		.source = unit,
		.consumer = consumer,
		.reason = reason,
		.count = 1,
	};
	loop_defer(r->loop, &r->deferred);
}
