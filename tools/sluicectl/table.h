/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of JSON objects as columns of text. */
#pragma once

#include <jansson.h>
#include <stdio.h>

struct table_column {
	const char *title;
	const char *path; /* "name", or "packets.rate" for an object inside */
};

#define TABLE_COLUMNS_MAX 24

/* columns: ended by one without title. A cell that is missing is "-". */
void table_print(const json_t *rows, const struct table_column *columns, FILE *out);
/* The same without columns that no row has. */
void table_print_used(const json_t *rows, const struct table_column *columns, FILE *out);
/* One value as a cell's text; the buffer is used where the value is not a string. */
const char *table_cell(const json_t *row, const char *path, char *buf, size_t buf_bytes);
