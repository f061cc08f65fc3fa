/* SPDX-License-Identifier: BSD-2-Clause */
/* What `status` says about connections that are steered to listeners. */
#include <stdio.h>

#include "base/addr.h"
#include "dataplane/steer_map.h"
#include "steer.h"

static bool is_used(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		if (conf->listeners[i].n_steer)
			return true;
	return false;
}

json_t *steer_listeners(struct supervisor *s, struct dataplane *dp)
{
	const struct conf *conf = supervisor_conf(s);
	json_t *list = json_array();

	for (size_t i = 0; dp && i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		struct stats_steer stats;

		if (!l->n_steer || steer_map_stats(dp, l->name, &stats))
			continue;
		json_array_append_new(list, json_pack("{s:s,s:I,s:b,s:I,s:I,s:I,s:I}", "listener",
						      l->name, "rules", (json_int_t)l->n_steer,
						      "attached", steer_map_is_attached(dp),
						      "steered", (json_int_t)stats.steered,
						      "no_listener", (json_int_t)stats.no_listener,
						      "passed", (json_int_t)stats.passed, "refused",
						      (json_int_t)stats.refused));
	}
	return list;
}

json_t *steer_routes(struct dataplane *dp)
{
	const struct steer_route *routes;
	size_t n = dp ? steer_map_routes(dp, &routes) : 0;
	json_t *list = json_array();
	char prefix[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:s}", "prefix",
						      prefix_format(&routes[i].prefix, prefix),
						      "route", steer_map_state(routes[i].state),
						      "restored", (json_int_t)routes[i].restored,
						      "error", routes[i].why));
	return list;
}

void steer_warnings(struct supervisor *s, struct dataplane *dp, json_t *warnings)
{
	const struct steer_route *routes;
	char prefix[ADDR_TEXT_MAX], text[400];

	if (!is_used(supervisor_conf(s)))
		return;
	if (!dp || steer_map_why(dp)[0]) {
		snprintf(text, sizeof(text),
			 "nothing is steered to listeners, only their own addresses are served: %s",
			 dp ? steer_map_why(dp) : "there is no kernel half");
		json_array_append_new(warnings, json_string(text));
		return;
	}
	for (size_t i = 0, n = steer_map_routes(dp, &routes); i < n; i++) {
		if (routes[i].state != STEER_ROUTE_FAILED)
			continue;
		snprintf(text, sizeof(text),
			 "%s is not local to this host, so of it only addresses that it has are "
			 "steered: %s",
			 prefix_format(&routes[i].prefix, prefix), routes[i].why);
		json_array_append_new(warnings, json_string(text));
	}
}
