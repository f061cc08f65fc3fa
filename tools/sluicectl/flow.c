/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of flow. */
#include "command.h"
#include "table.h"

void print_flows(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "CLIENT", "client" },
		{ "TO", "destination" },
		{ "VIP", "vip" },
		{ "EDGE", "edge" },
		{ "BACKEND", "backend" },
		{ "ADDRESS", "backend_address" },
		{ "PROTOCOL", "protocol" },
		{ "STATE", "state" },
		{ "IDLE_S", "idle_s" },
		{ "LEFT_S", "left_s" },
		{ 0 },
	};

	table_print(json_object_get(data, "flows"), columns, out);
}
