/* SPDX-License-Identifier: BSD-2-Clause */
/* sluicectl NOUN VERB: look at a running agent and change it. See sluicectl(1). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "base/cleanup.h"
#include "capture.h"
#include "client.h"
#include "command.h"
#include "completion.h"
#include "feed.h"
#include "help.h"
#include "sluice/ctl/ctl.h"
#include "top.h"
#include "upgrade.h"

#define FILE_MAX_BYTES (16L << 20)

struct options {
	const char *socket;
	bool json;
	bool dry_run;
	bool force;
	bool replace;
	bool once;
};

static int usage(const char *what, const char *word)
{
	fprintf(stderr, "sluicectl: %s%s%s; see sluicectl help\n", what, word ? ": " : "",
		word ? word : "");
	return EXIT_USAGE;
}

/* The whole of a file ("-": standard input) as a JSON string; NULL and a message on stderr. */
static json_t *read_file(const char *path)
{
	FILE *file = !strcmp(path, "-") ? stdin : fopen(path, "re");
	char *text = file ? malloc(FILE_MAX_BYTES + 1) : NULL;
	size_t len = text ? fread(text, 1, FILE_MAX_BYTES + 1, file) : 0;
	json_t *string = NULL;

	if (!file || !text || ferror(file))
		fprintf(stderr, "sluicectl: %s: %s\n", path, strerror(errno));
	else if (len > FILE_MAX_BYTES)
		fprintf(stderr, "sluicectl: %s: larger than %ld bytes\n", path, FILE_MAX_BYTES);
	else if (!(string = json_stringn(text, len)))
		fprintf(stderr, "sluicectl: %s: is not UTF-8 text\n", path);
	if (file && file != stdin)
		fclose(file);
	free(text);
	return string;
}

/* FIELD=VALUE into set. */
static int add_field(const struct command *c, json_t *args, const char *word)
{
	const char *equals = strchr(word, '=');
	json_t *set = json_object_get(args, CTL_ARG_SET);
	char key[64];

	if (!equals || equals == word || equals - word >= (int)sizeof(key))
		return usage("not FIELD=VALUE", word);
	if (!set) {
		set = json_object();
		json_object_set_new(args, CTL_ARG_SET, set);
	}
	snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word);
	if (!command_has_field(c, key)) {
		fprintf(stderr, "sluicectl: %s %s has no field %s; it has: %s\n", c->noun, c->verb,
			key, c->fields);
		return EXIT_USAGE;
	}
	if (json_object_get(set, key))
		return usage("given twice", key);
	if (json_object_set_new(set, key, json_string(equals + 1)))
		return usage("not UTF-8", NULL);
	return EXIT_DONE;
}

static int add_positional(const struct command *c, json_t *args, const char *name, const char *word,
			  int *fd)
{
	char key[32];

	name += name[0] == '?';
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(name, "="), name);
	if (!strcmp(key, "file") && command_sends_file(c)) {
		*fd = feed_open(word);
		if (*fd < 0)
			return EXIT_REFUSED;
	} else if (!strcmp(key, "file")) {
		json_t *text = read_file(word);

		if (!text)
			return EXIT_REFUSED;
		json_object_set_new(args, "text", text);
	}
	if (json_object_set_new(args, key, json_string(word)))
		return usage("not UTF-8", NULL);
	return EXIT_DONE;
}

static int build_args(const struct command *c, char **words, json_t *args, int *fd)
{
	size_t n = 0;

	for (; *words; words++) {
		int err;

		/* What may be left out is no FIELD=VALUE. */
		if (n < COMMAND_ARGS_MAX && c->args[n] && c->args[n][0] == '?' && c->fields &&
		    strchr(*words, '='))
			n = COMMAND_ARGS_MAX;
		if (n < COMMAND_ARGS_MAX && c->args[n]) {
			err = add_positional(c, args, c->args[n++], *words, fd);
			if (err)
				return err;
		} else if (!c->fields) {
			return usage("one word too many", *words);
		} else {
			err = add_field(c, args, *words);
			if (err)
				return err;
		}
	}
	if (n < COMMAND_ARGS_MAX && c->args[n] && c->args[n][0] != '?') {
		fprintf(stderr, "sluicectl: missing argument; usage: sluicectl ");
		command_synopsis(c, stderr);
		fputc('\n', stderr);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static json_t *build_request(const struct command *c, const struct options *o, json_t *args)
{
	json_t *request =
		json_pack("{s:s,s:s,s:O,s:b,s:b}", CTL_KEY_NOUN, c->noun, CTL_KEY_VERB, c->verb,
			  CTL_KEY_ARGS, args, CTL_KEY_DRY_RUN, o->dry_run, CTL_KEY_FORCE, o->force);
	char ssh[64];

	if (c->write && client_ssh_address(ssh, sizeof(ssh)) == 0)
		json_object_set_new(request, CTL_KEY_SSH, json_string(ssh));
	return request;
}

static int follow(struct client *client, const struct options *o)
{
	json_t *line;

	while (client_next(client, &line) == 0) {
		json_t *event = json_object_get(line, "event");

		if (o->json) {
			json_dumpf(event ? event : line, stdout, JSON_COMPACT);
			fputc('\n', stdout);
			fflush(stdout);
		} else if (event) {
			print_event(event, stdout);
		}
		json_decref(line);
		if (ferror(stdout))
			return EXIT_DONE;
	}
	fprintf(stderr, "sluicectl: the agent has closed the connection\n");
	return EXIT_REFUSED;
}

/* Without an agent there is nobody to ask: sluiced itself removes what it left in the kernel. */
static int detach_without_agent(void)
{
	fprintf(stderr, "sluicectl: no agent is running: sluiced --detach\n");
	execlp("sluiced", "sluiced", "--detach", (char *)NULL);
	fprintf(stderr, "sluicectl: sluiced: %s\n", strerror(errno));
	return EXIT_REFUSED;
}

static int call(const struct command *c, const struct options *o, json_t *args, int fd)
{
	struct client client;
	json_t *request, *answer = NULL;
	int err = client_open(&client, o->socket);

	if (err == -ENOENT || err == -ECONNREFUSED) {
		if (!strcmp(c->noun, "detach") && !o->dry_run)
			return detach_without_agent();
		fprintf(stderr, "sluicectl: no agent listens on %s: is sluiced running?\n",
			o->socket);
		return EXIT_REFUSED;
	}
	if (err) {
		fprintf(stderr, "sluicectl: %s: %s%s\n", o->socket, strerror(-err),
			err == -EACCES ? "; use sudo, or join the group of agent.control_group"
				       : "");
		return EXIT_REFUSED;
	}
	request = build_request(c, o, args);
	if (!strcmp(c->noun, "top") || !strcmp(c->noun, "capture")) {
		err = !strcmp(c->noun, "top") ? top_run(&client, c, request, o->json, o->once)
					      : capture_run(&client, c, request, o->json);
		json_decref(request);
		client_close(&client);
		return err;
	}
	err = client_call_fd(&client, request, fd, &answer);
	json_decref(request);
	if (err) {
		fprintf(stderr, "sluicectl: no answer from the agent: %s\n", strerror(-err));
		err = EXIT_REFUSED;
	} else {
		bool stream = !strcmp(c->noun, "events") &&
			      json_is_true(json_object_get(answer, CTL_KEY_OK));

		err = stream ? follow(&client, o) : answer_print(c, answer, o->json);
		if (!strcmp(c->noun, "upgrade") && err == EXIT_DONE && !o->dry_run)
			err = upgrade_await(o->socket, answer, o->json);
	}
	json_decref(answer);
	client_close(&client);
	return err;
}

static int run_local(char **words)
{
	if (!strcmp(words[0], "help"))
		return help_print(words[1], stdout) ? usage("there is no noun", words[1])
						    : EXIT_DONE;
	if (!words[1] || strcmp(words[1], "bash") != 0)
		return usage("completion is for bash", NULL);
	completion_bash(stdout);
	return EXIT_DONE;
}

static int run(char **words, const struct options *o)
{
	const struct command *c;
	bool noun_known, has_verb = words[0] && words[1];
	CLEANUP_FD int fd = -1;
	json_t *args;
	int err;

	if (!words[0])
		return usage("a noun is missing", NULL);
	if (!strcmp(words[0], "help") || !strcmp(words[0], "completion"))
		return run_local(words);
	c = command_find(words[0], words[1], &noun_known);
	if (!c && noun_known) {
		c = command_only(words[0]);
		has_verb = false;
	}
	if (!c)
		return usage(noun_known ? "no such verb" : "no such noun",
			     noun_known ? words[1] : words[0]);
	if ((o->dry_run || o->force) && !c->write)
		return usage("--dry-run and --force are for writes", NULL);
	if (o->once && strcmp(c->noun, "top") != 0)
		return usage("--once is for top", NULL);
	if (o->replace && !command_has_replace(c))
		return usage("--replace is for config apply and acl import", NULL);
	args = json_object();
	err = build_args(c, words + (has_verb ? 2 : 1), args, &fd);
	if (o->replace)
		json_object_set_new(args, "replace", json_true());
	if (!err)
		err = call(c, o, args, fd);
	json_decref(args);
	return err;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "force", no_argument, NULL, 'f' },
		{ "replace", no_argument, NULL, 'r' },
		{ "once", no_argument, NULL, '1' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "man", no_argument, NULL, 'M' },
		{ 0 },
	};
	struct options o = { .socket = CTL_SOCKET_DEFAULT };
	int option;

	while ((option = getopt_long(argc, argv, "o:nfr1s:hV", longs, NULL)) != -1) {
		if (option == 'o' && strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
			return usage("--output is text or json, not", optarg);
		switch (option) {
		case 'o':
			o.json = !strcmp(optarg, "json");
			break;
		case 'n':
			o.dry_run = true;
			break;
		case 'f':
			o.force = true;
			break;
		case 'r':
			o.replace = true;
			break;
		case '1':
			o.once = true;
			break;
		case 's':
			o.socket = optarg;
			break;
		case 'h':
			help_print(NULL, stdout);
			return EXIT_DONE;
		case 'V':
			puts("sluicectl " SLUICE_VERSION);
			return EXIT_DONE;
		case 'M':
			help_man(stdout);
			return EXIT_DONE;
		default:
			return usage("an option makes no sense", NULL);
		}
	}
	return run(argv + optind, &o);
}
