/* SPDX-License-Identifier: BSD-2-Clause */
/* "Did you mean": which of the known words is nearest to the one that was written. */
#pragma once

#include <stdbool.h>

#include "../base/str.h"

struct conf_distance {
	struct str written;
	unsigned int best; /* a candidate has to be nearer than this */
};

/* Words that differ in more than a third of their letters are not worth suggesting. */
struct conf_distance conf_distance_start(struct str written);
/* True, once, for a candidate that is nearer than all before it. */
bool conf_distance_nearer(struct conf_distance *d, struct str candidate);
