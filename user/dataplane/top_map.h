/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps top and top_sets: who sends most, and whose packets are dropped most, of late. */
#pragma once

#include "dataplane.h"
#include "sluice/abi/top.h"

/* One source, over the last window of time (4.3 s). */
struct top_entry {
	struct prefix source; /* an IPv4 address or an IPv6 /64 */
	double per_s;	      /* packets or bytes; at least that many, but for sampling */
	double over_per_s;    /* it may be so many more */
	uint32_t reason;      /* enum drop_reason of its last sampled packet; 0: not dropped */
	uint32_t limit_class; /* that dropped it; 0: none */
};

struct top_list {
	struct top_entry *entry; /* the heaviest first */
	size_t n;
	double per_s; /* of all sources */
};

/* now_ns: CLOCK_MONOTONIC. 0, or negative errno; top_list_clear in any case. */
int top_map_read(struct dataplane *dp, enum top_table table, uint64_t now_ns, struct top_list *ret);
/* The same of any maps of that shape. */
int top_list_read(int top_fd, int sets_fd, enum top_table table, uint64_t now_ns,
		  struct top_list *ret);
void top_list_clear(struct top_list *list);
