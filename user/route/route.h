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

/* The routes of one listener. -ENOMEM. */
int route_table_new(const struct conf *conf, const char *listener, struct route *routes,
		    struct route_table **ret);
void route_table_free(struct route_table *t);

/*
 * host: as received, a port is ignored, case folded; path: normalised (http/uri.h).
 * An exact host wins over a wildcard, that over none; "=/exact" paths over prefixes, longer
 * prefixes over shorter; the first in the file among equals. NULL: none.
 */
const struct route *route_match(const struct route_table *t, struct str host, struct str path);
