/* SPDX-License-Identifier: BSD-2-Clause */
/* The allow and deny lists: in memory here, and compiled into the maps of abi/source.h. */
#pragma once

#include "dataplane.h"
#include "source_feed.h"
#include "sluice/abi/acl.h"

/* FEED: what is imported and read from files; denied like DENY, and replaced only as a whole. */
enum acl_list { ACL_LIST_ALLOW, ACL_LIST_DENY, ACL_LIST_FEED };

/*
 * Idempotent. -EINVAL: an IPv6 prefix over 64 bits. -ENOSPC: a map has no room. Nothing changed then.
 * -EAGAIN: after a restart, before limits, allow and deny have been applied.
 */
int acl_map_add(struct dataplane *dp, enum acl_list list, const struct prefix *p,
		enum acl_origin origin);
int acl_map_del(struct dataplane *dp, enum acl_list list, const struct prefix *p); /* -ENOENT */
/*
 * Make a list exactly these prefixes, without a gap: see source_table_apply, also for errors. After
 * a restart what was in force stays until limits, allow and deny have been applied.
 */
int acl_map_apply(struct dataplane *dp, enum acl_list list, const struct prefix *want, size_t n,
		  enum acl_origin origin, struct errmsg *err);
/* Both lists at once. */
int acl_map_apply_conf(struct dataplane *dp, const struct conf_acl *acl, struct errmsg *err);
/*
 * Exchange ACL_LIST_FEED; acl_map_apply_feed puts it in force, from any thread, while nobody changes
 * a list or closes dp. See source_feed.h; errors of source_table_apply.
 */
void acl_map_swap_feed(struct dataplane *dp, struct source_feed *f);
void acl_map_diff_feed(struct dataplane *dp, const struct source_feed *f, size_t *ret_added,
		       size_t *ret_removed);
int acl_map_apply_feed(struct dataplane *dp, struct errmsg *err);
/* The prefix of a list in memory that covers an address, the longest. -ENOENT. */
int acl_map_find(struct dataplane *dp, enum acl_list list, const struct addr *a,
		 struct prefix *ret);
size_t acl_map_count(struct dataplane *dp, enum acl_list list);
/* Does an allow prefix of the list in memory cover the address? */
bool acl_map_allows(struct dataplane *dp, const struct addr *a);
/* What the lists in memory say of an address: a group of limits, SOURCE_ALLOW, SOURCE_DENY or _NONE. */
uint8_t acl_map_answer(struct dataplane *dp, const struct addr *a);
/* Calls fn for each from a prefix on (NULL: all), IPv4 first, in order; stops when it returns non-zero and returns that. */
int acl_map_each(struct dataplane *dp, enum acl_list list, const struct prefix *from,
		 int (*fn)(const struct prefix *p, enum acl_origin origin, void *ctx), void *ctx);
