/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit trail: who did what when, appended, cut at the old end. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "storage_db.h"

static int insert(struct storage *s, const struct storage_record *r)
{
	sqlite3_stmt *stmt = storage_stmt(s, STORAGE_AUDIT_INSERT, r->who, r->what, NULL);

	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)r->wall_ns);
	return storage_run(stmt);
}

int storage_audit_add_all(struct storage *s, const struct storage_record *list, size_t n)
{
	int err = storage_run(storage_stmt(s, STORAGE_BEGIN, NULL));
	sqlite3_stmt *stmt;

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++)
		err = insert(s, &list[i]);
	stmt = storage_stmt(s, STORAGE_AUDIT_PRUNE, NULL);
	sqlite3_bind_int64(stmt, 1, STORAGE_AUDIT_MAX);
	if (!err)
		err = storage_run(stmt);
	return storage_end(s, err);
}

int storage_audit_add(struct storage *s, uint64_t wall_ns, const char *who, const char *what_json)
{
	const struct storage_record record = { wall_ns, who, what_json };
	json_t *what = json_loads(what_json, JSON_DECODE_ANY, NULL);

	json_decref(what);
	return what ? storage_audit_add_all(s, &record, 1) : -EINVAL;
}

static int add_row(sqlite3_stmt *stmt, bool first, struct buf *ret)
{
	const char *who = (const char *)sqlite3_column_text(stmt, 1);
	const char *what = (const char *)sqlite3_column_text(stmt, 2);
	json_t *who_json = json_string(who ? who : "");
	char *who_text = json_dumps(who_json, JSON_ENCODE_ANY);
	int err;

	json_decref(who_json);
	if (!what || !who_text) {
		free(who_text);
		return -ENOMEM;
	}
	err = buf_printf(ret, "%s{\"wall_ns\":%" PRIu64 ",\"who\":%s,\"what\":%s}",
			 first ? "" : ",\n", (uint64_t)sqlite3_column_int64(stmt, 0), who_text,
			 what);
	free(who_text);
	return err;
}

int storage_audit_load(struct storage *s, uint32_t n, struct buf *ret)
{
	sqlite3_stmt *stmt = storage_stmt(s, STORAGE_AUDIT_NEWEST, NULL);
	size_t before = buf_len(ret);
	int err = buf_add(ret, "[", 1), row = 0;

	sqlite3_bind_int64(stmt, 1, n);
	for (bool first = true; !err && (row = storage_row(stmt)) > 0; first = false)
		err = add_row(stmt, first, ret);
	sqlite3_reset(stmt);
	if (!err)
		err = row < 0 ? row : buf_add(ret, "]", 1);
	if (err)
		ret->end = ret->start + before;
	return err;
}
