/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for names: consumers by hash, routes and clusters by a table of their metric rows. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/metric.h"
#include "../conf/conf.h"

/*
 * An id for each consumer, never 0, no two alike, the same in every revision and after every restart:
 * a hash of the name. A name that collides takes the next free number, so that only its id depends on
 * its neighbours. ret has n_consumers entries. 0 or -ENOMEM.
 */
int ids_consumers(const struct conf *conf, uint32_t *ret);

/* Rows of metric_page.route or .cluster that were given out, by name; never reused. */
struct ids_table {
	char *name[METRIC_STAT_IDS];
	uint32_t n;
};

/* METRIC_STAT_OTHER once all rows are taken. */
uint32_t ids_table_get(struct ids_table *t, const char *name);
void ids_table_clear(struct ids_table *t);

/* Two tables as text, a line a name: for the next supervisor. 0 or -ENOSPC; -EPROTO. */
int ids_table_encode(const struct ids_table *routes, const struct ids_table *clusters,
		     struct buf *out);
int ids_table_decode(const char *text, size_t len, struct ids_table *routes,
		     struct ids_table *clusters);
