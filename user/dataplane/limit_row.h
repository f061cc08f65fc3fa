/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has which cells of map limit_rows. A class has 2 rows of 2^bits cells, one after the other. The
 * class records say who has what, so nothing else is kept. Works on memory of the maps' layout.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "sluice/abi/limit.h"

/* What a class is to have; row_bits 0: nothing. */
struct limit_row_want {
	uint32_t limit_class;
	uint32_t row_bits;
};

/* Without rates it is a limit that is gone, and its cells are free. */
bool limit_row_has_rates(const struct limit_class *c);
/* -ENOSPC and *err: they need more than there are. */
int limit_row_check(const struct limit_row_want *want, size_t n, uint32_t n_cells,
		    struct errmsg *err);
/*
 * Give each class its cells: it keeps those it has where their number stays the same, and gets
 * others, all zero, where not. What a class without rates has is free.
 * -ENOSPC and *err, nothing written: they need more than there are. *ret_moved: there were enough,
 * in pieces too small, so all classes got others.
 */
int limit_row_place(struct limit_class *classes, struct limit_meters *cells, uint32_t n_cells,
		    const struct limit_row_want *want, size_t n, bool *ret_moved,
		    struct errmsg *err);
