/* SPDX-License-Identifier: BSD-2-Clause */
/* What a round sends: packets, some of which answer what the programs replied. */
#pragma once

#include "draw.h"
#include "lane.h"

/* The next packet, at its time. */
void trace_next(struct draw *d, const struct lane *l, struct lane_packet *p);
