/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "conf_rows.h"

/* One setting, or one item of a list, as JSON. 0 or -ENOSPC. */
int conf_dump_row(const struct conf_row *row, const void *item, enum conf_dump mode,
		  struct buf *out);
int conf_dump_item(const struct conf_row *row, const void *list_item, enum conf_dump mode,
		   struct buf *out);
/* A map of settings as JSON. 0 or -ENOSPC. */
int conf_dump_map(const struct conf_table *table, const void *item, enum conf_dump mode,
		  struct buf *out);
