/* SPDX-License-Identifier: BSD-2-Clause */
/* Revisions are counted on over restarts, so that a number in a log means one configuration. */
#include "storage_db.h"

int storage_revision_get(struct storage *s, uint64_t *ret)
{
	sqlite3_stmt *stmt = storage_stmt(s, STORAGE_REVISION_GET, NULL);
	int row = storage_row(stmt);

	if (row < 0)
		return row;
	*ret = row ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return 0;
}

int storage_revision_set(struct storage *s, uint64_t number)
{
	sqlite3_stmt *stmt = storage_stmt(s, STORAGE_REVISION_SET, NULL);

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)number);
	return storage_run(stmt);
}
