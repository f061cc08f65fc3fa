/* SPDX-License-Identifier: BSD-2-Clause */
#include "completion.h"

#include <string.h>

#include "command.h"

/*
 * bash breaks words at '=' unless it was told not to: "action=dr" may come as one word or as three.
 * said: the words before the one at the cursor, options and what belongs to them left out.
 */
static const char head_text[] =
	"# bash completion for sluicectl\n"
	"_sluicectl()\n{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal words=\"\" field=\"\" whole=\"\" i said=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n"
	"\t\t-o | --output | -s | --socket) ((i++)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) said+=(\"${COMP_WORDS[i]}\") ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tcase $prev in\n"
	"\t-o | --output) COMPREPLY=($(compgen -W \"text json\" -- \"$cur\")); return ;;\n"
	"\t-s | --socket) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	"\tesac\n"
	"\tif [[ $cur == = ]]; then field=$prev cur=\"\"\n"
	"\telif [[ $prev == = ]]; then field=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\telif [[ $cur == *=* ]]; then field=${cur%%=*} whole=${cur%%=*}= cur=${cur#*=}\n"
	"\tfi\n"
	"\tif [[ $field ]]; then\n"
	"\t\tcase \"${said[0]} ${said[1]} $field\" in\n"
	"\t\t*\" --output\") words=\"text json\" ;;\n";

static const char tail_text[] =
	"\tif [[ ${said[0]} == config && ${#said[@]} -ge 2 && $cur != -* ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -f -- \"$cur\")); return\n"
	"\tfi\n"
	"\tif [[ ${#said[@]} -ge 2 || $cur == -* ]]; then\n"
	"\t\twords=\"$words --output --socket\"\n"
	"\tfi\n"
	"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	"\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
	"}\n"
	"complete -F _sluicectl sluicectl\n";

static bool is_first_of_noun(size_t i)
{
	return i == 0 || strcmp(commands[i].noun, commands[i - 1].noun) != 0;
}

static void print_nouns(FILE *out)
{
	for (size_t i = 0; i < n_commands; i++)
		if (is_first_of_noun(i))
			fprintf(out, " %s", commands[i].noun);
}

static void print_verbs(const char *noun, FILE *out)
{
	for (size_t i = 0; i < n_commands; i++)
		if (!strcmp(commands[i].noun, noun))
			fprintf(out, " %s", commands[i].verb);
}

/* "a|b" up to the end or a space, as words of a shell. */
static void print_values(const char *values, FILE *out)
{
	for (; *values && *values != ' '; values++)
		fputc(*values == '|' ? ' ' : *values, out);
}

/* A case for each field whose values are known. */
static void print_field_cases(const struct command *c, FILE *out)
{
	for (const char *p = c->fields; p && *p; p += strcspn(p, " "), p += *p == ' ') {
		size_t n = strcspn(p, " =");

		if (p[n] != '=')
			continue;
		fprintf(out, "\t\t\"%s %s %.*s\") words=\"", c->noun, c->verb, (int)n, p);
		print_values(p + n + 1, out);
		fputs("\" ;;\n", out);
	}
}

static void print_field_words(const char *fields, FILE *out)
{
	for (const char *p = fields; p && *p; p += strcspn(p, " "), p += *p == ' ')
		fprintf(out, "%.*s= ", (int)strcspn(p, " ="), p);
}

/* What may follow noun and verb: the words of a first argument, fields, options of writes. */
static void print_command_case(const struct command *c, FILE *out)
{
	const char *values = c->args[0] ? strchr(c->args[0], '=') : NULL;

	if (!c->fields && !c->write && !values)
		return;
	fprintf(out, "\t\t\"%s %s\")\n", c->noun, c->verb);
	if (values) {
		fputs("\t\t\t[[ ${#said[@]} == 2 ]] && words=\"", out);
		print_values(values + 1, out);
		fputs("\"\n", out);
	}
	fputs("\t\t\twords+=\" ", out);
	print_field_words(c->fields, out);
	fprintf(out, "%s%s\" ;;\n", c->write ? "--dry-run --force" : "",
		command_has_replace(c) ? " --replace" : "");
}

void completion_bash(FILE *out)
{
	fputs(head_text, out);
	for (size_t i = 0; i < n_commands; i++)
		print_field_cases(&commands[i], out);
	fputs("\t\tesac\n\t\tCOMPREPLY=($(compgen -P \"$whole\" -W \"$words\" -- \"$cur\"))\n"
	      "\t\treturn\n\tfi\n"
	      "\tcase ${#said[@]} in\n\t0) words=\"help completion",
	      out);
	print_nouns(out);
	fputs("\" ;;\n\t1) case ${said[0]} in\n\t\thelp) words=\"", out);
	print_nouns(out);
	fputs("\" ;;\n\t\tcompletion) words=bash ;;\n", out);
	for (size_t i = 0; i < n_commands; i++) {
		if (!is_first_of_noun(i))
			continue;
		fprintf(out, "\t\t%s) words=\"", commands[i].noun);
		print_verbs(commands[i].noun, out);
		fputs("\" ;;\n", out);
	}
	fputs("\t\tesac ;;\n\t*) case \"${said[0]} ${said[1]}\" in\n", out);
	for (size_t i = 0; i < n_commands; i++)
		print_command_case(&commands[i], out);
	fputs("\t\tesac ;;\n\tesac\n", out);
	fputs(tail_text, out);
}
