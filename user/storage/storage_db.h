/* SPDX-License-Identifier: BSD-2-Clause */
/* The database behind storage.h: connection, prepared statements, errors. */
#pragma once

#include <sqlite3.h>

#include "storage.h"

#define STORAGE_APPLICATION_ID 0x536c7563 /* "Sluc": tells our file from other databases */
#define STORAGE_VERSION	       2	  /* PRAGMA user_version; 2: revision */
#define STORAGE_AUDIT_MAX      100000

enum storage_stmt {
	STORAGE_BEGIN,
	STORAGE_COMMIT,
	STORAGE_ROLLBACK,
	STORAGE_EDITS_ALL,
	STORAGE_EDITS_OF_ITEM,
	STORAGE_EDIT_INSERT,
	STORAGE_EDIT_REPLACE,
	STORAGE_EDITS_DROP_ITEM,
	STORAGE_EDITS_DROP_HELD,
	STORAGE_EDITS_CLEAR,
	STORAGE_AUDIT_INSERT,
	STORAGE_AUDIT_PRUNE,
	STORAGE_AUDIT_NEWEST,
	STORAGE_REVISION_GET,
	STORAGE_REVISION_SET,
	STORAGE_STMTS,
};

struct storage {
	sqlite3 *db;
	sqlite3_stmt *stmt[STORAGE_STMTS];
};

/* Another connection to the file of s, for another thread; the file was looked at when s opened it. */
int storage_open_again(const struct storage *s, struct storage **ret);

struct storage_record {
	uint64_t wall_ns;
	const char *who, *what; /* as storage_audit_add */
};
/* All in one transaction, or none. what has to be JSON. */
int storage_audit_add_all(struct storage *s, const struct storage_record *list, size_t n);

/* An SQLite result as a negative errno. */
int storage_errno(int code);

/* The statement, reset and with its parameters bound from the texts (NULL ends the list). */
sqlite3_stmt *storage_stmt(struct storage *s, enum storage_stmt which, ...)
	__attribute__((sentinel));
/* Run a statement that returns no rows. */
int storage_run(sqlite3_stmt *stmt);
/* Next row: 1, 0 at the end, or negative errno; the statement is reset unless there was a row. */
int storage_row(sqlite3_stmt *stmt);
/* End a transaction: commit when err is 0, else roll back. Returns the first error. */
int storage_end(struct storage *s, int err);
