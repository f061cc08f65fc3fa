/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The request half of one worker: connections, exchanges, and the snapshot that they are decided by.
 * Everything that outlives a snapshot (connections, kept upstream connections, listening sockets) is
 * the gateway's; everything that a revision brings is the snapshot's. An exchange pins its snapshot,
 * a connection does not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../event/loop.h"
#include "../tls/tls.h"
#include "sluice/abi/presence.h"
#include "sluice/abi/verdict.h"

struct gateway;

/* A source was refused: reported once per refusal, for the supervisor to judge over all workers. */
struct gateway_refusal {
	struct addr source;	    /* the peer of the connection, not masked */
	uint32_t consumer;	    /* stable id; 0: not identified */
	enum verdict_reason reason; /* LIMIT, AUTH or HTTP2 */
};

/* What the process gives to its gateway; valid as long as the gateway is. */
struct gateway_env {
	struct loop *loop;
	uint64_t *meters; /* shared words, abi/meter.h */
	uint32_t n_meters;
	struct presence_region *presence; /* this worker's own region */
	void (*on_refusal)(const struct gateway_refusal *r, void *ctx);
	/* A connection was accepted: the socket's peer, not masked. NULL: nobody asks. */
	void (*on_peer)(const struct addr *peer, void *ctx);
	uint64_t descriptors; /* that the process may have; 0: not known */
	/* Bytes that the process has taken from the heap. NULL: malloc(3) is asked. */
	uint64_t (*memory_bytes)(void *ctx);
	void *ctx;
};

/*
 * One revision as the supervisor hands it out. Arrays run parallel to those of conf; all memory but
 * conf stays the caller's.
 */
struct gateway_revision {
	uint64_t number;
	struct conf *conf; /* the gateway owns it once gateway_apply returned 0 */
	/* By listener index: pairs[i] has conf->listeners[i].n_certificates entries. */
	const struct tls_pair *const *pairs;
	/* By listener index: authorities as the certificate and CRLs as the key, where they are
	 * configured. NULL: none is. */
	const struct tls_pair *authorities;
	const struct tls_tickets *tickets;
	/* By cluster index; NULL, or NULL entries: it names no such file. Authorities have no key. */
	const struct tls_pair *const *cluster_authorities;
	const struct tls_pair *const *cluster_pairs;
	/* By listener index: a listening socket for this worker that the gateway takes, or -1: keep
	 * the one it has under that name. */
	const int *listen_fds;
	const uint32_t *route_stat_ids;
	const uint32_t *cluster_stat_ids;
	/* By consumer index. */
	const uint32_t *consumer_ids; /* stable, never 0 */
	/* By consumer index * CONF_PLAN_LIMITS_MAX + index of the plan's limit. */
	const uint32_t *meter_slots;
};

int gateway_new(const struct gateway_env *env, struct gateway **ret);
void gateway_free(struct gateway *g);

/*
 * Build a snapshot and swap to it. Sockets of listeners that are no longer configured are closed;
 * their connections finish what they began. On error nothing has changed: negative errno and *err.
 */
int gateway_apply(struct gateway *g, const struct gateway_revision *r, struct errmsg *err);
uint64_t gateway_revision(const struct gateway *g); /* 0: none yet */
/* The oldest revision that an exchange still pins: meter slots of older ones are free. */
uint64_t gateway_oldest_revision(const struct gateway *g);
/* What its revisions cost so far. */
const struct tls_cache_counts *gateway_tls_counts(const struct gateway *g);

/*
 * Stop accepting, answer with Connection: close, close idle connections, and the others after
 * agent.drain_timeout; on_drained runs once there is no connection left.
 */
void gateway_drain(struct gateway *g, void (*on_drained)(void *ctx), void *ctx);
/*
 * Another worker accepts from here on: as gateway_drain, but connections that are idle are left alone
 * until their client asks once more, or until agent.drain_timeout is nearly over; gateway_drain does
 * the rest then, or earlier where it is called.
 */
void gateway_retire(struct gateway *g, void (*on_drained)(void *ctx), void *ctx);
uint32_t gateway_connections(const struct gateway *g);
/* What it gives up now to do the rest: an enum overload_level. */
uint32_t gateway_overload(const struct gateway *g);
