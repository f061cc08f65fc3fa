/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which route a request matches: host hash, then the longest path prefix on a segment boundary.
 * Compiled once per snapshot, never rebuilt in a request; read-only.
 */
#pragma once

#include "../conf/conf.h"
#include "../base/str.h"

struct route_table;

struct route {
	const struct conf_route *conf;
	uint32_t index;	  /* in conf->routes */
	uint32_t stat_id; /* row of metric_page.route */
	void *policies;	  /* compiled by policy/ */
	void *cluster;	  /* upstream/'s */
};

/*
 * The routes of one listener. routes has conf->n_routes elements, which are given their conf and
 * index; it and conf have to outlive the table. -ENOMEM; -EINVAL: a path that cannot be normalised
 * (conf_parse refuses those).
 */
int route_table_new(const struct conf *conf, const char *listener, struct route *routes,
		    struct route_table **ret);
void route_table_free(struct route_table *t);

/*
 * host: as received, a port is ignored, case folded, one dot at the end removed; path: normalised
 * (http/uri.h).
 * Of all routes that match: an exact host wins over a wildcard, a longer wildcard over a shorter,
 * that over none; then "=/exact" paths over prefixes, longer prefixes over shorter; then the first
 * in the file. "*.example.com" stands for one or more labels, not for example.com. The prefix "/v1"
 * matches "/v1", "/v1/" and "/v1/x", not "/v10"; "/v1/" matches "/v1/" and "/v1/x", not "/v1".
 * NULL: none.
 */
const struct route *route_match(const struct route_table *t, struct str host, struct str path);
