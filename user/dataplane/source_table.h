/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lists that say who is allowed, denied or limited by his address, and the tables of
 * abi/source.h that are compiled from them. Works on any maps of that shape, pinned or not.
 *
 * Meaning: allow over deny and feed over the longest prefix of the groups. IPv4 prefixes are v4-mapped; one of
 * fewer than 96 bits is IPv6 and matches no IPv4 address. IPv6 prefixes have at most 64 bits.
 *
 * Writes are ordered so that a packet meets the old or the new answer of its source, never a third:
 * what a look-up falls through to is changed 10 ms after what it fell through, and a look-up
 * takes microseconds. Such a pause is made only where a change needs one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "sluice/abi/addr.h"
#include "sluice/abi/source.h"

struct source_table;

/* Maps source_v4 source_split source_long source_v6 source_v6_lines; the caller's. */
struct source_maps {
	int v4_fd;
	int split_fd;
	int long_fd;
	int v6_fd;
	int v6_lines_fd;
};

enum source_list { SOURCE_LIST_ALLOW, SOURCE_LIST_DENY, SOURCE_LIST_FEED };

struct source_group_prefix {
	struct prefix prefix;
	uint8_t group; /* SOURCE_NONE..SOURCE_GROUP_MAX */
};

struct source_counts {
	size_t allow; /* prefixes of the lists in memory */
	size_t deny;
	size_t feed;
	size_t groups;
	size_t split;	     /* /24s with several answers */
	size_t v6;	     /* entries of source_v6 */
	size_t memory_bytes; /* of the lists in this process; the maps are the kernel's */
};

/*
 * Begin with empty lists. Maps that have contents (a restart) are left as they are until allow, deny
 * and groups have been set and applied; then what differs is written.
 */
int source_table_open(const struct source_maps *maps, struct source_table **ret);
void source_table_close(struct source_table *t);

/*
 * Replace a list in memory; source_table_apply puts it in force. Copies, clears host bits, drops
 * duplicates (of groups the last one stays). -EINVAL: an IPv6 prefix over 64 bits, a group over
 * SOURCE_GROUP_MAX. The list is unchanged after an error.
 */
int source_table_set(struct source_table *t, enum source_list list, const struct prefix *want,
		     size_t n);
int source_table_set_groups(struct source_table *t, const struct source_group_prefix *want,
			    size_t n);
/*
 * Write what differs from the maps. -ENOSPC and *err, nothing written: a map has no room. source_long,
 * and source_v6 where old prefixes have new ones inside or around, need it for old and new together. After another error a part may
 * be in force; every source has its old or its new answer, and applying again completes it.
 */
int source_table_apply(struct source_table *t, struct errmsg *err);
/*
 * Set a list and apply. Where only few prefixes differ from what is in force, it costs what these do,
 * however long the lists are. Nothing changed after -EINVAL and -ENOSPC, or what fitted is in force.
 */
int source_table_change(struct source_table *t, enum source_list list, const struct prefix *want,
			size_t n, struct errmsg *err);

/* The prefix of the list that covers an address, the longest. -ENOENT. */
int source_table_find(const struct source_table *t, enum source_list list, const struct addr *a,
		      struct prefix *ret);

/*
 * One prefix, in memory and in the maps. Adding what is there already does nothing. -ENOENT, -EINVAL,
 * -ENOSPC, -EAGAIN (the maps wait for their first apply): nothing changed.
 */
int source_table_add(struct source_table *t, enum source_list list, const struct prefix *p);
int source_table_del(struct source_table *t, enum source_list list, const struct prefix *p);

/* A number that stays with a prefix until its list is set again; 0 at first. -ENOENT. */
int source_table_mark(struct source_table *t, enum source_list list, const struct prefix *p,
		      uint8_t mark);
/* IPv4 first, each in order; stops when fn returns non-zero and returns that. */
int source_table_each(const struct source_table *t, enum source_list list,
		      int (*fn)(const struct prefix *p, uint8_t mark, void *ctx), void *ctx);

/* From a prefix on, whether it is in the list or not; NULL: all. */
int source_table_each_from(const struct source_table *t, enum source_list list,
			   const struct prefix *from,
			   int (*fn)(const struct prefix *p, uint8_t mark, void *ctx), void *ctx);

/* What the lists in memory say of an address: SOURCE_NONE, a group, SOURCE_ALLOW or SOURCE_DENY. */
uint8_t source_table_answer(const struct source_table *t, const struct addr *a);
void source_table_counts(const struct source_table *t, struct source_counts *ret);
