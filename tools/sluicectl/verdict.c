/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of verdict. */
#include "command.h"
#include "table.h"

void print_verdicts(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "KIND", "kind" },
		{ "SOURCE", "source" },
		{ "DESTINATION", "destination" },
		{ "ACTION", "action" },
		{ "REASON", "reason" },
		{ "LEFT_S", "left_s" },
		{ "DROPPED", "dropped_packets" },
		{ 0 },
	};

	table_print(data, columns, out);
}
