/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One revision compiled: what a request is decided by from its first field to its log line.
 * Immutable, counted by the exchanges that pin it and by the gateway while it is the current one.
 */
#pragma once

#include "gateway_state.h"
#include "policy/policy.h"
#include "route/route.h"
#include "upstream/cluster.h"

struct snapshot {
	struct snapshot *next; /* the next younger one */
	struct gateway *gateway;
	uint32_t refs;
	uint64_t number;
	struct conf *conf;
	struct cluster **clusters; /* parallel to conf->clusters */
	struct policy_set *policies;
	struct route *routes;	    /* parallel to conf->routes */
	struct route_table **table; /* by listener index */
	struct tls_context **tls;   /* by listener index; NULL: clear text */
};

/* r->conf stays the caller's until snapshot_install. Negative errno and *err. */
int snapshot_new(struct gateway *g, const struct gateway_revision *r, struct snapshot **ret,
		 struct errmsg *err);
/* Make it the current one; the one before goes when no exchange pins it. */
void snapshot_install(struct snapshot *s);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
/* One that was never installed; conf stays the caller's. */
void snapshot_discard(struct snapshot *s);
