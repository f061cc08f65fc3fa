/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SOURCE_LIST_FEED, which is denied beside acl.deny and may have a million prefixes: prepared on the
 * side, by any thread, and exchanged with the present one in no time; then it has to be applied.
 * source_table_apply may run in another thread as long as no list is changed; reading is allowed.
 */
#pragma once

#include "source_table.h"

struct source_feed;

/* -EINVAL: an IPv6 prefix over 64 bits; -ENOMEM. */
int source_feed_new(const struct prefix *want, size_t n, struct source_feed **ret);
void source_feed_free(struct source_feed *f);
size_t source_feed_count(const struct source_feed *f); /* without duplicates */
/* Prefixes of one that the other has not. */
size_t source_feed_missing(const struct source_feed *of, const struct source_feed *in);
/* Afterwards f is what was there before. */
void source_feed_swap(struct source_feed *f, struct source_table *t);
