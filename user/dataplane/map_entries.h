/* SPDX-License-Identifier: BSD-2-Clause */
/* How full the arrays are, of which the kernel only knows the size. */
#pragma once

#include "dataplane.h"

/*
 * Entries of an array that are given to somebody, by what this process wrote: backends, vip_ring,
 * limit_class, limit_rows, meters. -ENOENT: of no other map is that known.
 */
int map_entries_count(struct dataplane *dp, const char *name, uint32_t *ret);
