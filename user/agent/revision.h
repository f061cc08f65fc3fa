/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One revision as the supervisor hands it to workers, and to its own successor: the configuration,
 * the certificates that it names, and the numbers that belong to its rows. Travels as a sealed memfd.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../tls/tls.h"

#define REVISION_MAX_BYTES (256U << 20)

struct revision {
	uint64_t number;
	struct conf *conf;
	struct tls_tickets tickets;
	struct tls_pair **pairs; /* by listener: n_certificates of it, inside of flat_pairs */
	/* By listener, behind those: authorities, and CRLs as the key; may be empty. */
	struct tls_pair *authorities;
	/* By cluster, inside of flat_pairs behind those of listeners; NULL: none. An authority has no
	 * key, and is one pair for all clusters that name its file. */
	struct tls_pair **cluster_pairs;
	struct tls_pair **cluster_authorities;
	struct tls_pair *flat_pairs;
	size_t n_pairs;
	uint32_t *route_stat_ids;
	uint32_t *cluster_stat_ids;
	uint32_t *consumer_ids;
	uint32_t *meter_slots; /* consumer * CONF_PLAN_LIMITS_MAX + limit */
	/* What pairs point into, wiped when it is freed: a decoded blob, or the files that were read. */
	char *blob;
	size_t blob_bytes;
};

/* Arrays of the sizes that conf asks for, zeroed; takes conf. NULL: no memory, conf is the caller's. */
struct revision *revision_new(struct conf *conf);
void revision_free(struct revision *r); /* NULL is fine; conf may have been taken (NULL) */

/* Append the whole revision. 0 or -ENOSPC. */
int revision_encode(const struct revision *r, struct buf *out);

/*
 * Decode what revision_encode wrote. data has to have come from malloc and is owned by *ret on
 * success only. -EPROTO and *err: not one of ours, cut, or not consistent with its configuration.
 */
int revision_decode(char *data, size_t len, struct revision **ret, struct errmsg *err);
