/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of stats: what is zero is left out, the JSON has all. */
#include <string.h>

#include "command.h"
#include "table.h"

static void print_count(const char *half, const char *name, const json_t *value, FILE *out)
{
	json_int_t packets = json_integer_value(json_object_get(value, "packets"));
	json_int_t bytes = json_integer_value(json_object_get(value, "bytes"));

	if (packets)
		fprintf(out,
			"%s %-24s %14" JSON_INTEGER_FORMAT " packets %16" JSON_INTEGER_FORMAT
			" bytes\n",
			half, name, packets, bytes);
}

void print_stats(json_t *data, FILE *out)
{
	const char *key, *reason;
	json_t *value, *count;

	json_object_foreach(json_object_get(data, "kernel"), key, value) {
		if (json_is_integer(value) && json_integer_value(value))
			fprintf(out, "kernel %-24s %14" JSON_INTEGER_FORMAT "\n", key,
				json_integer_value(value));
		else if (!strcmp(key, "dropped"))
			json_object_foreach(value, reason, count) {
				print_count("drop  ", reason, count, out);
			}
		else
			print_count("kernel", key, value, out);
	}
	json_object_foreach(json_object_get(data, "agent"), key, value) {
		if (json_integer_value(value))
			fprintf(out, "agent  %-24s %14" JSON_INTEGER_FORMAT "\n", key,
				json_integer_value(value));
	}
}
