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
		{ "VIP", "vip" },	    { "NAME", "name" },	  { "ADDRESS", "address" },
		{ "WEIGHT", "weight" },	    { "SLOTS", "slots" }, { "PACKETS", "packets" },
		{ "BYTES", "bytes" },	    { "FLOWS", "flows" }, { "MTU", "mtu" },
		{ "LEFT", "drain_left_s" }, { "STATE", "state" }, { 0 },
	};

	table_print(data, columns, out);
}

static void print_backend_probes(json_t *backends, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" },	{ "SINCE", "since" },
		{ "PASSED", "passed" }, { "FAILED", "failed" },
		{ "FLAPS", "flaps" },	{ "MS", "latency_ms" },
		{ "ERROR", "error" },	{ 0 },
	};

	fputc('\n', out);
	table_print(backends, columns, out);
}

static void print_backend_shares(json_t *backends, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" },
		{ "PACKETS", "packets" },
		{ "BYTES", "bytes" },
		{ "SINCE", "share_packets" },
		{ "SHARE%", "share_percent" },
		{ "WEIGHT%", "weight_percent" },
		{ "DEVIATION", "deviation" },
		{ "SLOTS", "slots" },
		{ "SLOTS%", "slots_percent" },
		{ 0 },
	};

	fputc('\n', out);
	table_print(backends, columns, out);
}

/* Of mode nat only: flows that began, and those that could not, for want of a port or of room. */
static void print_backend_nat(json_t *backends, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NAME", "name" },
		{ "OPENED", "flows_opened" },
		{ "EXPIRED", "flows_expired" },
		{ "EXHAUSTED", "nat_exhausted" },
		{ "FULL", "nat_full" },
		{ "ANSWERS", "answer_packets" },
		{ "BYTES", "answer_bytes" },
		{ 0 },
	};

	fputc('\n', out);
	table_print(backends, columns, out);
}

/* Removed, with flows that go on; of mode nat only. */
static void print_leaving(json_t *leaving, FILE *out)
{
	static const struct table_column columns[] = {
		{ "LEAVING", "name" }, { "ADDRESS", "address" }, { "FLOWS", "flows" },
		{ "LEFT", "left_s" },  { "HOP", "hop" },	 { 0 },
	};

	if (!json_array_size(leaving))
		return;
	fputc('\n', out);
	table_print(leaving, columns, out);
}

void print_vip(json_t *data, FILE *out)
{
	static const char *const head[] = {
		"name",	       "address",	  "protocol",	    "mode",
		"limit",       "health",	  "all_down",	    "packets",
		"bytes",       "dropped_packets", "dropped_bytes",  "connections",
		"share_since", "window_open",	  "window_left_ms", "flows_noted"
	};
	static const struct table_column columns[] = {
		{ "NAME", "name" },	    { "ADDRESS", "address" }, { "STATE", "state" },
		{ "WEIGHT", "weight" },	    { "NOW", "weight_now" },  { "FLOWS", "flows" },
		{ "LEFT", "drain_left_s" }, { "HOP", "hop" },	      { 0 },
	};
	static const struct table_column ids[] = {
		{ "NAME", "name" },
		{ "SERVER_ID", "server_id" },
		{ 0 },
	};
	static const char *const quic[] = { "quic.encrypted", "quic.routed", "quic.unroutable",
					    "quic.unknown" };
	json_t *backends = json_object_get(data, "backends");
	const bool has_quic = json_object_get(data, "quic") != NULL;
	char cell[512];

	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		fprintf(out, "%-16s %s\n", head[i], table_cell(data, head[i], cell, sizeof(cell)));
	for (size_t i = 0; has_quic && i < sizeof(quic) / sizeof(quic[0]); i++)
		fprintf(out, "%-16s %s\n", quic[i], table_cell(data, quic[i], cell, sizeof(cell)));
	fputc('\n', out);
	table_print(backends, columns, out);
	print_backend_shares(backends, out);
	if (has_quic) {
		fputc('\n', out);
		table_print(backends, ids, out);
	}
	if (json_object_get(data, "leaving"))
		print_backend_nat(backends, out);
	print_leaving(json_object_get(data, "leaving"), out);
	if (*json_string_value(json_object_get(data, "health")))
		print_backend_probes(backends, out);
}
