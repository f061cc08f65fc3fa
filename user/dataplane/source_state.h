/* SPDX-License-Identifier: BSD-2-Clause */
/* What an open source table holds. For source_*.c only. */
#pragma once

#include "source_net.h"
#include "source_table.h"

enum source_which {
	SOURCE_IS_ALLOW,
	SOURCE_IS_DENY,
	SOURCE_IS_FEED, /* denies as well */
	SOURCE_IS_GROUP,
	SOURCE_LISTS
};

/* The lists of one family, sorted. tag is a mark, or the group. */
struct source_lists {
	struct source_nets list[SOURCE_LISTS];
};

struct source_table {
	struct source_maps maps;
	uint8_t *v4;			 /* map source_v4: an answer per /24, and those of /16s */
	struct source_v6_line *v6_lines; /* map source_v6_lines */
	uint32_t split_max;		 /* sizes of the maps */
	uint32_t long_max;
	uint32_t v6_max;
	uint32_t known; /* bit per list that was set */
	bool live;	/* the maps are compiled from these lists */
	bool changed;	/* some list is not what the maps were compiled from */

	struct source_lists lists_v4;
	struct source_lists lists_v6;

	size_t n_split; /* entries that a byte of v4 refers to */
	size_t n_v6;
	size_t v6_gone; /* single prefixes that were taken away; bits of v6_lines may be left over */
	struct source_nets v6;	  /* what source_v6 holds; tag is the answer */
	bool v6_known;		  /* false: to be read from the map */
	struct source_nets longs; /* what source_long holds; tag is the group */
	bool longs_known;	  /* false: to be read from the map */
	uint32_t *stale;	  /* /24s whose entry no byte refers to any more */
	size_t n_stale;
	uint64_t stale_ns; /* since when */
};

/* Wait until every packet that looked something up before now has its answer. */
void source_table_pause(void);
/* The same for look-ups before a time (clock_now_ns), which may be long ago. */
void source_table_pause_since(uint64_t since_ns);
/* -ENOSPC and *err if n entries are too many for a map. */
int source_table_room(const char *map, size_t n, uint32_t max, struct errmsg *err);
