/* SPDX-License-Identifier: BSD-2-Clause */
/* Items of lists by their names: uniqueness, references, look-up. */
#pragma once

#include "conf_node.h"
#include "conf_rows.h"

/*
 * One list of named items, sorted by name; those whose name is NULL (an error says so) are left
 * out, and the list is then not complete.
 */
struct conf_names {
	const struct conf_row *row; /* of the list */
	const void **item;
	size_t n;
	bool complete;
};

/* Sort the list of row in base. -ENOMEM. */
int conf_names_sort(const struct conf_row *row, const void *base, struct conf_arena *arena,
		    struct conf_names *ret);
const void *conf_names_find(const struct conf_names *names, const char *name);
/* The name that is nearest to one that is not there; NULL: none is near. */
const char *conf_names_nearest(const struct conf_names *names, const char *name);

/* The sorted lists of the whole, ended by one whose row is NULL, into conf->names. -ENOMEM. */
int conf_names_build(struct conf *conf);
/*
 * Report names that are there twice, and references to names that are not. 0 or -ENOMEM.
 *   scratch  memory for the time of the check
 */
int conf_names_check(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		     struct conf_errors *errors);
