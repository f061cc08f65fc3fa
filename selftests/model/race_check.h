/* SPDX-License-Identifier: BSD-2-Clause */
/* What has to hold when no packet is under way. */
#pragma once

#include "bpf/plane.h"

#define RACE_CPUS	2
#define RACE_CLIENTS	8
#define RACE_CONCURRENT 2 /* flows of TCP of each */
#define RACE_PER_S	10
#define RACE_BURST	100

struct race {
	struct plane plane;
	uint32_t pass; /* what the program returns for it */
	uint64_t begin_ns;
	uint64_t sent;
	uint64_t admitted[2]; /* of the source with its own meter, of that with cells */
	char said[256];	      /* what does not hold; "": all does */
};

void race_check(struct race *r);
/* Of all flows only one is left, of UDP. */
void race_check_end(struct race *r);
