/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_dump.h"

#include <errno.h>
#include <stdlib.h>

#define SECRET_SHOWN 8 /* digits of a key's hash that people see */

/* What was written from the byte at mark on; never a NULL pointer. */
static struct str written(const struct buf *out, size_t mark)
{
	struct str all = out->data ? buf_str(out) : STR_LIT("");

	return mark <= all.len ? (struct str) { all.ptr + mark, all.len - mark } : STR_LIT("");
}

/* The text of buf from the byte at mark on, as the inside of a JSON string (RFC 8259 s7). */
static int escape(struct buf *out, size_t mark)
{
	struct str text = written(out, mark);
	char *copy;
	int err = 0;

	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '"' || text.ptr[i] == '\\' || (unsigned char)text.ptr[i] < ' ')
			goto special;
	return 0;
special:
	copy = malloc(text.len);
	if (!copy)
		return -ENOSPC;
	memcpy(copy, text.ptr, text.len);
	out->end = out->start + mark;
	for (size_t i = 0; i < text.len && !err; i++) {
		if (copy[i] == '"' || copy[i] == '\\')
			err = buf_printf(out, "\\%c", copy[i]);
		else if ((unsigned char)copy[i] < ' ')
			err = buf_printf(out, "\\u%04x", (unsigned int)copy[i]);
		else
			err = buf_add(out, &copy[i], 1);
	}
	free(copy);
	return err;
}

/* Whether the text that was written is a number or a boolean as JSON has them. */
static bool is_raw(struct str text)
{
	if (str_eq(text, STR_LIT("true")) || str_eq(text, STR_LIT("false")))
		return true;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
	return text.len > 0;
}

static int dump_text(const struct conf_row *row, const void *field, const void *aux,
		     enum conf_dump mode, struct buf *out)
{
	size_t quote = buf_len(out), mark = quote + 1;
	int err = buf_add(out, "\"", 1);

	if (!err)
		err = row->type->format(row, field, aux, out);
	if (err)
		return err;
	if (mode == CONF_DUMP_REDACTED && (row->flags & CONF_SECRET) &&
	    buf_len(out) > mark + SECRET_SHOWN)
		out->end = out->start + mark + SECRET_SHOWN;
	if (row->type->raw && is_raw(written(out, mark))) {
		memmove(buf_head(out) + quote, buf_head(out) + mark, buf_len(out) - mark);
		out->end--;
		return 0;
	}
	err = escape(out, mark);
	return err ? err : buf_add(out, "\"", 1);
}

int conf_dump_item(const struct conf_row *row, const void *list_item, enum conf_dump mode,
		   struct buf *out)
{
	return row->shape == CONF_VALUES ? dump_text(row, list_item, NULL, mode, out)
					 : conf_dump_map(row->table, list_item, mode, out);
}

static int dump_list(const struct conf_row *row, const void *item, enum conf_dump mode,
		     struct buf *out)
{
	size_t n = conf_row_count(row, item);
	int err = buf_add(out, "[", 1);

	for (size_t i = 0; i < n && !err; i++) {
		err = i ? buf_add(out, ",", 1) : 0;
		if (!err)
			err = conf_dump_item(row, conf_row_item(row, item, i), mode, out);
	}
	return err ? err : buf_add(out, "]", 1);
}

int conf_dump_row(const struct conf_row *row, const void *item, enum conf_dump mode,
		  struct buf *out)
{
	const void *field = conf_row_field(row, item);

	switch (row->shape) {
	case CONF_VALUE:
		if (conf_row_is_unset(row, item))
			return buf_add_str(out, STR_LIT("null"));
		return dump_text(row, field, conf_row_aux(row, item), mode, out);
	case CONF_SUB:
		if ((row->flags & CONF_NULLABLE) && conf_row_is_zero(row->table, field))
			return buf_add_str(out, STR_LIT("null"));
		return conf_dump_map(row->table, field, mode, out);
	case CONF_VALUES:
	case CONF_SUBS:
	default:
		return dump_list(row, item, mode, out);
	}
}

int conf_dump_map(const struct conf_table *table, const void *item, enum conf_dump mode,
		  struct buf *out)
{
	bool first = true;
	int err = buf_add(out, "{", 1);

	for (size_t i = 0; i < table->n && !err; i++) {
		const struct conf_row *row = &table->rows[i];

		if (row->flags & CONF_INPUT)
			continue;
		err = buf_printf(out, "%s\"%s\":", first ? "" : ",", row->name);
		if (!err)
			err = conf_dump_row(row, item, mode, out);
		first = false;
	}
	return err ? err : buf_add(out, "}", 1);
}

int conf_dump(const struct conf *conf, enum conf_dump mode, struct buf *out)
{
	size_t before = buf_len(out);
	int err = conf_dump_map(&conf_table_root, conf, mode, out);

	if (err)
		out->end = out->start + before;
	return err;
}
