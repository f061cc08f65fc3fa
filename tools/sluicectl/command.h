/* SPDX-License-Identifier: BSD-2-Clause */
/* The one table of sluicectl: dispatch, help, completion and the man page's synopsis read it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define COMMAND_ARGS_MAX 3

/* Prints data of a successful answer for a person. */
typedef void command_print(json_t *data, FILE *out);

/* How one verb of a noun is called. */
struct command {
	const char *noun;
	const char *verb;
	/*
	 * Positional arguments by name; a leading '?' makes one optional, "=a|b" says what it may be.
	 * "file" is read and sent.
	 */
	const char *args[COMMAND_ARGS_MAX];
	const char *fields; /* FIELD=VALUE that it takes, "ttl action=a|b"; NULL: none */
	bool write;	    /* takes --dry-run and --force */
	const char *help;
	command_print *print; /* NULL: text and lines only */
	const char *example;
};

extern const struct command commands[];
extern const size_t n_commands;

/* "limit set NAME FIELD=VALUE…" */
void command_synopsis(const struct command *c, FILE *out);
/* Does it take field=? */
bool command_has_field(const struct command *c, const char *field);
bool command_has_replace(const struct command *c);
/* Its "file" goes as a descriptor and not as text: it may be large. */
bool command_sends_file(const struct command *c);
/* NULL when there is none; *noun_known tells which word is wrong. */
const struct command *command_find(const char *noun, const char *verb, bool *noun_known);

/*
 * The one verb of a noun that takes words of its own, which then need not be said: "top by=bytes".
 * NULL: there is none, or more than one.
 */
const struct command *command_only(const char *noun);

/* Printers, a file per noun. */
command_print print_acl_test, print_status, print_limits, print_limit, print_acl, print_verdicts,
	print_vips, print_vip, print_backends, print_consumers, print_key, print_plans, print_stats,
	print_config, print_event, print_top, print_explain, print_explained, print_flows;
