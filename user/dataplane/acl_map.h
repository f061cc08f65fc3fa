/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps acl_allow and acl_deny. Every change raises the epoch, so cached answers are looked up again. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/acl.h"

enum acl_list { ACL_LIST_ALLOW, ACL_LIST_DENY };

/* Idempotent. -ENOSPC when the list is full. */
int acl_map_add(struct dataplane *dp, enum acl_list list, const struct prefix *p,
		enum acl_origin origin);
int acl_map_del(struct dataplane *dp, enum acl_list list, const struct prefix *p); /* -ENOENT */
/* Make the list exactly these prefixes: what is missing is added first, then the rest removed. */
int acl_map_apply(struct dataplane *dp, enum acl_list list, const struct prefix *want, size_t n,
		  enum acl_origin origin);
/* Does an allow prefix cover the address? */
bool acl_map_allows(struct dataplane *dp, const struct addr *a);
/* Calls fn for each; stops when it returns non-zero and returns that. */
int acl_map_each(struct dataplane *dp, enum acl_list list,
		 int (*fn)(const struct prefix *p, const struct acl_value *v, void *ctx),
		 void *ctx);
