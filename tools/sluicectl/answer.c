/* SPDX-License-Identifier: BSD-2-Clause */
#include "answer.h"

#include <stdio.h>

#include "sluice/ctl/ctl.h"

static void print_lines(const json_t *answer, FILE *out)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(answer, CTL_KEY_LINES), i, line)
		fprintf(out, "%s\n", json_string_value(line));
}

int answer_print(const struct command *c, const json_t *answer, bool as_json)
{
	bool ok = json_is_true(json_object_get(answer, CTL_KEY_OK));
	json_t *data = json_object_get(answer, CTL_KEY_DATA);
	const char *text = json_string_value(json_object_get(answer, CTL_KEY_TEXT));
	const char *error = json_string_value(json_object_get(answer, CTL_KEY_ERROR));

	if (as_json) {
		json_dumpf(ok && data ? data : answer, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
		return ok ? EXIT_DONE : EXIT_REFUSED;
	}
	print_lines(answer, ok ? stdout : stderr);
	if (!ok) {
		fprintf(stderr, "sluicectl: %s\n", error ? error : "refused");
		return EXIT_REFUSED;
	}
	if (data && c->print)
		c->print(data, stdout);
	if (text && *text)
		printf("%s\n", text);
	return EXIT_DONE;
}
