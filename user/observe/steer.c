/* SPDX-License-Identifier: BSD-2-Clause */
/* What was steered to listeners, and the prefixes that are this host's for it. */
#include "base/addr.h"
#include "dataplane/steer_map.h"
#include "prometheus.h"
#include "text.h"

static void write_routes(const struct prometheus_source *src, struct text *t)
{
	const struct steer_route *routes;
	size_t n = steer_map_routes(src->dataplane, &routes);
	char prefix[ADDR_TEXT_MAX];

	text_family(t, "sluice_steer_route_ready", "gauge",
		    "1 when the prefix is this host's, by its own doing or by our route.");
	for (size_t i = 0; i < n; i++)
		text_sample(t, "sluice_steer_route_ready", routes[i].state != STEER_ROUTE_FAILED,
			    "prefix", prefix_format(&routes[i].prefix, prefix), NULL);
	text_family(t, "sluice_steer_route_restored_total", "counter",
		    "How often somebody else had removed the route.");
	for (size_t i = 0; i < n; i++)
		text_sample(t, "sluice_steer_route_restored_total", routes[i].restored, "prefix",
			    prefix_format(&routes[i].prefix, prefix), NULL);
}

void steer_write(const struct prometheus_source *src, struct text *t)
{
	bool first = true;

	for (size_t i = 0; i < src->conf->n_listeners; i++) {
		const char *name = src->conf->listeners[i].name;
		struct stats_steer s;

		if (!src->conf->listeners[i].n_steer || steer_map_stats(src->dataplane, name, &s))
			continue;
		if (first)
			text_family(t, "sluice_steer_lookups_total", "counter",
				    "Look-ups of a socket that `steer` decided, by outcome.");
		first = false;
		const struct {
			const char *outcome;
			uint64_t n;
		} rows[] = { { "steered", s.steered },
			     { "no_listener", s.no_listener },
			     { "passed", s.passed },
			     { "refused", s.refused } };

		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
			text_sample(t, "sluice_steer_lookups_total", rows[k].n, "listener", name,
				    "outcome", rows[k].outcome, NULL);
	}
	if (!first)
		write_routes(src, t);
}
