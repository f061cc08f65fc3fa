/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "acl_map.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "source_table.h"

static enum source_list source_list(enum acl_list list)
{
	return list == ACL_LIST_ALLOW  ? SOURCE_LIST_ALLOW
	       : list == ACL_LIST_FEED ? SOURCE_LIST_FEED
				       : SOURCE_LIST_DENY;
}

/* Prefixes that came with the whole list have mark 0. */
static uint8_t mark_of(enum acl_origin origin)
{
	return (uint8_t)(origin + 1);
}

int acl_map_add(struct dataplane *dp, enum acl_list list, const struct prefix *p,
		enum acl_origin origin)
{
	int err = source_table_add(dp->source, source_list(list), p);

	drop_cache_map_forget(dp);
	return err ? err : source_table_mark(dp->source, source_list(list), p, mark_of(origin));
}

int acl_map_del(struct dataplane *dp, enum acl_list list, const struct prefix *p)
{
	int err = source_table_del(dp->source, source_list(list), p);

	drop_cache_map_forget(dp);
	return err;
}

int acl_map_apply(struct dataplane *dp, enum acl_list list, const struct prefix *want, size_t n,
		  enum acl_origin origin, struct errmsg *err)
{
	int e;

	err->text[0] = '\0';
	e = source_table_change(dp->source, source_list(list), want, n, err);
	drop_cache_map_forget(dp);
	if (e && !err->text[0])
		return errmsg_set(err, e, "acl: %s",
				  e == -EINVAL ? "an IPv6 prefix is longer than /64"
					       : strerror(-e));
	dp->acl_origin[list] = (uint8_t)origin;
	return e;
}

int acl_map_apply_conf(struct dataplane *dp, const struct conf_acl *acl, struct errmsg *err)
{
	int e = acl_map_apply(dp, ACL_LIST_ALLOW, acl->allow, acl->n_allow, ACL_FROM_FILE, err);

	return e ? e : acl_map_apply(dp, ACL_LIST_DENY, acl->deny, acl->n_deny, ACL_FROM_FILE, err);
}

void acl_map_swap_feed(struct dataplane *dp, struct source_feed *f)
{
	source_feed_swap(f, dp->source);
}

void acl_map_diff_feed(struct dataplane *dp, const struct source_feed *f, size_t *ret_added,
		       size_t *ret_removed)
{
	source_feed_diff(f, dp->source, ret_added, ret_removed);
}

int acl_map_apply_feed(struct dataplane *dp, struct errmsg *err)
{
	int e = source_table_apply(dp->source, err);

	drop_cache_map_forget(dp);
	return e;
}

int acl_map_find(struct dataplane *dp, enum acl_list list, const struct addr *a, struct prefix *ret)
{
	return source_table_find(dp->source, source_list(list), a, ret);
}

size_t acl_map_count(struct dataplane *dp, enum acl_list list)
{
	struct source_counts counts;

	source_table_counts(dp->source, &counts);
	return list == ACL_LIST_ALLOW  ? counts.allow
	       : list == ACL_LIST_FEED ? counts.feed
				       : counts.deny;
}

bool acl_map_allows(struct dataplane *dp, const struct addr *a)
{
	return source_table_answer(dp->source, a) == SOURCE_ALLOW;
}

uint8_t acl_map_answer(struct dataplane *dp, const struct addr *a)
{
	return dp->source ? source_table_answer(dp->source, a) : (uint8_t)SOURCE_NONE;
}

struct each {
	int (*fn)(const struct prefix *p, enum acl_origin origin, void *ctx);
	void *ctx;
	enum acl_origin applied;
};

static int each_one(const struct prefix *p, uint8_t mark, void *ctx)
{
	const struct each *e = ctx;

	return e->fn(p, mark ? (enum acl_origin)(mark - 1) : e->applied, e->ctx);
}

int acl_map_each(struct dataplane *dp, enum acl_list list, const struct prefix *from,
		 int (*fn)(const struct prefix *p, enum acl_origin origin, void *ctx), void *ctx)
{
	struct each e = { fn, ctx, (enum acl_origin)dp->acl_origin[list] };

	return source_table_each_from(dp->source, source_list(list), from, each_one, &e);
}
