/* SPDX-License-Identifier: BSD-2-Clause */
/* What a round sends: packets, some of which answer what the programs replied. */
#pragma once

#include "draw.h"
#include "lane.h"

/* The next packet, at its time. */
void trace_next(struct draw *d, const struct lane *l, struct lane_packet *p);
/* An answer to a packet that went on translated, or an error about it; there was one. */
void trace_nat(struct draw *d, const struct lane *l, struct frame *f);
/* A packet as it was made, at a vip that translates. */
void trace_nat_aim(struct draw *d, const struct lane *l, struct frame *f);
