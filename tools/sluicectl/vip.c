/* SPDX-License-Identifier: BSD-2-Clause */
/* Printers of vip and backend. */
#include "command.h"
#include "table.h"

void print_vips(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" },
		{ "ADDRESS", "address" },
		{ "PROTOCOL", "protocol" },
		{ "MODE", "mode" },
		{ "LIMIT", "limit" },
		{ "BACKENDS", "backends" },
		{ "FORWARDED", "forwarded.packets" },
		{ "DROPPED", "dropped.packets" },
		{ "CONNECTIONS", "connections" },
		{ 0 },
	};

	table_print(data, columns, out);
}

void print_backends(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "VIP", "vip" },	{ "NAME", "name" },   { "ADDRESS", "address" },
		{ "WEIGHT", "weight" }, { "SLOTS", "slots" }, { "PACKETS", "packets" },
		{ "BYTES", "bytes" },	{ "STATE", "state" }, { 0 },
	};

	table_print(data, columns, out);
}
