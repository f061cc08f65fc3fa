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
