/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operators' edits, folded as they come, so that their number is bounded by what they are about and
 * not by how often somebody changes it:
 *   set after add or set of the same item   merged into that one
 *   del after add                           both go: the item was never in the file
 *   del after set                           the sets go
 * A vip holds its backends: when it goes, or gets a new list, edits of them go.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "../base/addr.h"
#include "../base/cleanup.h"
#include "storage_db.h"

/* What an edit is about. Texts belong to the edit's JSON, or to prefix. */
struct item {
	const char *kind, *holder, *name, *op;
	char prefix[ADDR_TEXT_MAX];
};

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

static void cleanup_text(char **text)
{
	free(*text);
}

/* The member, or otherwise where it is no text. */
static const char *text_or(const json_t *edit, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(edit, key));

	return text ? text : otherwise;
}

/* Two texts may say one prefix: the usual form is the name. */
static void identify(struct item *item, const json_t *edit)
{
	const char *prefix = text_or(edit, "prefix", NULL);
	struct prefix parsed;

	item->name = text_or(edit, "name", item->name);
	item->holder = text_or(edit, "vip", text_or(edit, "list", ""));
	if (!prefix)
		return;
	item->name = prefix;
	if (prefix_parse(prefix, &parsed) == 0)
		item->name = prefix_format(&parsed, item->prefix);
}

int storage_edits_load(struct storage *s, struct buf *ret)
{
	sqlite3_stmt *stmt = storage_stmt(s, STORAGE_EDITS_ALL, NULL);
	size_t before = buf_len(ret);
	int err = buf_add(ret, "[", 1), row = 0;

	for (bool first = true; !err && (row = storage_row(stmt)) > 0; first = false) {
		const char *edit = (const char *)sqlite3_column_text(stmt, 0);

		err = first ? 0 : buf_add(ret, ",\n", 2);
		if (!err)
			err = edit ? buf_add_str(ret, str_of(edit)) : -ENOMEM;
	}
	sqlite3_reset(stmt);
	if (!err)
		err = row < 0 ? row : buf_add(ret, "]", 1);
	if (err)
		ret->end = ret->start + before;
	return err;
}

/*
 * Merge a later edit into an earlier one as conf_edit would have merged them in turn. False where
 * that is not the same: a map that was cleared and then given again starts from nothing.
 */
static bool merge(json_t *to, json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach(from, key, value) {
		json_t *old = json_object_get(to, key);

		if (json_is_object(value) && json_is_null(old))
			return false;
		if (json_is_object(value) && json_is_object(old)) {
			if (!merge(old, value))
				return false;
		} else if (json_object_set(to, key, value)) {
			return false;
		}
	}
	return true;
}

/* Keys in either form replace keys in both (conf_edit). */
static void forget_keys(json_t *old, const json_t *edit)
{
	if (!json_object_get(edit, "keys") && !json_object_get(edit, "keys_sha256"))
		return;
	json_object_del(old, "keys");
	json_object_del(old, "keys_sha256");
}

struct past {
	bool added, deleted; /* among the earlier edits of the item */
	sqlite3_int64 last_id;
	json_t *last; /* NULL: none */
	bool last_deleted;
};

static int recall(struct storage *s, const struct item *item, struct past *past)
{
	sqlite3_stmt *stmt =
		storage_stmt(s, STORAGE_EDITS_OF_ITEM, item->kind, item->holder, item->name, NULL);
	int row;

	while ((row = storage_row(stmt)) > 0) {
		const char *op = (const char *)sqlite3_column_text(stmt, 1);
		const char *edit = (const char *)sqlite3_column_text(stmt, 2);

		if (!op || !edit) {
			sqlite3_reset(stmt);
			return -ENOMEM;
		}
		past->last_deleted = strcmp(op, "del") == 0;
		past->deleted = past->deleted || past->last_deleted;
		past->added = past->added || strcmp(op, "add") == 0;
		past->last_id = sqlite3_column_int64(stmt, 0);
		json_decref(past->last);
		past->last = json_loads(edit, 0, NULL);
	}
	return row;
}

static int insert(struct storage *s, const struct item *item, const json_t *edit)
{
	char *text CLEANUP(cleanup_text) = json_dumps(edit, JSON_COMPACT);

	if (!text)
		return -ENOMEM;
	return storage_run(storage_stmt(s, STORAGE_EDIT_INSERT, item->kind, item->holder,
					item->name, item->op, text, NULL));
}

static int replace(struct storage *s, sqlite3_int64 id, const json_t *edit)
{
	char *text CLEANUP(cleanup_text) = json_dumps(edit, JSON_COMPACT);
	sqlite3_stmt *stmt;

	if (!text)
		return -ENOMEM;
	stmt = storage_stmt(s, STORAGE_EDIT_REPLACE, text, NULL);
	sqlite3_bind_int64(stmt, 2, id);
	return storage_run(stmt);
}

static int drop_backends(struct storage *s, const struct item *vip)
{
	return storage_run(storage_stmt(s, STORAGE_EDITS_DROP_HELD, "backend", vip->name, NULL));
}

static int add_del(struct storage *s, const struct item *item, const struct past *past,
		   const json_t *edit)
{
	int err = storage_run(storage_stmt(s, STORAGE_EDITS_DROP_ITEM, item->kind, item->holder,
					   item->name, NULL));

	if (!err && strcmp(item->kind, "vip") == 0)
		err = drop_backends(s, item);
	/* Added here and never deleted before: it is not in the file, nothing is left to delete. */
	if (err || (past->added && !past->deleted))
		return err;
	return insert(s, item, edit);
}

static int add_set(struct storage *s, const struct item *item, const struct past *past,
		   json_t *edit)
{
	json_t *merged CLEANUP(cleanup_json) = NULL;
	int err = 0;

	if (strcmp(item->kind, "vip") == 0 && json_object_get(edit, "backends"))
		err = drop_backends(s, item);
	if (err || !json_is_object(past->last) || past->last_deleted)
		return err ? err : insert(s, item, edit);
	merged = json_deep_copy(past->last);
	if (!merged)
		return -ENOMEM;
	forget_keys(merged, edit);
	/* The earlier one stays an add, if it was one. */
	json_object_del(edit, "op");
	if (merge(merged, edit))
		return replace(s, past->last_id, merged);
	if (json_object_set_new(edit, "op", json_string("set")))
		return -ENOMEM;
	return insert(s, item, edit);
}

int storage_edit_add(struct storage *s, const char *kind, const char *name, const char *op,
		     const char *edit_json)
{
	json_t *edit CLEANUP(cleanup_json) = json_loads(edit_json, JSON_REJECT_DUPLICATES, NULL);
	struct item item = { .kind = kind, .name = name ? name : "", .op = op };
	struct past past = { 0 };
	int err;

	if (!json_is_object(edit) ||
	    (strcmp(op, "set") != 0 && strcmp(op, "add") != 0 && strcmp(op, "del") != 0))
		return -EINVAL;
	if (json_object_set_new(edit, "kind", json_string(kind)) ||
	    json_object_set_new(edit, "op", json_string(op)))
		return -ENOMEM;
	if (name && !json_object_get(edit, "name") && !json_object_get(edit, "prefix") &&
	    json_object_set_new(edit, "name", json_string(name)))
		return -ENOMEM;
	identify(&item, edit);
	err = storage_run(storage_stmt(s, STORAGE_BEGIN, NULL));
	if (err)
		return err;
	err = recall(s, &item, &past);
	if (!err && strcmp(op, "del") == 0)
		err = add_del(s, &item, &past, edit);
	else if (!err && strcmp(op, "set") == 0)
		err = add_set(s, &item, &past, edit);
	else if (!err)
		err = insert(s, &item, edit);
	json_decref(past.last);
	return storage_end(s, err);
}

int storage_edits_forget(struct storage *s, const char *kind, const char *holder, const char *name)
{
	return storage_run(storage_stmt(s, STORAGE_EDITS_DROP_ITEM, kind, holder, name, NULL));
}

int storage_edits_clear(struct storage *s)
{
	return storage_run(storage_stmt(s, STORAGE_EDITS_CLEAR, NULL));
}
