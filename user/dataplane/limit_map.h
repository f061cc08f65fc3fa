/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps limit_class, limit_rows, limit_set, limit_port, limit_amplifier, limit_state and stats_limit,
 * and the meters in `clients`.
 */
#pragma once

#include "dataplane.h"
#include "sluice/abi/client.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/stats.h"

/*
 * Make the limits those of conf. A limit keeps its class id across changes and restarts (found by its
 * name in limit_class), and its rows while their size stays, so rates change in place and no bucket
 * is reset. Afterwards vip_map_apply gives the vips their services, also where only limits changed.
 * An error before anything was written, or
 *   -ENOSPC  from the tables of sources: rates are those of conf, the rest is as it was
 */
int limit_map_apply(struct dataplane *dp, const struct conf *conf, struct errmsg *err);
/* Frees what limit_map_apply keeps in memory; maps stay. */
void limit_map_close(struct dataplane *dp);

/* The service of a vip, as of the last apply: for struct vip. 0 for one that no limit names. */
uint8_t limit_map_service(struct dataplane *dp, const char *vip);
/* LIMIT_CLASS_NONE when there is no such limit. */
uint32_t limit_map_class(struct dataplane *dp, const char *name);
/* Its name by its id, as the map has it until the next apply; NULL: there is none of that id. */
const char *limit_map_name(struct dataplane *dp, uint32_t limit_class);
int limit_map_rates(struct dataplane *dp, uint32_t limit_class, struct limit_rates *ret);
/* Summed over CPUs. */
int limit_map_stats(struct dataplane *dp, uint32_t limit_class, struct stats_limit *ret);

/*
 * Give the rows another secret key: begin, call _end after the milliseconds that this returns, and
 * until then nobody's cells are decided by it. 10 s suffice for what fills in that time; a limit that
 * takes longer to refill gives back a part of what its sources have spent.
 */
int limit_map_rotate(struct dataplane *dp);
int limit_map_rotate_end(struct dataplane *dp);

struct limit_key {
	bool rotating; /* another key is on its way in */
	uint64_t
		since_ns; /* CLOCK_MONOTONIC, in whole seconds: since when it is in force; 0: unknown */
	uint64_t wait_ms; /* between the two halves of a rotation, as limits are now */
};
int limit_map_key(struct dataplane *dp, struct limit_key *ret);

/* What one unit of a limit has left. */
struct limit_left {
	bool limited;
	uint64_t tokens;  /* whole units */
	uint64_t next_ns; /* until one more is admitted; UINT64_MAX: it never is */
};

/* What one limit says of a source, now. */
struct limit_explain {
	uint32_t limit_class;
	enum limit_kind kind; /* not NONE: it meets the packet by its kind */
	bool exact;	      /* by meters of its own; false: by the rows */
	uint32_t proof;	      /* enum client_proof, where exact */
	uint32_t flags;	      /* enum limit_flag */
	struct limit_left unit[LIMIT_UNITS];
	struct limit_left total[LIMIT_UNITS];
	uint32_t concurrent;  /* 0: any number */
	uint64_t connections; /* now; where concurrent is not 0 */
};

/*
 * The limits that a packet from source meets, the most specific first, the one of its kind last.
 * Spends nothing, writes nothing. A source that an allow prefix has meets none.
 *   service  of its destination (limit_map_service, limit_map_port_service), 0: of none
 * Returns how many there are, at most max of them in ret; negative errno.
 */
int limit_map_explain(struct dataplane *dp, const struct addr *source, uint8_t service,
		      enum limit_kind kind, struct limit_explain *ret, size_t max);
/*
 * The limits of direction egress that a packet to source meets, from a port of this host (0: any other
 * than TCP and UDP, or a fragment). As limit_map_explain.
 */
int limit_map_explain_egress(struct dataplane *dp, const struct addr *source, uint8_t protocol,
			     uint16_t port, struct limit_explain *ret, size_t max);
/* What a class with these flags (enum limit_flag) takes for one source. */
struct addr limit_map_unit(const struct addr *source, uint32_t flags);
/* The same of one class, whether the source meets it or not. -ENOENT */
int limit_map_explain_class(struct dataplane *dp, const struct addr *source, uint32_t limit_class,
			    struct limit_explain *ret);
/* IPPROTO_TCP or _UDP, and a destination port that is of no vip. */
uint8_t limit_map_port_service(struct dataplane *dp, uint8_t protocol, uint16_t port);

/*
 * The agent's word that a source is real: from now on it has meters of its own in the classes, or,
 * for NULL, in all that its group meets anywhere. They start where its rows stand, so this is no
 * second burst; meters that it has already stay.
 */
int limit_map_prove(struct dataplane *dp, const struct addr *source, const uint8_t *classes,
		    size_t n, enum client_proof proof);
/* All classes that packets of the source can meet, wherever they go and of whatever kind; how many. */
size_t limit_map_classes(struct dataplane *dp, const struct addr *source,
			 uint8_t ret[LIMIT_CLASSES]);
/* Its own meters in a class, or that it was proven (LIMIT_CLASS_NONE). -ENOENT */
int limit_map_client(struct dataplane *dp, const struct addr *source, uint32_t limit_class,
		     struct client *ret);
