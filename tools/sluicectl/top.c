/* SPDX-License-Identifier: BSD-2-Clause */
#include "top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "sluice/ctl/ctl.h"
#include "table.h"

#define EVERY_S	    2
#define EVERY_MAX_S 3600
/* To the corner, and clear what is below (ECMA-48). */
#define CLEAR "\033[H\033[J"

/* "12.3k", "4.1M": four characters or so, of a rate. */
static void print_rate(double rate, FILE *out)
{
	static const char units[] = " kMGT";
	size_t i = 0;

	while (rate >= 999.5 && i < sizeof(units) - 2) {
		rate /= 1000;
		i++;
	}
	fprintf(out, rate < 9.95 ? "%9.1f%c" : "%9.0f%c", rate, units[i]);
}

static double number(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key));
}

void print_top(json_t *data, FILE *out)
{
	const char *unit = json_string_value(json_object_get(data, "unit"));
	json_t *row;
	size_t i;

	fprintf(out, "%s of all sources:", unit ? unit : "");
	print_rate(number(data, "per_s"), out);
	fprintf(out, "\n%-30s %10s %7s  %-18s %s\n", "SOURCE", unit ? unit : "", "SHARE", "REASON",
		"LIMIT");
	json_array_foreach(json_object_get(data, "sources"), i, row) {
		char source[64], reason[32], limit[64];

		fprintf(out, "%-30s ", table_cell(row, "source", source, sizeof(source)));
		print_rate(number(row, "per_s"), out);
		fprintf(out, " %6.1f%%  %-18s %s\n", number(row, "share") * 100,
			table_cell(row, "reason", reason, sizeof(reason)),
			table_cell(row, "limit", limit, sizeof(limit)));
	}
}

/* Seconds between lists, 0: one is enough, -1: every= makes no sense. */
static int parse_every(json_t *set, bool once)
{
	const char *word = json_string_value(json_object_get(set, "every"));
	char *end;
	long s;

	if (!word)
		return once || !isatty(STDOUT_FILENO) ? 0 : EVERY_S;
	s = strtol(word, &end, 10);
	if (end == word || strcmp(end, *end == 's' ? "s" : "") != 0 || s < 1 || s > EVERY_MAX_S)
		return -1;
	json_object_del(set, "every");
	return once ? 0 : (int)s;
}

static int print_list(const struct command *c, const json_t *answer, bool as_json, bool repeat)
{
	const json_t *data = json_object_get(answer, CTL_KEY_DATA);

	if (!as_json || !repeat || !data) {
		if (repeat && data && isatty(STDOUT_FILENO))
			fputs(CLEAR, stdout);
		return answer_print(c, answer, as_json);
	}
	json_dumpf(data, stdout, JSON_COMPACT);
	fputc('\n', stdout);
	return EXIT_DONE;
}

int top_run(struct client *client, const struct command *c, json_t *request, bool as_json,
	    bool once)
{
	int every_s = parse_every(
		json_object_get(json_object_get(request, CTL_KEY_ARGS), CTL_ARG_SET), once);
	int status = EXIT_DONE;

	if (every_s < 0) {
		fprintf(stderr, "sluicectl: every= is a number of seconds, 1 to %d\n", EVERY_MAX_S);
		return EXIT_USAGE;
	}
	for (;;) {
		json_t *answer = NULL;
		int err = client_call(client, request, &answer);

		if (err) {
			fprintf(stderr, "sluicectl: no answer from the agent: %s\n",
				strerror(-err));
			return EXIT_REFUSED;
		}
		status = print_list(c, answer, as_json, every_s > 0);
		json_decref(answer);
		fflush(stdout);
		if (status != EXIT_DONE || every_s == 0 || ferror(stdout))
			return status;
		sleep((unsigned int)every_s);
	}
}
