/* SPDX-License-Identifier: BSD-2-Clause */
/* Map source_v6_lines: the bits that prefixes need there, so that a look-up asks for them. */
#pragma once

#include "sluice/abi/source.h"
#include "source_net.h"

/* Bits of one prefix more, in one line or, below /20, in up to 2^19. */
void source_v6_line_add(struct source_v6_line *lines, const struct source_net *net);
/*
 * The bits that these prefixes need and no others. A bit that stays is never away meanwhile. The last
 * line is not touched. 0 or -ENOMEM.
 */
int source_v6_line_set(struct source_v6_line *lines, const struct source_nets *nets);
