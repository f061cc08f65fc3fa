/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf_distance.h"
#include "conf_errors.h"

/* The name is the first field of every struct that has one (asserted for one, true for all). */
_Static_assert(offsetof(struct conf_limit, name) == 0, "names are found at offset 0");

static const char *name_of(const void *item)
{
	return *(const char *const *)item;
}

/* By name, then by place, so that of two equal ones the first in the file is first. */
static int by_name(const void *a, const void *b)
{
	const void *x = *(const void *const *)a, *y = *(const void *const *)b;
	int order = strcmp(name_of(x), name_of(y));

	return order ? order : (x > y) - (x < y);
}

int conf_names_sort(const struct conf_row *row, const void *base, struct conf_arena *arena,
		    struct conf_names *ret)
{
	size_t n = conf_row_count(row, base);
	struct conf_names names = { .row = row, .complete = true };

	names.item = conf_arena_alloc(arena, n, sizeof(*names.item));
	if (!names.item)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const void *item = conf_row_item(row, base, i);

		if (name_of(item))
			names.item[names.n++] = item;
		else
			names.complete = false;
	}
	if (names.n)
		qsort(names.item, names.n, sizeof(*names.item), by_name);
	*ret = names;
	return 0;
}

const void *conf_names_find(const struct conf_names *names, const char *name)
{
	size_t low = 0, high = names->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, name_of(names->item[middle]));

		if (order == 0)
			return names->item[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *conf_names_nearest(const struct conf_names *names, const char *name)
{
	struct conf_distance best = conf_distance_start(str_of(name));
	const char *nearest = NULL;

	for (size_t i = 0; i < names->n; i++)
		if (conf_distance_nearer(&best, str_of(name_of(names->item[i]))))
			nearest = name_of(names->item[i]);
	return nearest;
}

static bool is_named_list(const struct conf_row *row)
{
	return row->shape == CONF_SUBS && conf_row_name(row->table);
}

int conf_names_build(struct conf *conf)
{
	size_t n = 0;
	int err = 0;

	conf->names = conf_arena_alloc(conf->arena, conf_table_root.n + 1, sizeof(*conf->names));
	if (!conf->names)
		return -ENOMEM;
	for (size_t i = 0; i < conf_table_root.n && !err; i++)
		if (is_named_list(&conf_table_root.rows[i]))
			err = conf_names_sort(&conf_table_root.rows[i], conf, conf->arena,
					      &conf->names[n++]);
	return err;
}

static const struct conf_names *names_of(const struct conf *conf, const char *list)
{
	const struct conf_names *names = conf->names;

	while (names && names->row && strcmp(names->row->name, list) != 0)
		names++;
	return names && names->row ? names : NULL;
}

/* A conf that conf_parse did not make has no sorted names. */
static const void *find(const struct conf *conf, const char *list, const char *name)
{
	const struct conf_row *row = conf_row_find(&conf_table_root, list);
	const struct conf_names *names = names_of(conf, list);

	if (names)
		return conf_names_find(names, name);
	for (size_t i = 0; i < conf_row_count(row, conf); i++)
		if (strcmp(name_of(conf_row_item(row, conf, i)), name) == 0)
			return conf_row_item(row, conf, i);
	return NULL;
}

const struct conf_limit *conf_limit(const struct conf *conf, const char *name)
{
	return find(conf, "limits", name);
}

const struct conf_vip *conf_vip(const struct conf *conf, const char *name)
{
	return find(conf, "vips", name);
}

const struct conf_cluster *conf_cluster(const struct conf *conf, const char *name)
{
	return find(conf, "clusters", name);
}

const struct conf_plan *conf_plan(const struct conf *conf, const char *name)
{
	return find(conf, "plans", name);
}

const struct conf_consumer *conf_consumer(const struct conf *conf, const char *name)
{
	return find(conf, "consumers", name);
}

struct check {
	const struct conf *conf;
	struct conf_arena *scratch;
	struct conf_errors *errors;
};

static int check_unique(struct check *c, const struct conf_row *row, const void *base,
			struct conf_node *list)
{
	struct conf_names names;
	int err = conf_names_sort(row, base, c->scratch, &names);

	for (size_t i = 1; !err && i < names.n; i++) {
		size_t at = (size_t)((const char *)names.item[i] -
				     (const char *)conf_row_items(row, base)) /
			    row->width;
		size_t first = (size_t)((const char *)names.item[i - 1] -
					(const char *)conf_row_items(row, base)) /
			       row->width;

		if (strcmp(name_of(names.item[i]), name_of(names.item[i - 1])) == 0)
			conf_node_fail(c->errors, conf_node_or(conf_node_item(list, at), "name"),
				       "there are two of this name; the first is in line %u",
				       conf_node_item(list, first)->line);
	}
	return err;
}

static void check_ref(struct check *c, const struct conf_row *row, struct conf_node *node,
		      const char *name)
{
	const struct conf_names *names = names_of(c->conf, row->ref);
	const char *noun = names->row->table->name, *nearest;

	/* Where a name could not be read, a reference to it would be reported for nothing. */
	if (!name || !names->complete || node->bad || conf_names_find(names, name))
		return;
	nearest = conf_errors_full(c->errors) ? NULL : conf_names_nearest(names, name);
	conf_node_fail(c->errors, node, "there is no %s '%s'%s%s%s", noun, name,
		       nearest ? "; did you mean " : "; add it to ", nearest ? nearest : row->ref,
		       nearest ? "?" : "");
}

static int check_map(struct check *c, const struct conf_table *table, const void *item,
		     struct conf_node *node);

static int check_row(struct check *c, const struct conf_row *row, const void *item,
		     struct conf_node *node)
{
	size_t n = row->shape >= CONF_SUBS || row->shape == CONF_VALUES ? conf_row_count(row, item)
									: 0;
	int err = 0;

	if (row->shape == CONF_VALUE && row->ref)
		check_ref(c, row, node, *(char **)conf_row_field(row, item));
	if (row->shape == CONF_VALUES && row->ref)
		for (size_t i = 0; i < n; i++)
			check_ref(c, row, conf_node_item(node, i),
				  *(char **)conf_row_item(row, item, i));
	if (row->shape == CONF_SUB)
		return check_map(c, row->table, conf_row_field(row, item), node);
	if (row->shape != CONF_SUBS)
		return 0;
	if (is_named_list(row))
		err = check_unique(c, row, item, node);
	for (size_t i = 0; i < n && !err; i++)
		err = check_map(c, row->table, conf_row_item(row, item, i),
				conf_node_item(node, i));
	return err;
}

/* What is not in the file is a default, and defaults refer to nothing. */
static int check_map(struct check *c, const struct conf_table *table, const void *item,
		     struct conf_node *node)
{
	int err = 0;

	for (size_t i = 0; i < table->n && !err; i++) {
		const struct conf_row *row = &table->rows[i];
		struct conf_node *child = conf_node_get(node, row->name);

		if (child && !(row->flags & CONF_INPUT))
			err = check_row(c, row, item, child);
	}
	return err;
}

int conf_names_check(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		     struct conf_errors *errors)
{
	struct check c = { conf, scratch, errors };

	return check_map(&c, &conf_table_root, conf, root);
}
