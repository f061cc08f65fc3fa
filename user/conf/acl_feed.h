/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of prefixes as others publish them, read into an array: one per line, the elements of an
 * nftables set, or a column of a CSV file. The text may be hostile; where anything in it is wrong,
 * nothing of it is to be used, and the lines that are wrong are named.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "sluice/abi/addr.h"

enum acl_feed_format {
	ACL_FEED_AUTO, /* nftables where it says `elements =`, CSV where the first line has a comma */
	ACL_FEED_LINES,
	ACL_FEED_NFT,
	ACL_FEED_CSV,
};

#define ACL_FEED_MAX_BYTES  (256U << 20)
#define ACL_FEED_MAX	    (1U << 22) /* prefixes: the most that dataplane.max_acl can be */
#define ACL_FEED_ERRORS_MAX 20	       /* that are kept; all are counted */

struct acl_feed_error {
	uint32_t line; /* from 1 */
	char text[140];
};

struct acl_feed {
	struct prefix *v; /* in the order of the text, duplicates too */
	size_t n;
	size_t room;
	struct acl_feed_error error[ACL_FEED_ERRORS_MAX];
	size_t n_errors;
};

/*
 * Append what a text says; what was there stays. A range a-b becomes the prefixes that it consists of.
 *   column  of CSV: a number from 1, or a name that the first line has; NULL: the first
 * 0; -EINVAL: lines are wrong, named in feed->error; -E2BIG: over ACL_FEED_MAX; -ENOMEM. After an
 * error the feed is only good for its errors.
 */
int acl_feed_parse(struct acl_feed *feed, const char *text, size_t len, enum acl_feed_format format,
		   const char *column);
/* The word of a format ("auto", "lines", "nft", "csv"). -EINVAL. */
int acl_feed_format_parse(const char *word, enum acl_feed_format *ret);
int acl_feed_push(struct acl_feed *feed, const struct prefix *p); /* -ENOMEM, -E2BIG */
/* "NAME:LINE: what" for each error that is kept, then how many there are beside them. -ENOSPC. */
int acl_feed_errors(const struct acl_feed *feed, const char *name, struct buf *out);
void acl_feed_clear(struct acl_feed *feed);
