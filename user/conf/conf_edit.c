/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Edits are made on the JSON of the whole, and the result is read like a file: one path checks all.
 * Lists that edits touch are kept as objects by name (or prefix) meanwhile, so that an edit does not
 * search; jansson keeps the order in which members were added.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "../base/addr.h"
#include "../base/cleanup.h"
#include "conf_build.h"
#include "conf_errors.h"

#define DUMP_MAX_BYTES	(64U << 20)
#define EDITS_MAX_BYTES CONF_FILE_MAX_BYTES

enum op { OP_SET, OP_ADD, OP_DEL };

struct edit {
	size_t number; /* from 1, for errors */
	const char *kind, *name;
	enum op op;
	json_t *fields; /* the edit itself; what locates it is taken out */
};

struct edits {
	json_t *root; /* the configuration */
	struct conf_errors *errors;
};

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

static const char *const op_names[] = { [OP_SET] = "set", [OP_ADD] = "add", [OP_DEL] = "del" };

__attribute__((format(printf, 3, 4))) static int refuse(struct edits *e, const struct edit *edit,
							const char *fmt, ...)
{
	char shown[CONF_ERRORS_SHOW_BYTES], what[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	return conf_errors_add(e->errors, 0, 0, "edit %zu (%s%s%s): %s", edit->number,
			       edit->kind ? edit->kind : "?", edit->name ? " " : "",
			       edit->name ? conf_errors_show(str_of(edit->name), shown) : "", what);
}

/*
 * The list at key of holder as an object by name, made from the array on first use. An earlier edit
 * may have put anything there: what has no names, or two of one, is refused and not lost.
 */
static int by_name(struct edits *e, const struct edit *edit, json_t *holder, const char *key,
		   json_t **ret)
{
	json_t *list = json_object_get(holder, key), *object, *item;
	size_t i;

	if (json_is_object(list)) {
		*ret = list;
		return 0;
	}
	object = json_object();
	json_array_foreach(list, i, item) {
		json_t *name = json_is_object(item) ? json_object_get(item, "name") : item;

		if (json_is_string(name))
			json_object_set(object, json_string_value(name), item);
	}
	if ((list && !json_is_null(list) && !json_is_array(list)) ||
	    json_object_size(object) != json_array_size(list)) {
		json_decref(object);
		return refuse(e, edit, "an earlier edit left %s without proper names", key);
	}
	*ret = object;
	return json_object_set_new(holder, key, object) ? -ENOMEM : 0;
}

/* Back to an array, in the order of the members. */
static int to_array(json_t *holder, const char *key)
{
	json_t *object = json_object_get(holder, key), *array, *item;
	const char *name;

	if (!json_is_object(object))
		return 0;
	array = json_array();
	json_object_foreach(object, name, item)
		if (json_array_append(array, item)) {
			json_decref(array);
			return -ENOMEM;
		}
	return json_object_set_new(holder, key, array) ? -ENOMEM : 0;
}

/* Members of from into to; maps are merged, all else is replaced. */
static int merge(json_t *to, json_t *from)
{
	const char *key;
	json_t *value;
	int err = 0;

	json_object_foreach(from, key, value) {
		json_t *old = json_object_get(to, key);

		if (json_is_object(value) && json_is_object(old))
			err = merge(old, value);
		else
			err = json_object_set(to, key, value) ? -ENOMEM : 0;
		if (err)
			return err;
	}
	return 0;
}

/* Take a text out of the edit: what is left of it are fields. NULL: not there, or no text. */
static const char *take_text(struct edit *edit, const char *key, json_t **owner)
{
	json_t *value = json_object_get(edit->fields, key);

	if (!json_is_string(value))
		return NULL;
	*owner = json_incref(value);
	json_object_del(edit->fields, key);
	return json_string_value(value);
}

static int edit_named(struct edits *e, struct edit *edit, json_t *holder, const char *key)
{
	json_t *items, *item;
	int err = by_name(e, edit, holder, key, &items);

	if (err)
		return err;
	if (!edit->name)
		return refuse(e, edit, "says no name; give name");
	/* An object there would pass for a list that by_name made. */
	if (json_is_object(json_object_get(edit->fields, "backends")))
		return refuse(e, edit, "backends has to be a list");
	item = json_object_get(items, edit->name);
	if (edit->op == OP_ADD ? !!item : !item)
		return refuse(e, edit, "there is %s %s of this name", item ? "already a" : "no",
			      edit->kind);
	switch (edit->op) {
	case OP_DEL:
		json_object_del(items, edit->name);
		return 0;
	case OP_ADD:
		item = json_pack("{s:s}", "name", edit->name);
		if (!item || json_object_set_new(items, edit->name, item))
			return -ENOMEM;
		return merge(item, edit->fields);
	case OP_SET:
	default:
		/* New keys replace the old ones, whichever way they are written. */
		if (json_object_get(edit->fields, "keys") ||
		    json_object_get(edit->fields, "keys_sha256")) {
			json_object_del(item, "keys");
			json_object_del(item, "keys_sha256");
		}
		return merge(item, edit->fields);
	}
}

static int edit_backend(struct edits *e, struct edit *edit)
{
	json_t *owner CLEANUP(cleanup_json) = NULL;
	const char *vip_name = take_text(edit, "vip", &owner);
	json_t *vips, *vip;
	int err;

	if (!vip_name)
		return refuse(e, edit, "says no vip; give vip");
	err = by_name(e, edit, e->root, "vips", &vips);
	if (err)
		return err;
	vip = json_object_get(vips, vip_name);
	if (!vip)
		return refuse(e, edit, "there is no vip '%.63s'", vip_name);
	return edit_named(e, edit, vip, "backends");
}

/* {"kind":"plan","op":"set","name":…,"limits":{"burst":{"rate":…}}}: limits by their names. */
static int edit_plan(struct edits *e, struct edit *edit)
{
	json_t *plans, *plan, *limits, *limit, *changes, *fields;
	const char *name;
	int err = by_name(e, edit, e->root, "plans", &plans);

	if (err)
		return err;
	plan = edit->name ? json_object_get(plans, edit->name) : NULL;
	changes = json_object_get(edit->fields, "limits");
	if (!plan)
		return refuse(e, edit, "there is no plan of this name");
	if (edit->op != OP_SET || !json_is_object(changes) || json_object_size(edit->fields) != 1)
		return refuse(e, edit, "op is set, and limits is a map by name");
	err = by_name(e, edit, plan, "limits", &limits);
	json_object_foreach(changes, name, fields) {
		if (err)
			return err;
		limit = json_object_get(limits, name);
		if (!limit || !json_is_object(fields))
			return refuse(e, edit, "there is no limit '%.63s' in it", name);
		err = merge(limit, fields);
	}
	return err;
}

static int edit_prefixes(struct edits *e, struct edit *edit, const char *list, const char *prefix)
{
	json_t *prefixes;
	int err = by_name(e, edit, json_object_get(e->root, "acl"), list, &prefixes);

	if (err)
		return err;
	if (edit->op == OP_ADD) {
		if (json_object_get(prefixes, prefix))
			return refuse(e, edit, "is in acl.%s already", list);
		return json_object_set_new(prefixes, prefix, json_string(prefix)) ? -ENOMEM : 0;
	}
	if (json_object_del(prefixes, prefix))
		return refuse(e, edit, "is not in acl.%s", list);
	return 0;
}

static int edit_acl(struct edits *e, struct edit *edit)
{
	json_t *list_owner CLEANUP(cleanup_json) = NULL, *owner CLEANUP(cleanup_json) = NULL;
	const char *list = take_text(edit, "list", &list_owner);
	const char *text = take_text(edit, "prefix", &owner), *field;
	char canonical[ADDR_TEXT_MAX];
	struct prefix prefix;

	edit->name = text;
	if (edit->op == OP_SET)
		return refuse(e, edit, "op is add or del");
	if (!list || (strcmp(list, "allow") != 0 && strcmp(list, "deny") != 0))
		return refuse(e, edit, "list is allow or deny");
	if (!text || prefix_parse(text, &prefix))
		return refuse(e, edit, "prefix is not a prefix; write e.g. 192.0.2.0/24");
	field = json_object_iter_key(json_object_iter(edit->fields));
	if (field)
		return refuse(e, edit, "no such setting: %.32s", field);
	return edit_prefixes(e, edit, list, prefix_format(&prefix, canonical));
}

static int apply_kind(struct edits *e, struct edit *edit)
{
	static const struct {
		const char *kind, *list;
	} lists[] = { { "limit", "limits" }, { "consumer", "consumers" }, { "vip", "vips" } };
	json_t *owner CLEANUP(cleanup_json) = NULL;

	if (strcmp(edit->kind, "acl") == 0)
		return edit_acl(e, edit);
	edit->name = take_text(edit, "name", &owner);
	if (strcmp(edit->kind, "backend") == 0)
		return edit_backend(e, edit);
	if (strcmp(edit->kind, "plan") == 0)
		return edit_plan(e, edit);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(edit->kind, lists[i].kind) == 0)
			return edit_named(e, edit, e->root, lists[i].list);
	return refuse(e, edit, "kind is limit, consumer, plan, vip, backend or acl");
}

static int apply(struct edits *e, json_t *json, size_t number)
{
	json_t *fields CLEANUP(cleanup_json) = json_is_object(json) ? json_copy(json) : NULL;
	json_t *kind_owner CLEANUP(cleanup_json) = NULL, *op_owner CLEANUP(cleanup_json) = NULL;
	struct edit edit = { .number = number, .fields = fields };
	const char *op;

	if (!fields)
		return refuse(e, &edit, "is not an object");
	edit.kind = take_text(&edit, "kind", &kind_owner);
	op = take_text(&edit, "op", &op_owner);
	if (!edit.kind)
		return refuse(e, &edit, "kind is limit, consumer, plan, vip, backend or acl");
	for (edit.op = OP_SET; op && edit.op <= OP_DEL; edit.op++)
		if (strcmp(op, op_names[edit.op]) == 0)
			return apply_kind(e, &edit);
	return refuse(e, &edit, "op is set, add or del");
}

/* Undo by_name in a list of the root, and in the list that each of its items holds. */
static int settle_list(json_t *root, const char *key, const char *held)
{
	json_t *item;
	size_t i;
	int err = to_array(root, key);

	json_array_foreach(json_object_get(root, key), i, item)
		if (!err && held)
			err = to_array(item, held);
	return err;
}

static int settle(json_t *root)
{
	json_t *acl = json_object_get(root, "acl");
	int err = settle_list(root, "limits", NULL);

	if (!err)
		err = settle_list(root, "consumers", NULL);
	if (!err)
		err = settle_list(root, "plans", "limits");
	if (!err)
		err = settle_list(root, "vips", "backends");
	if (!err)
		err = settle_list(acl, "allow", NULL);
	return err ? err : settle_list(acl, "deny", NULL);
}

static json_t *load(const char *text, size_t len, struct conf_errors *errors)
{
	json_error_t why;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

	if (!json)
		conf_errors_add(errors, 0, 0, "the edits are no JSON: %s at byte %d", why.text,
				why.position);
	return json;
}

static int load_conf(const struct conf *conf, struct conf_errors *errors, json_t **ret)
{
	struct buf text;
	int err;

	buf_init(&text, DUMP_MAX_BYTES);
	err = conf_dump(conf, CONF_DUMP_FULL, &text);
	if (!err) {
		*ret = load(buf_head(&text), buf_len(&text), errors);
		err = *ret ? 0 : -EINVAL;
	}
	buf_clear(&text);
	return err;
}

static int build(json_t *root, struct conf_errors *errors, struct conf **ret)
{
	struct conf_arena *scratch CLEANUP(conf_arena_cleanup) = conf_arena_new();
	struct conf_node *tree;
	int err;

	if (!scratch)
		return -ENOMEM;
	err = conf_json_read(root, scratch, errors, &tree);
	return err ? err : conf_build(tree, scratch, NULL, errors, ret);
}

/* Edits touch no listener and no cluster: where the file names a certificate is still true. */
static void keep_places(const struct conf *from, struct conf *to)
{
	for (size_t i = 0; i < from->n_listeners && i < to->n_listeners; i++) {
		const struct conf_listener *a = &from->listeners[i];
		struct conf_listener *b = &to->listeners[i];

		for (size_t k = 0; k < a->n_certificates && k < b->n_certificates; k++) {
			b->certificates[k].certificate_place = a->certificates[k].certificate_place;
			b->certificates[k].key_place = a->certificates[k].key_place;
		}
		b->client_auth.ca_place = a->client_auth.ca_place;
		b->client_auth.crl_place = a->client_auth.crl_place;
	}
	for (size_t i = 0; i < from->n_clusters && i < to->n_clusters; i++) {
		const struct conf_upstream_tls *a = &from->clusters[i].tls;
		struct conf_upstream_tls *b = &to->clusters[i].tls;

		b->ca_place = a->ca_place;
		b->certificate_place = a->certificate_place;
		b->key_place = a->key_place;
	}
}

int conf_edit(const struct conf *from, const char *edits_json, struct conf **ret,
	      struct conf_errors *errors)
{
	json_t *list CLEANUP(cleanup_json) = NULL, *root CLEANUP(cleanup_json) = NULL;
	struct edits e = { .errors = errors };
	size_t len = strnlen(edits_json, EDITS_MAX_BYTES + 1);
	int err;

	errors->n = 0;
	errors->suppressed = 0;
	if (len > EDITS_MAX_BYTES)
		return conf_errors_add(errors, 0, 0, "the edits are more than 16 MiB");
	list = load(edits_json, len, errors);
	if (!list)
		return -EINVAL;
	if (!json_is_array(list))
		return conf_errors_add(errors, 0, 0, "edits are an array of objects");
	err = load_conf(from, errors, &root);
	if (err)
		return err;
	e.root = root;
	for (size_t i = 0; i < json_array_size(list); i++) {
		err = apply(&e, json_array_get(list, i), i + 1);
		if (err == -ENOMEM)
			return err;
	}
	if (errors->n)
		return -EINVAL;
	err = settle(root);
	if (!err)
		err = build(root, errors, ret);
	if (!err)
		keep_places(from, *ret);
	return err;
}
