/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of one event: its fields in order, on a line. */
#include "command.h"
#include "table.h"

void print_event(json_t *data, FILE *out)
{
	const char *key;
	json_t *value;
	bool first = true;

	json_object_foreach(data, key, value) {
		char cell[512];

		(void)value;
		fprintf(out, "%s%s=%s", first ? "" : " ", key,
			table_cell(data, key, cell, sizeof(cell)));
		first = false;
	}
	fputc('\n', out);
	fflush(out);
}
