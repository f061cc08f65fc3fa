/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const json_t *find(const json_t *row, const char *path)
{
	while (row && path) {
		const char *dot = strchr(path, '.');
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)(dot ? dot - path : (int)strlen(path)),
			 path);
		row = json_object_get(row, key);
		path = dot ? dot + 1 : NULL;
	}
	return row;
}

static void join(const json_t *array, char *buf, size_t buf_bytes)
{
	size_t used = 0, i;
	json_t *item;

	buf[0] = 0;
	json_array_foreach(array, i, item) {
		const char *text = json_string_value(item);
		int n = snprintf(buf + used, buf_bytes - used, "%s%s", i ? "," : "",
				 text ? text : "?");

		if (n < 0 || (size_t)n >= buf_bytes - used)
			return;
		used += (size_t)n;
	}
	if (used == 0)
		snprintf(buf, buf_bytes, "-");
}

const char *table_cell(const json_t *row, const char *path, char *buf, size_t buf_bytes)
{
	const json_t *value = find(row, path);

	if (json_is_string(value))
		return json_string_length(value) ? json_string_value(value) : "-";
	if (json_is_integer(value))
		snprintf(buf, buf_bytes, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buf, buf_bytes, json_real_value(value) < 1e6 ? "%.6g" : "%.0f",
			 json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(buf, buf_bytes, "%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		join(value, buf, buf_bytes);
	else
		snprintf(buf, buf_bytes, "-");
	return buf;
}

/* The widest cell of the column, with its title; 0: no row has it. */
static int width_of(const json_t *rows, const struct table_column *column)
{
	int width = (int)strlen(column->title);
	bool is_used = false;
	char buf[512];
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *text = table_cell(row, column->path, buf, sizeof(buf));

		if ((int)strlen(text) > width)
			width = (int)strlen(text);
		is_used |= strcmp(text, "-") != 0;
	}
	return is_used ? width : 0;
}

/* A row, or without one the titles. */
static void print_row(const json_t *row, const struct table_column *columns, const int *width,
		      size_t last, FILE *out)
{
	char buf[512];

	for (size_t c = 0; c <= last; c++) {
		const char *text =
			row ? table_cell(row, columns[c].path, buf, sizeof(buf)) : columns[c].title;

		if (width[c])
			fprintf(out, c < last ? "%-*s  " : "%-.*s\n", c < last ? width[c] : 512,
				text);
	}
}

static void print_table(const json_t *rows, const struct table_column *columns, bool all, FILE *out)
{
	int width[TABLE_COLUMNS_MAX] = { 0 };
	size_t last = 0, i;
	json_t *row;

	for (i = 0; columns[i].title; i++) {
		if (i == TABLE_COLUMNS_MAX)
			abort();
		width[i] = width_of(rows, &columns[i]);
		if (!width[i] && all)
			width[i] = (int)strlen(columns[i].title);
		if (width[i])
			last = i;
	}
	print_row(NULL, columns, width, last, out);
	json_array_foreach(rows, i, row)
		print_row(row, columns, width, last, out);
}

void table_print(const json_t *rows, const struct table_column *columns, FILE *out)
{
	print_table(rows, columns, true, out);
}

void table_print_used(const json_t *rows, const struct table_column *columns, FILE *out)
{
	print_table(rows, columns, json_array_size(rows) == 0, out);
}
