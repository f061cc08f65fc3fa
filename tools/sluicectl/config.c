/* SPDX-License-Identifier: BSD-2-Clause */
/* Printer of config show: JSON, which is YAML too. */
#include "command.h"

void print_config(json_t *data, FILE *out)
{
	json_dumpf(data, out, JSON_INDENT(2));
	fputc('\n', out);
}
