/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of one worker to one endpoint of one cluster, and what was learnt about it. Pools
 * are found by cluster name, address and port and outlive snapshots, so that a reload keeps warm
 * connections; a cluster (one snapshot's view) holds a reference to each of its pools.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "event/loop.h"
#include "upstream_tls.h"

/* Passive health: this many failed connects in a row take an endpoint out of the choice. */
#define POOL_EJECT_AFTER  3
#define POOL_EJECT_MIN_MS 1000
#define POOL_EJECT_MAX_MS 60000

#define POOL_TLS_WARN_MS 10000 /* between two lines of the log about one endpoint's TLS */

#define UPSTREAM_BUCKETS 1024 /* a cluster may have 10,000 endpoints */

struct upstream_conn;
struct upstream;

struct pool {
	struct pool *next; /* in its bucket */
	struct upstream *upstream;
	uint32_t refs;	   /* clusters and connections */
	uint32_t clusters; /* of those, clusters: without any, nothing is kept */
	char cluster[CONF_NAME_MAX + 1];
	struct addr address;
	uint16_t port;
	/* settings, those of the cluster that was activated last */
	uint32_t max_idle;
	uint32_t max_connections;
	uint64_t idle_timeout_ms;
	uint64_t connect_timeout_ms;
	struct upstream_tls *tls; /* counted; NULL: clear text */
	/* state */
	struct upstream_conn *idle;   /* most recently used first: the rest ages out */
	struct upstream_conn *oldest; /* the last of those */
	uint32_t n_idle;
	uint32_t n_connections;	   /* idle ones included */
	uint32_t failures;	   /* connects, in a row */
	uint64_t ejected_until_ns; /* loop time; 0: not ejected */
	struct tls_session *session;
	uint64_t tls_warned_ns; /* loop time; 0: never */
};

/* Requests that wait for this endpoint now. */
static inline uint32_t pool_outstanding(const struct pool *p)
{
	return p->n_connections - p->n_idle;
}

static inline bool pool_full(const struct pool *p)
{
	return !p->n_idle && p->n_connections >= p->max_connections;
}

struct upstream {
	struct loop *loop;
	struct pool *bucket[UPSTREAM_BUCKETS];	 /* by cluster name, address and port */
	struct upstream_tls *tls[UINT8_MAX + 1]; /* by the first byte of its hash */
	struct upstream_conn *connections;	 /* all of them, closed ones included until freed */
	uint64_t random;			 /* state of the balancer's generator, never 0 */
	bool keep_idle;				 /* false: draining */
};

int upstream_new(struct loop *l, struct upstream **ret);
/* After all clusters; connections that were lent out are closed. */
void upstream_free(struct upstream *u);
/* Keep no connection any more; idle ones are closed. */
void upstream_drain(struct upstream *u);

/* Find or make; counted as held by a cluster. -ENOMEM. */
int pool_get(struct upstream *u, const char *cluster, const struct conf_endpoint *e,
	     struct pool **ret);
void pool_put(struct pool *p);	 /* by a cluster */
void pool_unref(struct pool *p); /* by a connection */

/* How it is spoken to from here; what was kept under another way is closed. tls NULL: clear text. */
void pool_set_tls(struct pool *p, struct upstream_tls *tls);

void pool_connect_failed(struct pool *p);
void pool_connect_ok(struct pool *p);
bool pool_ejected(const struct pool *p, uint64_t now_ns);
