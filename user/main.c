/* SPDX-License-Identifier: BSD-2-Clause */
/* sluiced: the words of its command line, and what runs before there is more than one process. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/host_files.h"
#include "agent/pem.h"
#include "agent/tickets.h"
#include "base/cleanup.h"
#include "conf/conf.h"
#include "control/control.h"
#include "dataplane/dataplane.h"
#include "monitor/monitor.h"

#define DEFAULT_CONFIG "/etc/sluice/sluice.yaml"
#define DEFAULT_BPFFS  "/sys/fs/bpf/sluice"
#define TEXT_MAX       (64U << 20)

enum { EXIT_USAGE = 2 };

enum action {
	ACTION_RUN,
	ACTION_CHECK = 256, /* beyond every letter */
	ACTION_DUMP,
	ACTION_SCHEMA,
	ACTION_MAN,
	ACTION_DETACH,
	ACTION_VERSION,
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, ACTION_CHECK },
	{ "dump", no_argument, NULL, ACTION_DUMP },
	{ "schema", no_argument, NULL, ACTION_SCHEMA },
	{ "man", no_argument, NULL, ACTION_MAN },
	{ "detach", no_argument, NULL, ACTION_DETACH },
	{ "version", no_argument, NULL, ACTION_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char usage_text[] =
	"usage: sluiced [-c FILE] [--check | --dump | --schema | --man | --detach]\n"
	"\n"
	"Without one of these it runs the agent, in the foreground, as root.\n"
	"  -c, --config FILE  the configuration (" DEFAULT_CONFIG ")\n"
	"      --check        parse and check it and the files it names; touch nothing\n"
	"      --dump         print it with all defaults, as JSON\n"
	"      --schema       print the JSON Schema of the configuration\n"
	"      --man          print the settings part of sluice.yaml(5)\n"
	"      --detach       remove links and maps from the kernel; no agent may run\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage.\n";

static int fail(const struct errmsg *err)
{
	fprintf(stderr, "sluiced: %s\n", err->text);
	return EXIT_FAILURE;
}

static int read_all(int fd, struct buf *to)
{
	for (;;) {
		char *room = buf_reserve(to, 65536);
		ssize_t n = room ? read(fd, room, 65536) : -1;

		if (!room)
			return -EFBIG;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			buf_commit(to, (size_t)n);
	}
}

static void print_errors(const struct conf_errors *errors, const char *path)
{
	CLEANUP(buf_clear) struct buf lines;

	buf_init(&lines, 1U << 20);
	if (conf_errors_format(errors, path, &lines) == 0)
		fprintf(stderr, "%.*s", (int)buf_len(&lines), buf_head(&lines));
}

/* NULL after everything that is wrong with it was printed. */
static struct conf *load(const char *path)
{
	CLEANUP(buf_clear) struct buf text;
	struct conf_errors errors;
	struct errmsg err = { "" };
	struct conf *conf = NULL;
	CLEANUP_FD int fd = host_files_open_config(path, &err);
	int ret;

	buf_init(&text, CONF_FILE_MAX_BYTES + 65536);
	if (fd < 0) {
		fail(&err);
		return NULL;
	}
	ret = read_all(fd, &text);
	if (ret) {
		fprintf(stderr, "sluiced: %s: cannot read: %s\n", path, strerror(-ret));
		return NULL;
	}
	ret = conf_parse(buf_len(&text) ? buf_head(&text) : "", buf_len(&text), &conf, &errors);
	if (ret == -EINVAL)
		print_errors(&errors, path);
	else if (ret)
		fprintf(stderr, "sluiced: %s: %s\n", path, strerror(-ret));
	return ret ? NULL : conf;
}

struct check {
	const char *path;
	struct privilege_account agent;
};

static int check_open(const char *path, struct errmsg *err, void *ctx)
{
	const struct check *check = ctx;

	return host_files_open_pem(path, &check->agent, err);
}

static void check_error(const char *text, void *ctx)
{
	const struct check *check = ctx;

	fprintf(stderr, "%s: %s\n", check->path, text);
}

/* Takes conf. The agent's user need not exist where a configuration is only checked. */
static int check_files(struct conf *conf, const char *path)
{
	struct check check = { .path = path, .agent.uid = (uid_t)-1 };
	const struct pem_source source = { check_open, check_error, &check };
	struct revision *r = revision_new(conf);
	size_t errors;

	if (!r || tickets_rotate(&r->tickets)) {
		fprintf(stderr, "sluiced: out of memory\n");
		return EXIT_FAILURE;
	}
	(void)privilege_account(conf->agent.user, &check.agent, NULL);
	errors = pem_load(r, &source);
	revision_free(r);
	return errors ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int print_with(int (*write_to)(struct buf *out))
{
	CLEANUP(buf_clear) struct buf out;
	int ret;

	buf_init(&out, TEXT_MAX);
	ret = write_to(&out);
	if (ret) {
		fprintf(stderr, "sluiced: %s\n", strerror(-ret));
		return EXIT_FAILURE;
	}
	fwrite(buf_head(&out), 1, buf_len(&out), stdout);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int dump(const struct conf *conf)
{
	CLEANUP(buf_clear) struct buf out;

	buf_init(&out, TEXT_MAX);
	if (conf_dump(conf, CONF_DUMP_FULL, &out)) {
		fprintf(stderr, "sluiced: the configuration is too large to print\n");
		return EXIT_FAILURE;
	}
	printf("%.*s\n", (int)buf_len(&out), buf_head(&out));
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Somebody answers on the control socket (NULL: not known). */
static bool is_served(const char *socket_path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || !socket_path || strlen(socket_path) >= sizeof(to.sun_path))
		return false;
	memcpy(to.sun_path, socket_path, strlen(socket_path) + 1);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static int detach(const char *dir, const char *socket_path)
{
	struct errmsg err = { "" };
	CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (is_served(socket_path)) {
		fprintf(stderr,
			"sluiced: an agent runs: use `sluicectl detach`, or stop it first\n");
		return EXIT_FAILURE;
	}
	if (fd < 0 && errno == ENOENT)
		return EXIT_SUCCESS; /* nothing is left of it */
	if (fd < 0) {
		fprintf(stderr, "sluiced: %s: cannot open: %s\n", dir, strerror(errno));
		return EXIT_FAILURE;
	}
	ret = dataplane_detach_all(fd, &err);
	if (ret)
		return fail(&err);
	if (rmdir(dir) == 0 || errno == ENOENT)
		return EXIT_SUCCESS;
	if (errno != ENOTEMPTY) {
		fprintf(stderr, "sluiced: %s: cannot remove it: %s\n", dir, strerror(errno));
		return EXIT_FAILURE;
	}
	fprintf(stderr, "sluiced: %s stays, with what is in it and not of sluice\n", dir);
	return EXIT_SUCCESS;
}

static int run(const char *path, const struct conf *conf)
{
	static const struct supervisor_hooks hooks = { control_start, control_stop };
	CLEANUP_FREE char *absolute = realpath(path, NULL);
	const struct monitor_settings settings = { absolute, conf, &hooks };

	if (geteuid() != 0) {
		fprintf(stderr,
			"sluiced: has to be started as root: it binds ports, loads BPF and then "
			"becomes %s and %s (--check works for everybody)\n",
			conf->agent.user, conf->agent.worker_user);
		return EXIT_FAILURE;
	}
	if (!absolute) {
		fprintf(stderr, "sluiced: %s: %s\n", path, strerror(errno));
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	return monitor_run(&settings);
}

static int act(enum action action, const char *path, bool path_given)
{
	struct conf *conf;
	int ret;

	if (action == ACTION_SCHEMA)
		return print_with(conf_schema);
	if (action == ACTION_MAN)
		return print_with(conf_man);
	if (action == ACTION_DETACH && !path_given && access(path, F_OK))
		return detach(DEFAULT_BPFFS, NULL);
	conf = load(path);
	if (!conf)
		return EXIT_FAILURE;
	if (action == ACTION_CHECK)
		return check_files(conf, path);
	if (action == ACTION_DUMP)
		ret = dump(conf);
	else if (action == ACTION_DETACH)
		ret = detach(conf->agent.bpffs_dir, conf->agent.control_socket);
	else
		ret = run(path, conf);
	conf_free(conf);
	return ret;
}

static int usage(FILE *to, int status)
{
	fputs(usage_text, to);
	return status;
}

int main(int argc, char **argv)
{
	enum action action = ACTION_RUN;
	const char *path = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			return usage(stdout, EXIT_SUCCESS);
		case ACTION_VERSION:
			puts("sluiced " SLUICE_VERSION);
			return EXIT_SUCCESS;
		case '?':
			return usage(stderr, EXIT_USAGE);
		default:
			if (action != ACTION_RUN && action != (enum action)option)
				return usage(stderr, EXIT_USAGE);
			action = (enum action)option;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluiced: %s: what is this?\n", argv[optind]);
		return usage(stderr, EXIT_USAGE);
	}
	return act(action, path ? path : DEFAULT_CONFIG, path != NULL);
}
