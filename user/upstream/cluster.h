/* SPDX-License-Identifier: BSD-2-Clause */
/* A cluster as one snapshot sees it: its endpoints' pools, their weights, and a retry budget. */
#pragma once

#include "pool.h"

struct cluster_endpoint {
	struct pool *pool;
	uint32_t weight; /* 0: drained, gets nothing */
};

struct cluster {
	const struct conf_cluster *conf;
	uint32_t stat_id;	  /* row of metric_page.cluster */
	struct upstream_tls *tls; /* NULL: clear text */
	uint32_t retry_milli;	  /* what the budget holds, 1/1000 retry */
	size_t n_endpoints;
	struct cluster_endpoint *endpoints;
};

/* conf stays the caller's. Changes no pool that others use. -ENOMEM. */
int cluster_new(struct upstream *u, const struct conf_cluster *conf, uint32_t stat_id,
		struct cluster **ret);
/* Speak TLS to its endpoints, as conf says. Negative errno and *err. */
int cluster_set_tls(struct cluster *c, struct upstream *u, const struct upstream_tls_files *files,
		    struct errmsg *err);
/* The snapshot is in force: its settings are the pools' from here. */
void cluster_activate(struct cluster *c);
void cluster_free(struct cluster *c);

/*
 * The retry budget: each request puts retry_budget_percent of a retry in, a retry takes one out. A
 * few are there from the start, so that a quiet cluster has some; it never saves up more than
 * CLUSTER_RETRIES_MAX, so that an outage after a busy hour is not answered by a storm.
 */
#define CLUSTER_RETRIES_START 3
#define CLUSTER_RETRIES_MAX   20
void cluster_count_request(struct cluster *c);
bool cluster_take_retry(struct cluster *c);

/*
 * Choose an endpoint: two drawn at random by weight, the one with fewer requests outstanding per
 * weight gets it. Draws follow the weights when nothing is outstanding and loads even out when
 * something is, without state that workers would have to share and without the herd that "the least
 * loaded of all" makes of workers that decide alike. Ejected endpoints are left out unless all are;
 * avoid (may be NULL) unless it is the only one.
 * 0, -ENOBUFS: all at max_connections, -EHOSTUNREACH: none takes requests.
 */
int cluster_pick(struct cluster *c, const struct pool *avoid, struct pool **ret);
