/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files with kinds of values share. */
#pragma once

#include "conf_rows.h"

/* The row's maximum, or what its field can hold. */
uint64_t conf_type_max(const struct conf_row *row);
/* Copy a text of 1..max printable characters into the field; row->max wins over max. */
int conf_type_store(const struct conf_row *row, struct str text, uint64_t max, void *field,
		    struct conf_arena *arena, struct errmsg *why);
int conf_type_string_format(const struct conf_row *row, const void *field, const void *aux,
			    struct buf *out);
