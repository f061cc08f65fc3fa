/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses whose next hops are watched: found by address and by the neighbour that they are
 * reached over, with a queue of those to look at again. Of neigh.c alone.
 */
#pragma once

#include <net/if.h>

#include "../base/hash_index.h"
#include "neigh.h"

struct hop_watch {
	struct addr addr;
	char device[IFNAMSIZ]; /* "": by route */
	bool has_mac;
	uint8_t mac[6];

	bool known; /* hop was reported and not lost since */
	struct neigh_hop hop;
	char why[96];		   /* reported last while not known, with what to do about it */
	bool is_silent;		   /* which is that the neighbour does not answer */
	uint64_t failing_since_ms; /* 0: it does not fail */
	uint64_t looked_ms;
	uint64_t asked_ms;
	/* neigh_table.c's. */
	struct addr next; /* the neighbour: a gateway, or the address itself */
	uint32_t next_ifindex;
	bool used;
	bool queued;
	uint32_t after; /* the next one in the queue, or of those free, and one; 0: none */
};

struct neigh_table {
	struct hop_watch *at;
	uint32_t n; /* of `at`, used or free */
	uint32_t room, used, max;
	uint32_t first_free, first, last; /* places and one; 0: none */
	struct hash_index by_addr, by_next;
};

int neigh_table_open(struct neigh_table *t, uint32_t max);
void neigh_table_clear(struct neigh_table *t);

struct hop_watch *neigh_table_find(const struct neigh_table *t, const struct addr *a);
/* An address that is not in it; what was found before may move. -ENOSPC, -ENOMEM. */
int neigh_table_add(struct neigh_table *t, const struct addr *a, struct hop_watch **ret);
void neigh_table_remove(struct neigh_table *t, struct hop_watch *w);
/* It is reached over this neighbour. */
void neigh_table_set_next(struct neigh_table *t, struct hop_watch *w, uint32_t ifindex,
			  const struct addr *next);

/* To be looked at; once, however often it is said. */
void neigh_table_queue(struct neigh_table *t, struct hop_watch *w);
/* All that are reached over the neighbour. False: none is. */
bool neigh_table_queue_next(struct neigh_table *t, uint32_t ifindex, const struct addr *next);
/* NULL: the queue is empty. */
struct hop_watch *neigh_table_pop(struct neigh_table *t);
