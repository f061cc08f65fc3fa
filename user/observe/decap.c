/* SPDX-License-Identifier: BSD-2-Clause */
/* What xdp_decap took out of outer headers, and what it dropped. */
#include "dataplane/decap.h"

#include "prometheus.h"
#include "text.h"

#define DECAP_LABEL(id, label, doc) label,
static const char *const labels[] = { DECAP_COUNTS(DECAP_LABEL) };

void decap_write(const struct prometheus_source *src, struct text *t)
{
	uint64_t counts[DECAP_COUNT_COUNT];

	if (!src->decap || decap_counts(src->decap, counts))
		return;
	text_family(t, "sluice_decap_packets_total", "counter",
		    "Packets in outer headers, by what became of them; from 0 with each change.");
	for (int i = 0; i < DECAP_COUNT_COUNT; i++)
		text_sample(t, "sluice_decap_packets_total", counts[i], "result", labels[i], NULL);
}
