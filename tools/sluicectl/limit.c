/* SPDX-License-Identifier: BSD-2-Clause */
/* Printers of limit and plan. */
#include "command.h"
#include "table.h"

void print_limits(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" },
		{ "SOURCES", "sources" },
		{ "VIPS", "vips" },
		{ "PROTOCOL", "protocol" },
		{ "PORTS", "ports" },
		{ "KIND", "kind" },
		{ "PER", "per" },
		{ "PACKETS", "packets.rate" },
		{ "BYTES", "bytes.rate" },
		{ "CONNECTIONS", "connections.rate" },
		{ "DRY_RUN", "dry_run" },
		{ "ADMITTED", "admitted_packets" },
		{ "DROPPED_P", "packets.dropped_packets" },
		{ "DROPPED_B", "bytes.dropped_packets" },
		{ "DROPPED_C", "connections.dropped_packets" },
		{ 0 },
	};

	table_print(data, columns, out);
}

static void print_unit(json_t *data, const char *unit, FILE *out)
{
	const json_t *u = json_object_get(data, unit);
	const json_t *left = json_object_get(json_object_get(data, "source"), unit);
	char a[64], b[64], c[64], d[64];

	if (!u)
		return;
	fprintf(out, "%-12s %s burst %s (realised %s/s), dropped %s packets", unit,
		table_cell(u, "rate", a, sizeof(a)), table_cell(u, "burst", b, sizeof(b)),
		table_cell(u, "realised_per_s", c, sizeof(c)),
		table_cell(u, "dropped_packets", d, sizeof(d)));
	fprintf(out, ", would drop %s\n", table_cell(u, "would_drop_packets", a, sizeof(a)));
	if (left)
		fprintf(out, "%-12s %s left, the next passes in %s ms\n", "",
			table_cell(left, "tokens", a, sizeof(a)),
			table_cell(left, "next_ms", b, sizeof(b)));
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
	static const char *const selectors[] = { "sources", "vips", "protocol", "ports",
						 "kind",    "per",  "rows" };
	const json_t *source = json_object_get(data, "source");
	char a[512], b[64], c[64];

	fprintf(out, "%-12s %s (class %s)%s\n", "limit", table_cell(data, "name", a, sizeof(a)),
		table_cell(data, "class", b, sizeof(b)),
		json_is_true(json_object_get(data, "dry_run")) ? ", dry run" : "");
	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++)
		fprintf(out, "%-12s %s\n", selectors[i],
			table_cell(data, selectors[i], a, sizeof(a)));
	if (source)
		fprintf(out, "%-12s %s, meters: %s, proof: %s\n", "source",
			table_cell(source, "address", a, sizeof(a)),
			table_cell(source, "meters", b, sizeof(b)),
			table_cell(source, "proof", c, sizeof(c)));
	for (int i = 0; i < 3; i++)
		print_unit(data, units[i], out);
	for (int i = 0; i < 3; i++)
		print_total(data, units[i], out);
}

void print_limit_explain(json_t *data, FILE *out)
{
	static const struct table_column columns[] = {
		{ "LIMIT", "name" },
		{ "KIND", "kind" },
		{ "METERS", "meters" },
		{ "PROOF", "proof" },
		{ "DRY_RUN", "dry_run" },
		{ "PACKETS", "packets.tokens" },
		{ "BYTES", "bytes.tokens" },
		{ "CONNECTIONS", "connections.tokens" },
		{ "NEXT_MS", "packets.next_ms" },
		{ "TOTAL", "total.packets.tokens" },
		{ 0 },
	};
	const json_t *limits = json_object_get(data, "limits");

	if (json_is_true(json_object_get(data, "exempt")))
		fprintf(out, "an allow prefix has the address: it meets no limits\n");
	else if (json_array_size(limits) == 0)
		fprintf(out, "it meets no limits\n");
	else
		table_print(limits, columns, out);
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
