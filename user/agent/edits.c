/* SPDX-License-Identifier: BSD-2-Clause */
#include "edits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define EDITS_MAX_BYTES	  (64U << 20)
#define SKIPPED_LOG_MAX	  100
#define SKIPPED_NAMES_MAX 4

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

static const char *field(const json_t *edit, const char *key)
{
	const char *value = json_string_value(json_object_get(edit, key));

	return value ? value : "";
}

static bool is_about_gone_backend(const struct conf *conf, const json_t *edit)
{
	const struct conf_vip *vip;

	if (strcmp(field(edit, "kind"), "backend") != 0 || strcmp(field(edit, "op"), "set") != 0)
		return false;
	vip = conf_vip(conf, field(edit, "vip"));
	for (size_t i = 0; vip && i < vip->n_backends; i++)
		if (strcmp(vip->backends[i].name, field(edit, "name")) == 0)
			return false;
	return true;
}

/* Once more without edits of backends that are not there; -EINVAL where all are. */
static int apply_without_gone(struct edits *e, const struct conf *conf, const char *text,
			      struct conf **ret, struct conf_errors *errors)
{
	json_t *list = json_loads(text, 0, NULL), *rest = json_array(), *gone = json_array(), *edit;
	CLEANUP_FREE char *dump = NULL;
	int err = -EINVAL;
	size_t i;

	json_array_foreach(list, i, edit) {
		json_array_append(is_about_gone_backend(conf, edit) ? gone : rest, edit);
	}
	if (json_array_size(gone)) {
		dump = json_dumps(rest, JSON_COMPACT);
		errors->n = 0;
		err = dump ? conf_edit(conf, dump, ret, errors) : -ENOMEM;
	}
	json_decref(list);
	json_decref(rest);
	if (err) {
		json_decref(gone);
		return err;
	}
	e->gone = gone;
	return 0;
}

static int apply_all(struct edits *e, struct conf *conf, bool without_gone, struct conf **ret,
		     struct conf_errors *errors, struct errmsg *err)
{
	struct buf text;
	int code;

	buf_init(&text, EDITS_MAX_BYTES);
	code = load(e, &text, err);
	if (!code && strcmp(buf_head(&text), "[]") == 0) {
		*ret = conf;
	} else if (!code) {
		code = conf_edit(conf, buf_head(&text), ret, errors);
		if (code == -EINVAL && without_gone)
			code = apply_without_gone(e, conf, buf_head(&text), ret, errors);
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

int edits_apply(struct edits *e, struct conf *conf, struct conf **ret, struct conf_errors *errors,
		struct errmsg *err)
{
	json_decref(e->gone); /* of one that was not put in force */
	e->gone = NULL;
	return apply_all(e, conf, true, ret, errors, err);
}

/* One run of edits_apply_fitting. */
struct fitting {
	json_t *list;
	struct conf *conf; /* with what was applied so far */
	uint64_t until_ns;
	size_t skipped;
	struct errmsg names; /* of the first ones */
	struct conf_errors *errors;
};

static void skip(struct fitting *f, const json_t *edit)
{
	const char *name = field(edit, "name")[0] ? field(edit, "name") : field(edit, "prefix");
	const char *why = f->errors->n ? f->errors->error[0].text : "";
	const size_t used = strlen(f->names.text);

	if (f->skipped++ < SKIPPED_LOG_MAX)
		log_warn("edit.skipped", LOG_STR("kind", field(edit, "kind")),
			 LOG_STR("op", field(edit, "op")), LOG_STR("name", name),
			 LOG_STR("why", why));
	if (f->skipped <= SKIPPED_NAMES_MAX)
		snprintf(f->names.text + used, sizeof(f->names.text) - used, "%s%.16s %.16s %.40s",
			 used ? ", " : "", field(edit, "kind"), field(edit, "op"), name);
}

static int apply_group(struct fitting *f, size_t from, size_t n)
{
	CLEANUP_FREE char *text = NULL;
	json_t *group = json_array();
	struct conf *next;
	int ret;

	for (size_t i = 0; i < n; i++)
		json_array_append(group, json_array_get(f->list, from + i));
	text = json_array_size(group) == n ? json_dumps(group, JSON_COMPACT) : NULL;
	json_decref(group);
	if (!text)
		return -ENOMEM;
	ret = conf_edit(f->conf, text, &next, f->errors);
	if (ret)
		return ret;
	conf_free(f->conf);
	f->conf = next;
	return 0;
}

/* A group goes in as a whole where it can: edits may need each other. Depth: log2 of their number. */
static int apply_some(struct fitting *f, size_t from, size_t n)
{
	int ret = n ? apply_group(f, from, n) : 0;

	if (ret != -EINVAL)
		return ret;
	if (n == 1 || clock_now_ns() >= f->until_ns) {
		for (size_t i = 0; i < n; i++)
			skip(f, json_array_get(f->list, from + i));
		return 0;
	}
	ret = apply_some(f, from, n / 2);
	return ret ? ret : apply_some(f, from + n / 2, n - n / 2);
}

static int fit_each(struct edits *e, struct fitting *f, struct errmsg *err)
{
	struct buf text;
	int ret;

	buf_init(&text, EDITS_MAX_BYTES);
	ret = load(e, &text, err);
	if (!ret) {
		f->list = json_loads(buf_head(&text), 0, NULL);
		if (!f->list)
			ret = errmsg_set(err, -EUCLEAN, "the stored changes are damaged");
	}
	buf_clear(&text);
	if (!ret) {
		ret = apply_some(f, 0, json_array_size(f->list));
		if (ret)
			errmsg_set(err, ret, "cannot apply the stored changes: %s", strerror(-ret));
	}
	json_decref(f->list);
	return ret;
}

int edits_apply_fitting(struct edits *e, struct conf *conf, uint64_t until_ns, struct conf **ret,
			struct conf_errors *errors, struct errmsg *err)
{
	struct fitting f = { .until_ns = until_ns, .errors = errors };
	int code = apply_all(e, conf, false, ret, errors, err);

	if (code != -EINVAL)
		return code;
	/* a copy: conf stays the caller's when this fails */
	code = conf_edit(conf, "[]", &f.conf, errors);
	if (!code)
		code = fit_each(e, &f, err);
	errors->n = 0;
	if (code) {
		if (f.conf)
			conf_free(f.conf);
		return code;
	}
	if (f.skipped)
		errmsg_set(
			&e->skipped_why, 0,
			"%zu stored changes do not fit to the file and are not in force: %s%s; `sluicectl "
			"config apply FILE --replace` forgets all stored changes",
			f.skipped, f.names.text, f.skipped > SKIPPED_NAMES_MAX ? ", ..." : "");
	conf_free(conf);
	*ret = f.conf;
	return 0;
}

static void forget(struct edits *e, const json_t *edit)
{
	json_t *stored;
	size_t i;
	int err = 0;

	if (e->storage)
		err = storage_edits_forget(e->storage, field(edit, "kind"), field(edit, "vip"),
					   field(edit, "name"));
	for (i = json_array_size(e->list); i-- > 0;) {
		stored = json_array_get(e->list, i);
		if (json_equal(stored, edit))
			json_array_remove(e->list, i);
	}
	log_info("edit.forgotten", LOG_STR("kind", field(edit, "kind")),
		 LOG_STR("vip", field(edit, "vip")), LOG_STR("name", field(edit, "name")),
		 LOG_STR("error", err ? strerror(-err) : ""));
}

void edits_settled(struct edits *e)
{
	json_t *edit;
	size_t i;

	e->skipped_why.text[0] = '\0';
	json_array_foreach(e->gone, i, edit) {
		forget(e, edit);
	}
	json_decref(e->gone);
	e->gone = NULL;
}

int edits_try(const struct conf *conf, json_t *edit, struct conf **ret, struct conf_errors *errors)
{
	json_t *list = json_pack("[O]", edit);
	CLEANUP_FREE char *text = list ? json_dumps(list, JSON_COMPACT) : NULL;

	json_decref(list);
	return text ? conf_edit(conf, text, ret, errors) : -ENOMEM;
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
