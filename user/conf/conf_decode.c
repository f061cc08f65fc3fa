/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_decode.h"

#include <errno.h>

#include "conf_errors.h"

struct decode {
	struct conf_arena *arena;
	struct conf_errors *errors;
};

static int decode_map(struct decode *d, const struct conf_table *table, struct conf_node *node,
		      void *item);
static int decode_row(struct decode *d, const struct conf_row *row, struct conf_node *node,
		      void *base);

static const char *kind_name(enum conf_node_kind kind)
{
	static const char *const names[] = { "a single value", "a list", "a map" };

	return names[kind];
}

/* One text into one field. -ENOMEM, else 0. */
static int decode_text(struct decode *d, const struct conf_row *row, struct conf_node *node,
		       void *field, void *aux)
{
	char shown[CONF_ERRORS_SHOW_BYTES];
	struct errmsg why = { "" };
	int err;

	if (node->kind != CONF_SCALAR) {
		conf_node_fail(d->errors, node, "has to be %s; this is %s", row->type->expect,
			       kind_name(node->kind));
		return 0;
	}
	err = row->type->parse(row, node->text, field, aux, d->arena, &why);
	if (!err || err == -ENOMEM)
		return err;
	if (row->flags & CONF_SECRET)
		conf_node_fail(d->errors, node, "%s", why.text[0] ? why.text : row->type->expect);
	else if (why.text[0])
		conf_node_fail(d->errors, node, "'%s' %s", conf_errors_show(node->text, shown),
			       why.text);
	else
		conf_node_fail(d->errors, node, "'%s' is not %s",
			       conf_errors_show(node->text, shown), row->type->expect);
	return 0;
}

static int decode_item(struct decode *d, const struct conf_row *row, struct conf_node *node,
		       void *item)
{
	const char *shorthand;
	int err;

	if (row->shape == CONF_VALUES)
		return decode_text(d, row, node, item, NULL);
	shorthand = row->table->shorthand;
	if (node->kind != CONF_SCALAR || !shorthand)
		return decode_map(d, row->table, node, item);
	/* A lone word stands for {shorthand: word}. */
	err = decode_map(d, row->table, NULL, item);
	if (!err)
		err = decode_row(d, conf_row_find(row->table, shorthand), node, item);
	if (!err && row->table->derive) /* what follows from its place */
		row->table->derive(item, node);
	return err;
}

static int decode_list(struct decode *d, const struct conf_row *row, struct conf_node *node,
		       void *base)
{
	size_t *count = conf_row_aux(row, base), before = *count;
	char *items;
	int err = 0;

	if (node->kind != CONF_LIST) {
		conf_node_fail(d->errors, node, "has to be a list; this is %s%s",
			       kind_name(node->kind),
			       node->kind == CONF_SCALAR ? ", write [it]" : "");
		return 0;
	}
	if (node->n > row->max_items) {
		conf_node_fail(d->errors, node, "%u items; at most %u", node->n, row->max_items);
		return 0;
	}
	if (node->n == 0) {
		if (row->flags & CONF_FILLED)
			conf_node_fail(d->errors, node, "is empty; give at least one%s",
				       row->flags & CONF_REQUIRED ? "" : ", or leave it out");
		return 0;
	}
	/* Two rows may fill one list (keys, keys_sha256). */
	items = conf_arena_alloc(d->arena, before + node->n, row->width);
	if (!items)
		return -ENOMEM;
	if (before)
		memcpy(items, conf_row_items(row, base), before * row->width);
	for (uint32_t i = 0; i < node->n && !err; i++)
		err = decode_item(d, row, node->items[i], items + (before + i) * row->width);
	*(void **)conf_row_field(row, base) = items;
	*count = before + node->n;
	return err;
}

static int decode_row(struct decode *d, const struct conf_row *row, struct conf_node *node,
		      void *base)
{
	void *field = conf_row_field(row, base);

	switch (row->shape) {
	case CONF_VALUE:
		return decode_text(d, row, node, field, conf_row_aux(row, base));
	case CONF_SUB:
		return decode_map(d, row->table, node, field);
	case CONF_VALUES:
	case CONF_SUBS:
	default:
		return decode_list(d, row, node, base);
	}
}

/* The default is text too, and goes the same way: what the row says is what is in force. */
static int decode_default(struct decode *d, const struct conf_row *row, void *base)
{
	struct conf_node *node;
	struct conf_node scalar = { .kind = CONF_SCALAR, .key = row->name };
	int err;

	if (row->shape == CONF_SUB)
		return row->flags & CONF_NULLABLE
			       ? 0
			       : decode_map(d, row->table, NULL, conf_row_field(row, base));
	if (!row->def)
		return 0;
	if (row->shape == CONF_VALUE) {
		scalar.text = str_of(row->def);
		return decode_row(d, row, &scalar, base);
	}
	err = conf_yaml_read(row->def, strlen(row->def), d->arena, d->errors, &node);
	return err ? err : decode_row(d, row, node, base);
}

static void unknown_key(struct decode *d, const struct conf_table *table, struct conf_node *node)
{
	const struct conf_row *nearest;
	char list[160] = "";
	size_t at = 0;

	if (conf_errors_full(d->errors)) {
		d->errors->suppressed++;
		return;
	}
	nearest = conf_row_nearest(table, node->key);
	if (nearest) {
		conf_node_fail_key(d->errors, node, "no such setting; did you mean %s?",
				   nearest->name);
		return;
	}
	for (size_t i = 0; i < table->n && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "",
				       table->rows[i].name);
	conf_node_fail_key(d->errors, node, "no such setting; there are %s%s", list,
			   at < sizeof(list) ? "" : "...");
}

/* Which node of the map sets which row; unknown and repeated keys are errors. */
static void assign_keys(struct decode *d, const struct conf_table *table, struct conf_node *node,
			struct conf_node *given[CONF_TABLE_ROWS_MAX])
{
	for (uint32_t i = 0; i < node->n; i++) {
		struct conf_node *child = node->items[i];
		const struct conf_row *row = conf_row_find(table, child->key);

		if (!row) {
			unknown_key(d, table, child);
			continue;
		}
		if (given[row - table->rows]) {
			conf_node_fail_key(d->errors, child, "given twice; first in line %u",
					   given[row - table->rows]->key_line);
			continue;
		}
		given[row - table->rows] = child;
	}
}

static int decode_map(struct decode *d, const struct conf_table *table, struct conf_node *node,
		      void *item)
{
	struct conf_node *given[CONF_TABLE_ROWS_MAX] = { NULL };
	int err = 0;

	if (node && node->kind != CONF_MAP) {
		conf_node_fail(d->errors, node, "has to be a map of settings; this is %s",
			       kind_name(node->kind));
		return 0;
	}
	if (node)
		assign_keys(d, table, node, given);
	for (size_t i = 0; i < table->n && !err; i++) {
		const struct conf_row *row = &table->rows[i];

		if (given[i] && !conf_node_is_null(given[i]))
			err = decode_row(d, row, given[i], item);
		else if (row->flags & CONF_REQUIRED && node)
			conf_node_fail(d->errors, node, "%s is missing: %s", row->name,
				       row->type ? row->type->expect : "a list");
		else
			err = decode_default(d, row, item);
	}
	if (!err && table->derive)
		table->derive(item, node);
	return err;
}

int conf_decode(const struct conf_table *table, struct conf_node *node, void *item,
		struct conf_arena *arena, struct conf_errors *errors)
{
	struct decode d = { arena, errors };

	return decode_map(&d, table, node, item);
}
