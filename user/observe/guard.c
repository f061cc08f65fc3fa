/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard's counters: of the listeners of this host, and of each vip. */
#include "dataplane/guard_map.h"
#include "dataplane/vip_map.h"
#include "prometheus.h"
#include "text.h"

#define GUARD_LABEL(id, label, doc) label,
static const char *const guard_labels[] = { GUARD_COUNTS(GUARD_LABEL) };

enum guard_family { GUARD_FAMILY_ON, GUARD_FAMILY_TURNS, GUARD_FAMILY_SYNS, GUARD_FAMILIES };

static void write_guard(const struct prometheus_source *src, struct text *t, enum guard_family f,
			const char *name, const char *vip)
{
	const char *scope = vip ? "vip" : "listeners";
	uint32_t id = vip ? vip_map_id(src->dataplane, vip) : GUARD_OWN;
	struct guard_state s;

	if ((vip && !id) || guard_map_state(src->dataplane, id, &s))
		return;
	if (f != GUARD_FAMILY_SYNS)
		text_sample(t, name, f == GUARD_FAMILY_ON ? s.on : s.turns, "scope", scope, "vip",
			    vip ? vip : "", NULL);
	for (int i = 1; f == GUARD_FAMILY_SYNS && i < GUARD_COUNT_COUNT; i++)
		text_sample(t, name, s.counts.packets[i], "scope", scope, "vip", vip ? vip : "",
			    "outcome", guard_labels[i], NULL);
}

void guard_write(const struct prometheus_source *src, struct text *t)
{
	static const struct {
		const char *name, *type, *help;
	} families[GUARD_FAMILIES] = {
		{ "sluice_guard_on", "gauge", "1 while SYNs are answered by the guard." },
		{ "sluice_guard_turns_total", "counter", "How often the guard turned on." },
		{ "sluice_guard_packets_total", "counter", "What the guard did, by outcome." },
	};

	for (int f = 0; f < GUARD_FAMILIES; f++) {
		text_family(t, families[f].name, families[f].type, families[f].help);
		write_guard(src, t, (enum guard_family)f, families[f].name, NULL);
		for (size_t i = 0; i < src->conf->n_vips; i++)
			write_guard(src, t, (enum guard_family)f, families[f].name,
				    src->conf->vips[i].name);
	}
}
