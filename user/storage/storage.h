/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has to survive a restart of the agent: operators' edits to the configuration, the number of
 * its revision and the audit trail. One SQLite file in state_dir, the supervisor's alone; never on the path of a request.
 */
#pragma once

#include <stdint.h>

#include "../base/buf.h"
#include "../base/errmsg.h"

struct storage;

/* Open or create dir/sluice.db (WAL, 0600). A file that is damaged or from a newer version is left
 * alone: -EUCLEAN or -EPROTO and *err. */
int storage_open(const char *dir, struct storage **ret, struct errmsg *err);
void storage_close(struct storage *s);

/* Edits as conf_edit takes them, oldest first: a JSON array. */
int storage_edits_load(struct storage *s, struct buf *ret);
/*
 * Add one edit (a JSON object) after conf_edit took it. It is folded into earlier ones of the same
 * item, so that what is loaded has the same outcome and does not grow with every change. Which item
 * it is about is read from its name, vip, list and prefix; name serves where it has none.
 */
int storage_edit_add(struct storage *s, const char *kind, const char *name, const char *op,
		     const char *edit_json);
/* Forget what is stored about one item; 0 where nothing is. holder: "" where it has none. */
int storage_edits_forget(struct storage *s, const char *kind, const char *holder, const char *name);
/* All gone: what `config apply --replace` does. */
int storage_edits_clear(struct storage *s);

/* The number of the last revision that was in force: 0 for a new file. Negative errno. */
int storage_revision_get(struct storage *s, uint64_t *ret);
int storage_revision_set(struct storage *s, uint64_t number);

/* who: "uid 0 pid 123"; what: a line of JSON. Kept: the newest 100,000. */
int storage_audit_add(struct storage *s, uint64_t wall_ns, const char *who, const char *what_json);
/* The newest n, oldest first, as a JSON array of {"wall_ns":…,"who":…,"what":…}. */
int storage_audit_load(struct storage *s, uint32_t n, struct buf *ret);
