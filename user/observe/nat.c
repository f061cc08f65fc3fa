/* SPDX-License-Identifier: BSD-2-Clause */
/* How many flows the kernel translates, and may; those by backend: backend.c. */
#include "dataplane/nat_map.h"
#include "prometheus.h"
#include "text.h"

void nat_write(const struct prometheus_source *src, struct text *t)
{
	struct nat_state room;

	if (nat_map_room(src->dataplane, &room))
		return;
	text_family(t, "sluice_kernel_nat_flows_max", "gauge",
		    "Flows that there may be at a time.");
	text_sample(t, "sluice_kernel_nat_flows_max", room.max_flows, NULL);
	text_family(t, "sluice_kernel_nat_flows_opening", "gauge",
		    "Flows that no client has confirmed yet.");
	text_sample(t, "sluice_kernel_nat_flows_opening", room.young, NULL);
	text_family(t, "sluice_kernel_nat_flows_opening_max", "gauge",
		    "How many of these there may be.");
	text_sample(t, "sluice_kernel_nat_flows_opening_max", room.max_young, NULL);
}
