/* SPDX-License-Identifier: BSD-2-Clause */
/* Printers of consumer. */
#include "command.h"
#include "table.h"

void print_consumers(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" }, { "PLAN", "plan" }, { "KEYS", "keys" }, { 0 }
	};

	table_print(data, columns, out);
}

void print_key(json_t *data, FILE *out)
{
	const char *key = json_string_value(json_object_get(data, "key"));

	if (key)
		fprintf(out, "key: %s\n(only its SHA-256 is kept: it cannot be shown again)\n",
			key);
}
