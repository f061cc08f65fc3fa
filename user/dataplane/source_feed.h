/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SOURCE_LIST_FEED, which is denied beside acl.deny and may have a million prefixes: prepared on the
 * side, by any thread, and exchanged with the present one in no time; then it has to be applied.
 * source_table_apply may run in another thread as long as no list is changed; reading is allowed.
 */
#pragma once

#include <stdbool.h>

#include "source_table.h"

struct source_feed;

/* -EINVAL: an IPv6 prefix over 64 bits; -ENOMEM. */
int source_feed_new(const struct prefix *want, size_t n, struct source_feed **ret);
void source_feed_free(struct source_feed *f);
size_t source_feed_count(const struct source_feed *f); /* without duplicates */
bool source_feed_covers(const struct source_feed *f, const struct addr *a);
/* What an exchange would change: prefixes that the table's has not, and f has not. */
void source_feed_diff(const struct source_feed *f, const struct source_table *t, size_t *ret_added,
		      size_t *ret_removed);
/* Afterwards f is what was there before. */
void source_feed_swap(struct source_feed *f, struct source_table *t);
