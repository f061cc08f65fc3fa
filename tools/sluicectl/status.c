/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of status. */
#include "command.h"
#include "table.h"

static const struct table_column devices[] = {
	{ "DEVICE", "device" },
	{ "MODE", "mode" },
	{ "ATTACH", "attach" },
	{ "ADOPTED", "adopted" },
	{ "PROGRAM", "program_id" },
	{ "ERROR", "error" },
	{ 0 },
};
static const struct table_column workers[] = {
	{ "WORKER", "slot" },	    { "PID", "pid" },
	{ "REVISION", "revision" }, { "CONNECTIONS", "connections" },
	{ "RESTARTS", "restarts" }, { "OVERLOAD", "overload" },
	{ "LEAVING", "leaving" },   { 0 },
};
static const struct table_column maps[] = {
	{ "MAP", "map" },
	{ "ENTRIES", "entries" },
	{ "MAX", "max_entries" },
	{ "BYTES", "memory_bytes" },
	{ 0 },
};
static const struct table_column guards[] = {
	{ "GUARD", "guard" },
	{ "MODE", "mode" },
	{ "ON", "on" },
	{ "TURNS", "turns" },
	{ "ANSWERED", "answered" },
	{ "PROVED", "proved" },
	{ "REFUSED", "refused" },
	{ 0 },
};

static const struct table_column steer[] = {
	{ "STEER", "listener" },
	{ "RULES", "rules" },
	{ "STEERED", "steered" },
	{ "NO LISTENER", "no_listener" },
	{ "PASSED", "passed" },
	{ "REFUSED", "refused" },
	{ 0 },
};
static const struct table_column drains[] = {
	{ "DRAIN", "vip" },	  { "BACKEND", "backend" },
	{ "ADDRESS", "address" }, { "STATE", "state" },
	{ "FLOWS", "flows" },	  { "LEFT", "left_s" },
	{ "HOP", "hop" },	  { 0 },
};
static const struct table_column steer_routes[] = {
	{ "PREFIX", "prefix" },
	{ "ROUTE", "route" },
	{ "RESTORED", "restored" },
	{ "ERROR", "error" },
	{ 0 },
};

static void print_table(json_t *data, const char *name, const struct table_column *columns,
			FILE *out)
{
	json_t *rows = json_object_get(data, name);

	if (!json_array_size(rows))
		return;
	fputc('\n', out);
	table_print(rows, columns, out);
}

void print_status(json_t *data, FILE *out)
{
	bool ready = json_is_true(json_object_get(data, "ready"));
	char a[256], b[64], c[64];
	json_t *warning, *key;
	size_t i;

	fprintf(out, "sluiced %s, revision %s, up %s s, ",
		table_cell(data, "version", a, sizeof(a)),
		table_cell(data, "revision", b, sizeof(b)),
		table_cell(data, "uptime_s", c, sizeof(c)));
	fprintf(out, ready ? "ready\n" : "not ready: %s\n",
		table_cell(data, "not_ready", a, sizeof(a)));
	fprintf(out, "config %s\n", table_cell(data, "config", a, sizeof(a)));
	fprintf(out, "kernel half: %s%s\n", table_cell(data, "dataplane", a, sizeof(a)),
		json_is_true(json_object_get(data, "adopted")) ? " (adopted what was pinned)" : "");
	key = json_object_get(data, "limit_key");
	if (json_is_string(json_object_get(key, "since")))
		fprintf(out, "key of the limits' rows: since %s%s\n",
			table_cell(key, "since", a, sizeof(a)),
			json_is_true(json_object_get(key, "rotating")) ? ", being changed" : "");
	if (json_string_length(json_object_get(data, "guard")))
		fprintf(out, "guard: %s\n", table_cell(data, "guard", a, sizeof(a)));
	print_table(data, "guards", guards, out);
	print_table(data, "steer", steer, out);
	print_table(data, "steer_routes", steer_routes, out);
	print_table(data, "drains", drains, out);
	if (json_integer_value(json_object_get(data, "drains_more")))
		fprintf(out, "and %s more: sluicectl backend list, vip show\n",
			table_cell(data, "drains_more", a, sizeof(a)));
	print_table(data, "devices", devices, out);
	fputc('\n', out);
	table_print(json_object_get(data, "workers"), workers, out);
	print_table(data, "maps", maps, out);
	json_array_foreach(json_object_get(data, "warnings"), i, warning)
		fprintf(out, "%swarning: %s\n", i ? "" : "\n", json_string_value(warning));
}
