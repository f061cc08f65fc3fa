/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/cleanup.h"
#include "storage_db.h"

#define BUSY_MS 2000 /* during an upgrade, two supervisors have the file open */
#define SQL_MAX 96

static const char schema[] =
	"CREATE TABLE edits (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, holder TEXT NOT NULL,"
	" name TEXT NOT NULL, op TEXT NOT NULL, edit TEXT NOT NULL) STRICT;"
	"CREATE INDEX edits_item ON edits (kind, holder, name);"
	"CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ns INTEGER NOT NULL,"
	" who TEXT NOT NULL, what TEXT NOT NULL) STRICT;";

/* What version 1 lacks, of a new file and of an old one. */
static const char schema_2[] = "CREATE TABLE revision (id INTEGER PRIMARY KEY CHECK (id = 1),"
			       " number INTEGER NOT NULL) STRICT;"
			       "PRAGMA user_version = 2;";

static const char *const sql[STORAGE_STMTS] = {
	[STORAGE_BEGIN] = "BEGIN IMMEDIATE",
	[STORAGE_COMMIT] = "COMMIT",
	[STORAGE_ROLLBACK] = "ROLLBACK",
	[STORAGE_EDITS_ALL] = "SELECT edit FROM edits ORDER BY id",
	[STORAGE_EDITS_OF_ITEM] = "SELECT id, op, edit FROM edits"
				  " WHERE kind = ?1 AND holder = ?2 AND name = ?3 ORDER BY id",
	[STORAGE_EDIT_INSERT] = "INSERT INTO edits (kind, holder, name, op, edit)"
				" VALUES (?1, ?2, ?3, ?4, ?5)",
	[STORAGE_EDIT_REPLACE] = "UPDATE edits SET edit = ?1 WHERE id = ?2",
	[STORAGE_EDITS_DROP_ITEM] =
		"DELETE FROM edits WHERE kind = ?1 AND holder = ?2 AND name = ?3",
	[STORAGE_EDITS_DROP_HELD] = "DELETE FROM edits WHERE kind = ?1 AND holder = ?2",
	[STORAGE_EDITS_CLEAR] = "DELETE FROM edits",
	[STORAGE_AUDIT_INSERT] = "INSERT INTO audit (who, what, wall_ns) VALUES (?1, ?2, ?3)",
	/* ids count up without gaps that matter, so the newest ones are a range */
	[STORAGE_AUDIT_PRUNE] = "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1",
	[STORAGE_AUDIT_NEWEST] = "SELECT wall_ns, who, what FROM (SELECT * FROM audit"
				 " ORDER BY id DESC LIMIT ?1) ORDER BY id",
	[STORAGE_REVISION_GET] = "SELECT number FROM revision",
	[STORAGE_REVISION_SET] = "INSERT INTO revision (id, number) VALUES (1, ?1)"
				 " ON CONFLICT (id) DO UPDATE SET number = ?1",
};

int storage_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

sqlite3_stmt *storage_stmt(struct storage *s, enum storage_stmt which, ...)
{
	sqlite3_stmt *stmt = s->stmt[which];
	const char *text;
	va_list args;
	int at = 1;

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	va_start(args, which);
	/* Copied: callers' texts may go before the statement is run again. */
	while ((text = va_arg(args, const char *)))
		sqlite3_bind_text(stmt, at++, text, -1, SQLITE_TRANSIENT);
	va_end(args);
	return stmt;
}

int storage_run(sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return storage_errno(code);
}

int storage_row(sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);

	if (code == SQLITE_ROW)
		return 1;
	sqlite3_reset(stmt);
	return storage_errno(code);
}

int storage_end(struct storage *s, int err)
{
	if (!err)
		err = storage_run(storage_stmt(s, STORAGE_COMMIT, NULL));
	/* Some errors have rolled back already; then this one fails, which is as good. */
	if (err && !sqlite3_get_autocommit(s->db))
		(void)storage_run(storage_stmt(s, STORAGE_ROLLBACK, NULL));
	return err;
}

/* SQLite would make the file with the umask's mode; its -wal and -shm then follow ours. */
static int make_private(const char *path, struct errmsg *err)
{
	int fd CLEANUP_FD = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	/* Closed again before SQLite locks the file: a later close would drop its locks. */
	if (fd < 0)
		return errmsg_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int pragma(sqlite3 *db, const char *name, int *ret)
{
	sqlite3_stmt *stmt = NULL;
	char text[SQL_MAX];
	int code;

	snprintf(text, sizeof(text), "PRAGMA %s", name);
	code = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*ret = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return storage_errno(code);
}

/* 1 when SQLite finds nothing wrong, 0 when it does. */
static int is_sound(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	int sound = 0;

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		sound = strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
	sqlite3_finalize(stmt);
	return code == SQLITE_ROW || storage_errno(code) == -EUCLEAN ? sound : storage_errno(code);
}

/* Look before anything is written: a file that is not ours, or damaged, or newer, stays as it is. */
static int inspect(sqlite3 *db, const char *path, int *ret_version, struct errmsg *err)
{
	int application = 0, version = 0, tables = 0, sound;
	int code = pragma(db, "schema_version", &tables);

	if (!code)
		code = pragma(db, "application_id", &application);
	if (!code)
		code = pragma(db, "user_version", &version);
	if (code && code != -EUCLEAN)
		return errmsg_set(err, code, "%s: %s", path, sqlite3_errmsg(db));
	if (code || (tables && application != STORAGE_APPLICATION_ID))
		return errmsg_set(err, -EUCLEAN,
				  "%s is no database of Sluice, or damaged; move it away to start "
				  "afresh without operators' changes",
				  path);
	if (version > STORAGE_VERSION)
		return errmsg_set(err, -EPROTO,
				  "%s has version %d, this program knows up to %d; start the newer "
				  "program, or move the file away",
				  path, version, STORAGE_VERSION);
	sound = is_sound(db);
	if (sound < 0)
		return errmsg_set(err, sound, "%s: %s", path, sqlite3_errmsg(db));
	if (!sound)
		return errmsg_set(err, -EUCLEAN,
				  "%s is damaged; restore it, or move it away to start afresh "
				  "without operators' changes",
				  path);
	*ret_version = version;
	return 0;
}

static int exec(sqlite3 *db, const char *text)
{
	return storage_errno(sqlite3_exec(db, text, NULL, NULL, NULL));
}

static int prepare_all(struct storage *s)
{
	for (int i = 0; i < STORAGE_STMTS; i++) {
		int code = sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
					      &s->stmt[i], NULL);

		if (code != SQLITE_OK)
			return storage_errno(code);
	}
	return 0;
}

/* From the version that the file has, 0 being none, to ours. */
static int upgrade(sqlite3 *db, int version)
{
	char text[SQL_MAX];
	int err = exec(db, "BEGIN IMMEDIATE");

	if (!err && version < 1) {
		snprintf(text, sizeof(text), "PRAGMA application_id=%d", STORAGE_APPLICATION_ID);
		err = exec(db, schema);
		err = err ? err : exec(db, text);
	}
	if (!err)
		err = exec(db, schema_2);
	return err ? err : exec(db, "COMMIT");
}

static int connect_db(struct storage *s, const char *path)
{
	int code = storage_errno(
		sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL));

	if (!code)
		code = storage_errno(sqlite3_busy_timeout(s->db, BUSY_MS));
	/* The file may be anybody's: no SQL of its schema is trusted. */
	return code ? code : exec(s->db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON");
}

/* FULL: an operator was told that his change is stored. */
static int set_durable(sqlite3 *db)
{
	return exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
}

static int open_db(struct storage *s, const char *path, struct errmsg *err)
{
	int version = 0;
	int code = connect_db(s, path);

	if (code && code != -EUCLEAN)
		return errmsg_set(err, code, "%s: %s", path, sqlite3_errmsg(s->db));
	code = inspect(s->db, path, &version, err);
	if (code)
		return code;
	code = set_durable(s->db);
	if (!code && version < STORAGE_VERSION)
		code = upgrade(s->db, version);
	if (!code)
		code = prepare_all(s);
	if (code)
		return errmsg_set(err, code, "%s: %s", path, sqlite3_errmsg(s->db));
	return 0;
}

int storage_open(const char *dir, struct storage **ret, struct errmsg *err)
{
	char path[4096];
	struct storage *s;
	int code;

	if ((size_t)snprintf(path, sizeof(path), "%s/sluice.db", dir) >= sizeof(path))
		return errmsg_set(err, -ENAMETOOLONG, "%.200s...: too long", dir);
	code = make_private(path, err);
	if (code)
		return code;
	s = calloc(1, sizeof(*s));
	if (!s)
		return errmsg_set(err, -ENOMEM, "no memory");
	code = open_db(s, path, err);
	if (!code && chmod(path, 0600))
		code = errmsg_set(err, -errno, "%s: %s", path, strerror(errno));
	if (code) {
		storage_close(s);
		return code;
	}
	*ret = s;
	return 0;
}

int storage_open_again(const struct storage *s, struct storage **ret)
{
	struct storage *again = calloc(1, sizeof(*again));
	int code;

	if (!again)
		return -ENOMEM;
	/* Not through make_private: its close would drop the locks that s has on the file. */
	code = connect_db(again, sqlite3_db_filename(s->db, "main"));
	if (!code)
		code = set_durable(again->db);
	if (!code)
		code = prepare_all(again);
	if (code) {
		storage_close(again);
		return code;
	}
	*ret = again;
	return 0;
}

void storage_close(struct storage *s)
{
	if (!s)
		return;
	for (int i = 0; i < STORAGE_STMTS; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	free(s);
}
