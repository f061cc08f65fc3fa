/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows in which vips' rings change, and what is noted of flows in them. */
#include "dataplane/vip_flow.h"

#include "prometheus.h"
#include "text.h"

static uint64_t get_open(const struct vip_flow_state *s)
{
	return s->is_open;
}

static uint64_t get_flows(const struct vip_flow_state *s)
{
	return s->flows;
}

static uint64_t get_noted(const struct vip_flow_state *s)
{
	return s->counts.noted;
}

static uint64_t get_over_rate(const struct vip_flow_state *s)
{
	return s->counts.over_rate;
}

static uint64_t get_refused(const struct vip_flow_state *s)
{
	return s->counts.refused;
}

static const struct {
	const char *name, *type, *help;
	uint64_t (*get)(const struct vip_flow_state *s);
} families[] = {
	{ "sluice_kernel_vip_window_open", "gauge",
	  "1 while flows of before a change of its ring are kept.", get_open },
	{ "sluice_kernel_vip_flows", "gauge", "Flows that are noted.", get_flows },
	{ "sluice_kernel_vip_flows_noted_total", "counter", "Flows that were noted.", get_noted },
	{ "sluice_kernel_vip_flows_over_rate_total", "counter",
	  "Packets whose flow was not noted: too many within a second.", get_over_rate },
	{ "sluice_kernel_vip_flows_refused_total", "counter",
	  "Packets whose flow was not noted for want of room.", get_refused },
};

void vip_flow_write(const struct prometheus_source *src, struct text *t)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		text_family(t, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < src->conf->n_vips; i++) {
			const char *vip = src->conf->vips[i].name;
			struct vip_flow_state s;

			if (!vip_flow_get(src->dataplane, vip, &s))
				text_sample(t, families[f].name, families[f].get(&s), "vip", vip,
					    NULL);
		}
	}
}
