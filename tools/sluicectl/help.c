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
	"  -r, --replace        on config apply: forget changes made by sluicectl; on acl\n"
	"                       import: forget what was imported before\n"
	"  -1, --once           on top: one list, also on a terminal\n"
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

/* An argument: "Ar name", or the words that it may be. */
static void man_arg(const char *arg, FILE *out)
{
	bool optional = arg[0] == '?';
	const char *name = arg + optional, *values = strchr(name, '=');

	fputs(optional ? " Op" : "", out);
	if (!values) {
		fprintf(out, " Ar %s", name);
		return;
	}
	fputs(" Cm ", out);
	for (const char *p = values + 1; *p; p++)
		fprintf(out, *p == '|' ? " | " : "%c", *p);
}

/* "action=drop|drop_new" as ".Cm action Pq drop, drop_new ," */
static void man_field(const char *field, size_t len, bool last, FILE *out)
{
	size_t n = strcspn(field, " =");

	fprintf(out, ".Cm %.*s", (int)n, field);
	if (n < len)
		fputs(" Pq ", out);
	for (size_t i = n + 1; i < len; i++)
		fprintf(out, field[i] == '|' ? ", " : "%c", field[i]);
	fputs(last ? " .\n" : " ,\n", out);
}

static void man_command(const struct command *c, FILE *out)
{
	fprintf(out, ".It Nm Cm %s %s", c->noun, c->verb);
	for (size_t i = 0; i < COMMAND_ARGS_MAX && c->args[i]; i++)
		man_arg(c->args[i], out);
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

			man_field(p, n, last, out);
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
