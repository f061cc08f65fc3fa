/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of acl. */
#include "command.h"
#include "table.h"

void print_acl(json_t *data, FILE *out)
{
	static const struct table_column columns[] = { { "LIST", "list" },
						       { "PREFIX", "prefix" },
						       { 0 } };

	table_print(data, columns, out);
}

void print_acl_test(json_t *data, FILE *out)
{
	fprintf(out, "%s\n", json_string_value(json_object_get(data, "address")));
	print_acl(json_object_get(data, "by"), out);
}
