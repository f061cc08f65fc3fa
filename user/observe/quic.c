/* SPDX-License-Identifier: BSD-2-Clause */
/* What connection ids of QUIC said, of each vip that reads them. */
#include "dataplane/quic_map.h"

#include "dataplane/vip_map.h"
#include "prometheus.h"
#include "text.h"

void quic_write(const struct prometheus_source *src, struct text *t)
{
	static const char name[] = "sluice_kernel_vip_quic_packets_total";

	text_family(t, name, "counter", "Packets by what their connection ids said.");
	for (size_t i = 0; i < src->conf->n_vips; i++) {
		const struct conf_vip *vip = &src->conf->vips[i];
		struct stats_quic s;

		if (!vip->n_quic ||
		    quic_map_stats(src->dataplane, vip_map_id(src->dataplane, vip->name), &s))
			continue;
		text_sample(t, name, s.routed, "vip", vip->name, "outcome", "routed", NULL);
		text_sample(t, name, s.unroutable, "vip", vip->name, "outcome", "unroutable", NULL);
		text_sample(t, name, s.unknown, "vip", vip->name, "outcome", "unknown", NULL);
	}
}
