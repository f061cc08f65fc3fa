/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefixes of countries and autonomous systems, out of databases in MaxMind's format. Such a file
 * may be damaged or made to harm: what is walked of it is bounded by its own size.
 */
#pragma once

#include <stdbool.h>

#include "../base/errmsg.h"
#include "../conf/acl_feed.h"
#include "../conf/conf.h"

#define GEOIP_MAX_BYTES (256U << 20)

/* What is looked for: either countries or numbers of autonomous systems. */
struct geoip_want {
	char *const *countries;
	size_t n_countries;
	const uint32_t *asns;
	size_t n_asns;
};

/*
 * Append the prefixes that a database has in any of them; IPv6 ones longer than /64 are their /64.
 * Negative errno and *err, naming path; -E2BIG: over ACL_FEED_MAX.
 */
int geoip_collect(const char *path, const struct geoip_want *want, struct acl_feed *feed,
		  struct errmsg *err);

/* Does a limit name places? */
bool geoip_is_used(const struct conf *conf);
/*
 * conf with the countries and numbers of its limits among their sources: a copy of the top that
 * refers to conf, which has to stay as long. NULL in *ret: there are none, conf itself will do.
 */
int geoip_expand(const struct conf *conf, struct conf **ret, struct errmsg *err);
void geoip_expand_free(struct conf *expanded);
