/* SPDX-License-Identifier: BSD-2-Clause */
#include "edits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define EDITS_MAX_BYTES (64U << 20)

static int load(struct edits *e, struct buf *text, struct errmsg *err)
{
	CLEANUP_FREE char *dump = NULL;
	int ret;

	if (e->storage) {
		ret = storage_edits_load(e->storage, text);
		if (!ret)
			ret = buf_add(text, "", 1); /* conf_edit takes a C string */
		return ret ? errmsg_set(err, ret, "cannot load the stored changes: %s",
					strerror(-ret))
			   : 0;
	}
	if (!e->list)
		return buf_add(text, "[]", 3);
	dump = json_dumps(e->list, JSON_COMPACT);
	return dump ? buf_add(text, dump, strlen(dump) + 1) : -ENOMEM;
}

int edits_apply(struct edits *e, struct conf *conf, struct conf **ret, struct conf_errors *errors,
		struct errmsg *err)
{
	struct buf text;
	int code;

	buf_init(&text, EDITS_MAX_BYTES);
	code = load(e, &text, err);
	if (!code && strcmp(buf_head(&text), "[]") == 0) {
		*ret = conf;
	} else if (!code) {
		code = conf_edit(conf, buf_head(&text), ret, errors);
		if (code)
			errmsg_set(err, code,
				   "the stored changes of operators do not fit to it "
				   "(config apply --replace forgets them)");
		else
			conf_free(conf);
	}
	buf_clear(&text);
	return code;
}

int edits_try(const struct conf *conf, json_t *edit, struct conf **ret, struct conf_errors *errors)
{
	json_t *list = json_pack("[O]", edit);
	CLEANUP_FREE char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;

	json_decref(list);
	return text ? conf_edit(conf, text, ret, errors) : -ENOMEM;
}

static const char *field(json_t *edit, const char *key)
{
	const char *value = json_string_value(json_object_get(edit, key));

	return value ? value : "";
}

int edits_add(struct edits *e, json_t *edit, struct errmsg *err)
{
	CLEANUP_FREE char *text = NULL;
	int ret;

	if (!e->storage) {
		if (!e->list)
			e->list = json_array();
		return json_array_append(e->list, edit) ? errmsg_set(err, -ENOMEM, "out of memory")
							: 0;
	}
	text = json_dumps(edit, JSON_COMPACT);
	ret = text ? storage_edit_add(e->storage, field(edit, "kind"), field(edit, "name"),
				      field(edit, "op"), text)
		   : -ENOMEM;
	if (ret)
		return errmsg_set(err, ret,
				  "in force, but not stored, so gone with the next "
				  "reload: %s",
				  strerror(-ret));
	return 0;
}

int edits_clear(struct edits *e, struct errmsg *err)
{
	int ret = 0;

	if (e->list)
		json_array_clear(e->list);
	if (e->storage)
		ret = storage_edits_clear(e->storage);
	return ret ? errmsg_set(err, ret, "in force, but earlier changes are still stored: %s",
				strerror(-ret))
		   : 0;
}
