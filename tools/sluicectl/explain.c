/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of explain. */
#include <string.h>

#include "command.h"
#include "limit.h"
#include "table.h"

static void print_unit(const char *what, const char *unit, const json_t *left, FILE *out)
{
	if (!left)
		return;
	fprintf(out, "  %-10s %s%s: ", "", what, unit);
	limit_print_left(left, out);
}

static void print_limit_left(const json_t *row, FILE *out)
{
	static const char *const units[] = { "packets", "bytes", "connections" };
	const json_t *total = json_object_get(row, "total");
	char a[64], b[64];

	fprintf(out, "  %-10s %s, %s meters\n", "", table_cell(row, "name", a, sizeof(a)),
		table_cell(row, "meters", b, sizeof(b)));
	for (int i = 0; i < 3; i++)
		print_unit("", units[i], json_object_get(row, units[i]), out);
	for (int i = 0; i < 3; i++)
		print_unit("total ", units[i], json_object_get(total, units[i]), out);
}

static void print_stage(json_t *data, const json_t *stage, FILE *out)
{
	const char *name = json_string_value(json_object_get(stage, "stage"));
	char a[32], b[512];
	json_t *row;
	size_t i;

	fprintf(out, "  %-10s %-8s %s\n", name ? name : "?",
		table_cell(stage, "result", a, sizeof(a)), table_cell(stage, "text", b, sizeof(b)));
	if (!name || strcmp(name, "limit") != 0)
		return;
	json_array_foreach(json_object_get(data, "limits"), i, row)
		print_limit_left(row, out);
}

void print_explained(json_t *data, FILE *out)
{
	const char *reason = json_string_value(json_object_get(data, "reason"));
	const json_t *sent = json_object_get(data, "sent");
	char a[64], b[64], c[512];
	json_t *stage;
	size_t i;

	fprintf(out, "%-12s %s\n", "packet", table_cell(data, "packet", c, sizeof(c)));
	fprintf(out, "%-12s %s (%s)\n", "comes by", table_cell(data, "device", a, sizeof(a)),
		table_cell(data, "hook", b, sizeof(b)));
	json_array_foreach(json_object_get(data, "stages"), i, stage)
		print_stage(data, stage, out);
	fprintf(out, "%-12s %s", "outcome", table_cell(data, "result", a, sizeof(a)));
	if (reason && *reason)
		fprintf(out, " (%s)", reason);
	fputc('\n', out);
	if (sent)
		fprintf(out, "%-12s %s, by %s\n", "sent", table_cell(sent, "packet", c, sizeof(c)),
			table_cell(sent, "device", a, sizeof(a)));
}
