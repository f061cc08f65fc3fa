/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../base/cleanup.h"
#include "conf_arena.h"
#include "conf_dump.h"
#include "conf_names.h"

#define DUMP_MAX_BYTES (64U << 20)
#define VALUE_SHOWN    128

struct diff {
	struct conf_arena *arena;
	struct buf *text;	/* NULL: only the mask is wanted */
	struct buf left, right; /* what is being compared, as JSON */
	int mask;
};

/* Where in the configuration the comparison is. */
struct place {
	char path[192];
	uint8_t tier;
};

static int diff_map(struct diff *d, const struct conf_table *table, const void *from,
		    const void *to, const struct place *at);

static struct place below(const struct place *at, const struct conf_row *row)
{
	struct place next = { .tier = row->tier ? row->tier : at->tier };

	snprintf(next.path, sizeof(next.path), "%.120s%s%s", at->path, at->path[0] ? "." : "",
		 row->name);
	return next;
}

__attribute__((format(printf, 3, 4))) static void report(struct diff *d, const struct place *at,
							 const char *fmt, ...)
{
	char what[2 * VALUE_SHOWN + 8];
	va_list args;

	d->mask |= at->tier;
	if (!d->text)
		return;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	(void)buf_printf(d->text, "%s: %s\n", at->path, what);
}

static void empty(struct buf *b)
{
	buf_consume(b, buf_len(b));
}

/* What is in a buffer; never a NULL pointer, even when nothing is. */
static struct str written(const struct buf *b)
{
	return b->data ? buf_str(b) : STR_LIT("");
}

/* 1 when the setting is the same on both sides, 0 when not, or -ENOSPC. */
static int is_same(struct diff *d, const struct conf_row *row, const void *from, const void *to)
{
	int err;

	empty(&d->left);
	empty(&d->right);
	err = conf_dump_row(row, from, CONF_DUMP_FULL, &d->left);
	if (!err)
		err = conf_dump_row(row, to, CONF_DUMP_FULL, &d->right);
	return err ? err : str_eq(written(&d->left), written(&d->right));
}

/* A value for people: JSON without the quotes of a lone string, cut. */
static const char *show(const struct conf_row *row, struct str json, char out[VALUE_SHOWN])
{
	if (str_eq(json, STR_LIT("null")))
		json = STR_LIT("none");
	else if (json.len >= 2 && json.ptr[0] == '"')
		json = (struct str) { json.ptr + 1, json.len - 2 };
	if (row->flags & CONF_SECRET && json.len > 8)
		json.len = 8;
	snprintf(out, VALUE_SHOWN, "%.*s%s",
		 json.len >= VALUE_SHOWN ? VALUE_SHOWN - 4 : (int)json.len, json.ptr,
		 json.len >= VALUE_SHOWN ? "..." : "");
	return out;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The items of a list as JSON texts, sorted. -ENOMEM. */
static int sorted_items(struct diff *d, const struct conf_row *row, const void *base, char ***ret)
{
	size_t n = conf_row_count(row, base);
	char **items = conf_arena_alloc(d->arena, n, sizeof(*items));
	int err = items ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++) {
		empty(&d->left);
		err = conf_dump_item(row, conf_row_item(row, base, i), CONF_DUMP_FULL, &d->left);
		if (!err)
			items[i] = conf_arena_copy(d->arena, written(&d->left));
		if (!err && !items[i])
			err = -ENOMEM;
	}
	if (!err && n)
		qsort(items, n, sizeof(*items), by_text);
	*ret = items;
	return err;
}

/* Items without a name: each is there or it is not. */
static int diff_items(struct diff *d, const struct conf_row *row, const void *from, const void *to,
		      const struct place *at)
{
	size_t n_from = conf_row_count(row, from), n_to = conf_row_count(row, to), i = 0, j = 0;
	char **left, **right, shown[VALUE_SHOWN];
	bool moved = true;
	int err = sorted_items(d, row, from, &left);

	if (!err)
		err = sorted_items(d, row, to, &right);
	while (!err && (i < n_from || j < n_to)) {
		int order = i == n_from ? 1 : j == n_to ? -1 : strcmp(left[i], right[j]);

		if (order < 0)
			report(d, at, "- %s", show(row, str_of(left[i]), shown));
		if (order > 0)
			report(d, at, "+ %s", show(row, str_of(right[j]), shown));
		moved = moved && order == 0;
		i += order <= 0;
		j += order >= 0;
	}
	if (!err && moved)
		report(d, at, "in another order");
	return err;
}

/* The next item from *i on, in the order of the file, whose name the other side has too. */
static const char *next_common(const struct conf_row *row, const void *base,
			       const struct conf_names *other, size_t *i)
{
	while (*i < conf_row_count(row, base)) {
		const char *name = *(const char *const *)conf_row_item(row, base, (*i)++);

		if (conf_names_find(other, name))
			return name;
	}
	return NULL;
}

/* True when the items that both sides have stand in another order. */
static bool is_reordered(const struct conf_row *row, const void *from, const void *to,
			 const struct conf_names *left, const struct conf_names *right)
{
	const char *a, *b;
	size_t i = 0, j = 0;

	do {
		a = next_common(row, from, right, &i);
		b = next_common(row, to, left, &j);
	} while (a && b && strcmp(a, b) == 0);
	return a || b;
}

/* Items with a name: those that came, those that went, and what changed in the others. */
static int diff_named(struct diff *d, const struct conf_row *row, const void *from, const void *to,
		      const struct place *at)
{
	struct conf_names left, right;
	size_t i = 0, j = 0;
	int err = conf_names_sort(row, from, d->arena, &left);

	if (!err)
		err = conf_names_sort(row, to, d->arena, &right);
	while (!err && (i < left.n || j < right.n)) {
		const char *a = i < left.n ? *(const char *const *)left.item[i] : NULL;
		const char *b = j < right.n ? *(const char *const *)right.item[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a, b);
		struct place item = { .tier = at->tier };

		snprintf(item.path, sizeof(item.path), "%.120s[%s]", at->path, order > 0 ? b : a);
		if (order)
			report(d, &item, order < 0 ? "removed" : "added");
		else
			err = diff_map(d, row->table, left.item[i], right.item[j], &item);
		i += order <= 0;
		j += order >= 0;
	}
	if (!err && (row->flags & CONF_ORDERED) && is_reordered(row, from, to, &left, &right))
		report(d, at, "in another order");
	return err;
}

static int diff_value(struct diff *d, const struct conf_row *row, const struct place *at)
{
	char was[VALUE_SHOWN], is[VALUE_SHOWN];

	report(d, at, "%s -> %s", show(row, written(&d->left), was),
	       show(row, written(&d->right), is));
	return 0;
}

static int diff_row(struct diff *d, const struct conf_row *row, const void *from, const void *to,
		    const struct place *around)
{
	struct place at = below(around, row);
	const void *left = conf_row_field(row, from), *right = conf_row_field(row, to);
	int same = is_same(d, row, from, to);

	if (same)
		return same < 0 ? same : 0;
	switch (row->shape) {
	case CONF_VALUE:
		return diff_value(d, row, &at);
	case CONF_SUB:
		if ((row->flags & CONF_NULLABLE) &&
		    (conf_row_is_zero(row->table, left) || conf_row_is_zero(row->table, right)))
			return diff_value(d, row, &at);
		return diff_map(d, row->table, left, right, &at);
	case CONF_SUBS:
		if (conf_row_name(row->table))
			return diff_named(d, row, from, to, &at);
		return diff_items(d, row, from, to, &at);
	case CONF_VALUES:
	default:
		return diff_items(d, row, from, to, &at);
	}
}

static int diff_map(struct diff *d, const struct conf_table *table, const void *from,
		    const void *to, const struct place *at)
{
	int err = 0;

	for (size_t i = 0; i < table->n && !err; i++)
		if (!(table->rows[i].flags & CONF_INPUT))
			err = diff_row(d, &table->rows[i], from, to, at);
	return err;
}

int conf_diff(const struct conf *from, const struct conf *to, struct buf *text)
{
	struct conf_arena *arena CLEANUP(conf_arena_cleanup) = conf_arena_new();
	struct diff d = { .arena = arena, .text = text };
	struct place root = { .path = "", .tier = CONF_TIER_RESTART };
	int err;

	if (!arena)
		return -ENOMEM;
	buf_init(&d.left, DUMP_MAX_BYTES);
	buf_init(&d.right, DUMP_MAX_BYTES);
	err = diff_map(&d, &conf_table_root, from, to, &root);
	buf_clear(&d.left);
	buf_clear(&d.right);
	return err ? err : d.mask;
}
