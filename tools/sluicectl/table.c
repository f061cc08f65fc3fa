/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

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
		snprintf(buf, buf_bytes, "%.6g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(buf, buf_bytes, "%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		join(value, buf, buf_bytes);
	else
		snprintf(buf, buf_bytes, "-");
	return buf;
}

void table_print(const json_t *rows, const struct table_column *columns, FILE *out)
{
	int width[TABLE_COLUMNS_MAX] = { 0 };
	char buf[512];
	json_t *row;
	size_t n, i;

	for (n = 0; n < TABLE_COLUMNS_MAX && columns[n].title; n++)
		width[n] = (int)strlen(columns[n].title);
	json_array_foreach(rows, i, row) {
		for (size_t c = 0; c < n; c++) {
			int len = (int)strlen(table_cell(row, columns[c].path, buf, sizeof(buf)));

			width[c] = len > width[c] ? len : width[c];
		}
	}
	for (size_t c = 0; c < n; c++)
		fprintf(out, c + 1 < n ? "%-*s  " : "%-.*s\n", c + 1 < n ? width[c] : 512,
			columns[c].title);
	json_array_foreach(rows, i, row) {
		for (size_t c = 0; c < n; c++)
			fprintf(out, c + 1 < n ? "%-*s  " : "%-.*s\n", c + 1 < n ? width[c] : 512,
				table_cell(row, columns[c].path, buf, sizeof(buf)));
	}
}
