/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where denied prefixes come from beside acl.deny: what operators imported, kept in a file of
 * state_dir, the files of acl.deny_files, and places by a database. Read as a whole by whatever thread.
 */
#pragma once

#include <stdbool.h>

#include "../base/buf.h"
#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "../dataplane/source_feed.h"

/* Of a configuration, and independent of it. */
struct acl_source {
	char *imported;	     /* path of the file in state_dir; NULL: nothing can be imported */
	struct conf_acl acl; /* without allow and deny */
	struct conf_geoip geoip;
	uint32_t max; /* dataplane.max_acl */
};

int acl_source_new(const struct conf *conf, struct acl_source **ret);
void acl_source_free(struct acl_source *s);

/* What is imported now. */
struct acl_import {
	int fd; /* sealed memfd (net/ipc.h) */
	enum acl_feed_format format;
	char column[64]; /* "": the first */
	char name[256];	 /* for errors: the file as the operator named it */
	bool has_guard;	 /* refuse to deny this address: the operator's own session */
	struct addr guard;
	bool replace; /* instead of what was imported before, not beside it */
};

/* All that is to be denied, and what would be stored as imported. */
struct acl_denied {
	struct source_feed *feed;
	size_t imported; /* prefixes of it that are stored as imported */
	char *text;	 /* NULL: no import; else what the file has to hold */
	size_t text_len;
};

/*
 * import NULL: what there is. lines gets all that is wrong with lists, a line each.
 *   skip  go on without a source that is wrong, said in *err (at start, where it is that or nothing)
 * Negative errno and *err: -EINVAL, a list is wrong; -ENOSPC, more than max.
 */
int acl_source_read(const struct acl_source *s, const struct acl_import *import, bool skip,
		    struct acl_denied *ret, struct buf *lines, struct errmsg *err);
/* Put the text in its place. */
int acl_source_store(const struct acl_source *s, const struct acl_denied *d);
void acl_denied_clear(struct acl_denied *d);

/* For --check: every list of conf, what is wrong with it into errors, at its place. */
void acl_source_check(const struct conf *conf, struct conf_errors *errors);
