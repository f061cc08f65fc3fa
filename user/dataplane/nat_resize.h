/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Map nat_flow in another size. In a larger one flows keep their slots, so their tuples mean the same
 * and can be moved behind the flip (map_move.h): a tenth of a microsecond a flow. In a smaller one, or one of
 * another layout, slots that there are no more go to others, with their tuples, before the flip: a microsecond a flow.
 */
#pragma once

#include <stdbool.h>

#include "pinned_map.h"

/* Is map nat_flow a larger one of the same layout, in the place of another? */
bool nat_resize_keeps_slots(struct dataplane *dp);
/* The flows of m's map of before into the new one that nobody uses yet; what has room. */
int nat_resize_copy(struct dataplane *dp, const struct pinned_map *m, const struct map_shape *old);
/*
 * Behind the flip: flows that began in m's old map since it was copied, if they keep their slots. Where a
 * flow of the new programs has such a slot by now, the other is its client's connection no more.
 */
void nat_resize_catch_up(struct dataplane *dp, const struct pinned_map *m);
