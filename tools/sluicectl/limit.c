/* SPDX-License-Identifier: BSD-2-Clause */
/* Printers of limit and plan. */
#include <string.h>

#include "command.h"
#include "limit.h"
#include "table.h"

void print_limits(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" },
		{ "DIRECTION", "direction" },
		{ "SOURCES", "sources" },
		{ "VIPS", "vips" },
		{ "PROTOCOL", "protocol" },
		{ "PORTS", "ports" },
		{ "KIND", "kind" },
		{ "PER", "per" },
		{ "PACKETS", "packets.rate" },
		{ "BYTES", "bytes.rate" },
		{ "CONNECTIONS", "connections.rate" },
		{ "CONCURRENT", "concurrent.max" },
		{ "TOTAL_P", "total.packets.rate" },
		{ "TOTAL_B", "total.bytes.rate" },
		{ "TOTAL_C", "total.connections.rate" },
		{ "DRY_RUN", "dry_run" },
		{ "ADMITTED", "admitted_packets" },
		{ "DROPPED_P", "packets.dropped_packets" },
		{ "DROPPED_B", "bytes.dropped_packets" },
		{ "DROPPED_C", "connections.dropped_packets" },
		{ "DROPPED_N", "concurrent.dropped_packets" },
		{ 0 },
	};

	table_print_used(data, columns, out);
}

static void print_unit(json_t *data, const char *unit, FILE *out)
{
	const json_t *u = json_object_get(data, unit);
	const json_t *left = json_object_get(json_object_get(data, "source"), unit);
	char a[64], b[64], c[64], d[64];

	if (!u)
		return;
	if (json_object_get(u, "rate"))
		fprintf(out, "%-12s %s burst %s (realised %s/s)", unit,
			table_cell(u, "rate", a, sizeof(a)), table_cell(u, "burst", b, sizeof(b)),
			table_cell(u, "realised_per_s", c, sizeof(c)));
	else
		fprintf(out, "%-12s by the total", unit);
	fprintf(out, ", dropped %s packets", table_cell(u, "dropped_packets", d, sizeof(d)));
	fprintf(out, ", would drop %s\n", table_cell(u, "would_drop_packets", a, sizeof(a)));
	if (left)
		fprintf(out, "%-12s %s left, the next passes in %s ms\n", "",
			table_cell(left, "tokens", a, sizeof(a)),
			table_cell(left, "next_ms", b, sizeof(b)));
}

static void print_concurrent(json_t *data, FILE *out)
{
	const json_t *u = json_object_get(data, "concurrent");
	const json_t *now = json_object_get(json_object_get(data, "source"), "concurrent");
	char a[64], b[64], c[64], d[64], e[64];

	if (!u)
		return;
	fprintf(out,
		"%-12s %s of a source at a time (now %s of %s sources), dropped %s packets, would "
		"drop %s\n",
		"concurrent", table_cell(u, "max", a, sizeof(a)),
		table_cell(u, "connections", b, sizeof(b)), table_cell(u, "sources", c, sizeof(c)),
		table_cell(u, "dropped_packets", d, sizeof(d)),
		table_cell(u, "would_drop_packets", e, sizeof(e)));
	if (now)
		fprintf(out, "%-12s has %s now\n", "",
			table_cell(now, "connections", a, sizeof(a)));
}

static void print_total(json_t *data, const char *unit, FILE *out)
{
	const json_t *u = json_object_get(json_object_get(data, "total"), unit);
	const json_t *left =
		json_object_get(json_object_get(json_object_get(data, "source"), "total"), unit);
	char a[64], b[64];

	if (!u)
		return;
	fprintf(out, "%-12s %s %s burst %s", "total", unit, table_cell(u, "rate", a, sizeof(a)),
		table_cell(u, "burst", b, sizeof(b)));
	if (left)
		fprintf(out, ", %s left", table_cell(left, "tokens", a, sizeof(a)));
	fprintf(out, "\n");
}

void print_limit(json_t *data, FILE *out)
{
	static const char *const units[] = { "packets", "bytes", "connections" };
	static const char *const selectors[] = { "direction", "sources", "vips", "protocol",
						 "ports",     "kind",	 "per",	 "rows" };
	const json_t *source = json_object_get(data, "source");
	char a[512], b[128], c[64];

	fprintf(out, "%-12s %s (class %s)%s\n", "limit", table_cell(data, "name", a, sizeof(a)),
		table_cell(data, "class", b, sizeof(b)),
		json_is_true(json_object_get(data, "dry_run")) ? ", dry run" : "");
	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++)
		fprintf(out, "%-12s %s\n", selectors[i],
			table_cell(data, selectors[i], a, sizeof(a)));
	if (json_object_get(source, "aside"))
		fprintf(out, "%-12s %s: %s\n", "source",
			table_cell(source, "address", a, sizeof(a)),
			table_cell(source, "aside", b, sizeof(b)));
	else if (source)
		fprintf(out, "%-12s %s, meters: %s, proof: %s\n", "source",
			table_cell(source, "address", a, sizeof(a)),
			table_cell(source, "meters", b, sizeof(b)),
			table_cell(source, "proof", c, sizeof(c)));
	for (int i = 0; i < 3; i++)
		print_unit(data, units[i], out);
	print_concurrent(data, out);
	for (int i = 0; i < 3; i++)
		print_total(data, units[i], out);
}

void limit_print_left(const json_t *left, FILE *out)
{
	const json_t *next = json_object_get(left, "next_ms");
	char a[64];

	fprintf(out, "%s left, ", table_cell(left, "tokens", a, sizeof(a)));
	if (!json_is_number(next))
		fputs("the next never passes\n", out);
	else if (json_number_value(next) <= 0)
		fputs("the next passes now\n", out);
	else
		fprintf(out, "the next passes in %.1f ms\n", json_number_value(next));
}

static void print_left(const char *title, const char *unit, const json_t *left, FILE *out)
{
	if (!left)
		return;
	fprintf(out, "  %-8s %-12s ", title, unit);
	limit_print_left(left, out);
}

static void print_explain_limit(const char *what, const json_t *row, FILE *out)
{
	static const char *const units[] = { "packets", "bytes", "connections" };
	const json_t *concurrent = json_object_get(row, "concurrent");
	char a[64], b[64], c[64], d[64], e[64];

	fprintf(out, "%-12s %s (class %s): meters %s, proof %s, per %s", what,
		table_cell(row, "name", a, sizeof(a)), table_cell(row, "class", e, sizeof(e)),
		table_cell(row, "meters", b, sizeof(b)), table_cell(row, "proof", c, sizeof(c)),
		table_cell(row, "per", d, sizeof(d)));
	if (strcmp(table_cell(row, "kind", a, sizeof(a)), "any") != 0)
		fprintf(out, ", kind %s", table_cell(row, "kind", a, sizeof(a)));
	fprintf(out, "%s\n", json_is_true(json_object_get(row, "dry_run")) ? ", dry run" : "");
	for (int i = 0; i < 3; i++)
		print_left("source", units[i], json_object_get(row, units[i]), out);
	if (concurrent)
		fprintf(out, "  %-8s %-12s %s of %s at a time\n", "source", "connections",
			table_cell(concurrent, "connections", a, sizeof(a)),
			table_cell(concurrent, "max", b, sizeof(b)));
	for (int i = 0; i < 3; i++)
		print_left("total", units[i],
			   json_object_get(json_object_get(row, "total"), units[i]), out);
}

static void print_next(const char *what, const json_t *next, FILE *out)
{
	const json_t *in_ms = json_object_get(next, "in_ms");
	char a[64], b[64];

	if (strcmp(table_cell(next, "answer", a, sizeof(a)), "drop") != 0) {
		fprintf(out, "%-12s passes\n", what);
		return;
	}
	fprintf(out, "%-12s is dropped: %s", what, table_cell(next, "reason", b, sizeof(b)));
	if (json_is_number(in_ms))
		fprintf(out, ", for %.1f ms more", json_number_value(in_ms));
	fputc('\n', out);
}

void print_explain(json_t *data, FILE *out)
{
	const json_t *verdict = json_object_get(data, "verdict");
	const json_t *next = json_object_get(data, "next");
	const json_t *egress = json_object_get(data, "egress");
	char a[64], b[64], c[64];
	json_t *row;
	size_t i;

	fprintf(out, "%-12s %s\n", "source", table_cell(data, "address", a, sizeof(a)));
	fprintf(out, "%-12s %s\n", "acl", table_cell(data, "acl", a, sizeof(a)));
	if (verdict)
		fprintf(out, "%-12s %s on %s (%s), %.1f s left\n", "verdict",
			table_cell(verdict, "action", a, sizeof(a)),
			table_cell(verdict, "source", b, sizeof(b)),
			table_cell(verdict, "reason", c, sizeof(c)),
			json_number_value(json_object_get(verdict, "left_s")));
	if (json_object_get(data, "vip"))
		fprintf(out, "%-12s %s\n", "vip", table_cell(data, "vip", a, sizeof(a)));
	json_array_foreach(json_object_get(data, "limits"), i, row)
		print_explain_limit("limit", row, out);
	print_next("next packet", next, out);
	json_array_foreach(json_object_get(egress, "limits"), i, row)
		print_explain_limit("egress", row, out);
	if (egress)
		print_next("next to it", json_object_get(egress, "next"), out);
}

void print_plans(json_t *data, FILE *out)
{
	size_t i, j;
	json_t *plan, *limit;
	char a[64], b[64];

	json_array_foreach(data, i, plan) {
		fprintf(out, "%s (%s consumers)\n", table_cell(plan, "name", a, sizeof(a)),
			table_cell(plan, "consumers", b, sizeof(b)));
		json_array_foreach(json_object_get(plan, "limits"), j, limit) {
			fprintf(out, "  %s: %s", json_string_value(json_object_get(limit, "name")),
				table_cell(limit, "rate", a, sizeof(a)));
			fprintf(out, " burst %s\n", table_cell(limit, "burst", a, sizeof(a)));
		}
	}
}
