/* SPDX-License-Identifier: BSD-2-Clause */
#include "help.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "command.h"
#include "sluice/ctl/ctl.h"

static const char options_text[] =
	"options:\n"
	"  -o, --output FORMAT  text (default) or json\n"
	"  -n, --dry-run        on writes: check and show, change nothing\n"
	"  -f, --force          on writes: also against the address of your own SSH session\n"
	"  -r, --replace        on config apply: forget changes made by sluicectl\n"
	"  -s, --socket PATH    control socket (default " CTL_SOCKET_DEFAULT ")\n"
	"  -h, --help           this text\n"
	"  -V, --version\n"
	"exit status: 0 done, 1 refused or failed, 2 the words make no sense\n";

static void print_command(const struct command *c, FILE *out)
{
	fputs("  sluicectl ", out);
	command_synopsis(c, out);
	fprintf(out, "\n      %s\n", c->help);
	if (c->fields)
		fprintf(out, "      fields: %s\n", c->fields);
	if (c->example)
		fprintf(out, "      e.g. %s\n", c->example);
}

int help_print(const char *noun, FILE *out)
{
	bool found = false;

	for (size_t i = 0; noun && i < n_commands && !found; i++)
		found = !strcmp(commands[i].noun, noun);
	if (noun && !found)
		return -ENOENT;
	fputs("usage: sluicectl NOUN [VERB] [ARGUMENT...] [FIELD=VALUE...] [options]\n\n", out);
	for (size_t i = 0; i < n_commands; i++)
		if (!noun || !strcmp(commands[i].noun, noun))
			print_command(&commands[i], out);
	if (!noun)
		fputs("  sluicectl help [NOUN]\n  sluicectl completion bash\n", out);
	fputs("\n", out);
	fputs(options_text, out);
	return 0;
}

static bool is_first_of_noun(size_t i)
{
	return i == 0 || strcmp(commands[i].noun, commands[i - 1].noun) != 0;
}

static void print_verbs(const char *noun, FILE *out)
{
	for (size_t i = 0; i < n_commands; i++)
		if (!strcmp(commands[i].noun, noun))
			fprintf(out, " %s", commands[i].verb);
}

static void print_field_words(const char *fields, FILE *out)
{
	for (const char *p = fields; *p; p++)
		fprintf(out, *p == ' ' ? "= " : "%c", *p);
	fputc('=', out);
}

void help_completion_bash(FILE *out)
{
	fputs("# bash completion for sluicectl\n_sluicectl()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\"\"\n"
	      "\tcase $COMP_CWORD in\n\t1) words=\"help completion",
	      out);
	for (size_t i = 0; i < n_commands; i++)
		if (is_first_of_noun(i))
			fprintf(out, " %s", commands[i].noun);
	fputs("\" ;;\n\t2) case ${COMP_WORDS[1]} in\n", out);
	for (size_t i = 0; i < n_commands; i++) {
		if (!is_first_of_noun(i))
			continue;
		fprintf(out, "\t\t%s) words=\"", commands[i].noun);
		print_verbs(commands[i].noun, out);
		fputs("\" ;;\n", out);
	}
	fputs("\t\tesac ;;\n\t*) case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n", out);
	for (size_t i = 0; i < n_commands; i++) {
		if (!commands[i].fields && !commands[i].write)
			continue;
		fprintf(out, "\t\t\"%s %s\") words=\"", commands[i].noun, commands[i].verb);
		if (commands[i].fields)
			print_field_words(commands[i].fields, out);
		fputs(commands[i].write ? " --dry-run --force\" ;;\n" : "\" ;;\n", out);
	}
	fputs("\t\tesac\n\t\twords=\"$words --output --socket\"\n"
	      "\t\tif [ \"${COMP_WORDS[1]}\" = config ]; then\n"
	      "\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\")); return\n\t\tfi ;;\n\tesac\n"
	      "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	      "\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n}\n"
	      "complete -F _sluicectl sluicectl\n",
	      out);
}

static void man_command(const struct command *c, FILE *out)
{
	fprintf(out, ".It Nm Cm %s %s", c->noun, c->verb);
	for (size_t i = 0; i < COMMAND_ARGS_MAX && c->args[i]; i++)
		fprintf(out, c->args[i][0] == '?' ? " Op Ar %s" : " Ar %s",
			c->args[i] + (c->args[i][0] == '?'));
	if (c->fields)
		fputs(" Ar field Ns = Ns Ar value ...", out);
	fputc('\n', out);
	fputc(toupper((unsigned char)c->help[0]), out);
	fprintf(out, "%s.\n", c->help + 1);
	if (c->fields) {
		fputs("Fields:\n", out);
		for (const char *p = c->fields; *p;) {
			size_t n = strcspn(p, " ");
			bool last = !p[n];

			fprintf(out, ".Cm %.*s%s\n", (int)n, p, last ? " ." : " ,");
			p += n + (last ? 0 : 1);
		}
	}
	if (c->example)
		fprintf(out, ".Dl %s\n", c->example);
}

void help_man(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < n_commands; i++)
		man_command(&commands[i], out);
	fputs(".El\n", out);
}
