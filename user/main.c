/* SPDX-License-Identifier: BSD-2-Clause */
/* sluiced: the words of its command line, and what runs before there is more than one process. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/acl_source.h"
#include "agent/handover.h"
#include "agent/host_files.h"
#include "agent/pem.h"
#include "agent/quic_secret.h"
#include "base/cleanup.h"
#include "conf/conf.h"
#include "conf/conf_warn.h"
#include "control/control.h"
#include "dataplane/dataplane.h"
#include "dataplane/limit_memory.h"
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
	OPTION_TAKEOVER,
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, ACTION_CHECK },
	{ "dump", no_argument, NULL, ACTION_DUMP },
	{ "schema", no_argument, NULL, ACTION_SCHEMA },
	{ "man", no_argument, NULL, ACTION_MAN },
	{ "detach", no_argument, NULL, ACTION_DETACH },
	{ "version", no_argument, NULL, ACTION_VERSION },
	{ "takeover", required_argument, NULL, OPTION_TAKEOVER },
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

static void print_warnings(struct conf_errors *warnings, const char *path)
{
	for (size_t i = 0; i < warnings->n; i++) {
		char text[sizeof(warnings->error[0].text)];

		memcpy(text, warnings->error[i].text, sizeof(text));
		snprintf(warnings->error[i].text, sizeof(text), "warning: %.240s", text);
	}
	print_errors(warnings, path);
}

/* What only this machine can tell of a configuration: accounts, certificates, the bpffs. */
struct check {
	struct host_files_pems bounds;
	struct privilege_account agent;
	struct conf_errors warnings;
};

static void check_account(const char *user, struct conf_place at, const char *setting,
			  struct privilege_account *ret, struct conf_errors *errors)
{
	struct errmsg err;

	if (user && privilege_account(user, ret, &err))
		conf_errors_add(errors, at.line, at.column, "agent.%s: %s", setting, err.text);
}

static void check_accounts(const struct conf_agent *c, struct check *check,
			   struct conf_errors *errors)
{
	struct privilege_account worker;

	check_account(c->user, c->user_place, "user", &check->agent, errors);
	check_account(c->worker_user, c->worker_user_place, "worker_user", &worker, errors);
	if (c->control_group && !getgrnam(c->control_group))
		conf_errors_add(errors, c->control_group_place.line, c->control_group_place.column,
				"agent.control_group: there is no group %s; make it with: groupadd "
				"--system %s",
				c->control_group, c->control_group);
}

static void check_bpffs(const struct conf *conf, struct check *check, struct conf_errors *errors)
{
	const char *dir = conf->agent.bpffs_dir;
	const struct conf_place at = conf->agent.bpffs_dir_place;

	if (!conf_wants_kernel(conf) || !dir || host_files_on_bpffs(dir) != 0 ||
	    strncmp(dir, HOST_FILES_BPFFS "/", strlen(HOST_FILES_BPFFS) + 1) == 0)
		return;
	conf_errors_add(access(dir, F_OK) ? &check->warnings : errors, at.line, at.column,
			"agent.bpffs_dir: %s is not on a bpffs; mount one (mount -t bpf bpf DIR), "
			"or name a directory below " HOST_FILES_BPFFS,
			dir);
}

static int check_open(const char *path, struct errmsg *err, void *ctx)
{
	const struct check *check = ctx;

	return host_files_open_pem(path, &check->bounds, err);
}

static void check_host(const struct conf *conf, struct conf_errors *errors, void *ctx)
{
	struct check *check = ctx;
	const struct pem_source source = { check_open, check };

	check->bounds.conf = &conf->agent;
	conf_warn(conf, &check->warnings);
	check_accounts(&conf->agent, check, errors);
	check_bpffs(conf, check, errors);
	pem_check(conf, &source, errors);
	quic_secret_check(conf, &source, errors);
	acl_source_check(conf, errors);
	supervisor_health_check(conf, errors);
	conf_errors_sort(errors);
	conf_errors_sort(&check->warnings);
}

/* NULL after everything that is wrong with it was printed. host: with the machine, also when it parses. */
static struct conf *load(const char *path, bool host, const struct handover *held)
{
	CLEANUP(buf_clear) struct buf text;
	CLEANUP_FREE char *absolute = realpath(path, NULL);
	struct check check = { .bounds = { .config_path = absolute ? absolute : path,
					   .agent = &check.agent },
			       .agent.uid = (uid_t)-1 };
	const struct conf_outside outside = { check_host, &check };
	struct conf_errors errors;
	struct errmsg err = { "" };
	struct conf *conf = NULL;
	CLEANUP_FD int fd = held ? fcntl(held->config_fd, F_DUPFD_CLOEXEC, 0)
				 : host_files_open_config(path, &err);
	int ret;

	if (held && fd >= 0)
		(void)lseek(fd, 0, SEEK_SET); /* who checked it has read it */
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
	ret = conf_parse_with(buf_len(&text) ? buf_head(&text) : "", buf_len(&text), &outside,
			      &conf, &errors);
	if (!ret && host)
		check_host(conf, &errors, &check);
	if (ret && ret != -EINVAL)
		fprintf(stderr, "sluiced: %s: %s\n", path, strerror(-ret));
	else
		print_errors(&errors, path);
	if (host)
		print_warnings(&check.warnings, path);
	if (!ret && !errors.n)
		return conf;
	conf_free(conf);
	return NULL;
}

/* One line for a person and for a log of deployments, and what tables in the kernel take. */
static void print_summary(const struct conf *conf, const char *path)
{
	CLEANUP(buf_clear) struct buf memory;

	printf("%s: ok: %zu listeners, %zu routes, %zu clusters, %zu consumers, %zu plans, %zu "
	       "limits, %zu vips, %zu devices\n",
	       path, conf->n_listeners, conf->n_routes, conf->n_clusters, conf->n_consumers,
	       conf->n_plans, conf->n_limits, conf->n_vips, conf->dataplane.n_devices);
	buf_init(&memory, 1U << 14);
	if (!limit_memory_format(&conf->dataplane, &memory) && buf_len(&memory))
		fwrite(buf_head(&memory), 1, buf_len(&memory), stdout);
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

static int run(const char *path, const struct conf *conf, const struct handover *held)
{
	static const struct supervisor_hooks hooks = { control_start, control_stop };
	CLEANUP_FREE char *absolute = realpath(path, NULL);
	const struct monitor_settings settings = { absolute, conf, &hooks, held };

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

/* Who may look at them is told what becomes of the maps that are pinned. */
static int preview(const struct conf *conf)
{
	struct errmsg line = { "" }, err = { "" };
	CLEANUP_FD int fd = open(conf->agent.bpffs_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || geteuid() != 0 || !conf->dataplane.enabled || !conf_wants_kernel(conf))
		return EXIT_SUCCESS;
	if (dataplane_preview(fd, &conf->dataplane, &line, &err) == -EPROTO)
		return fail(&err);
	if (line.text[0])
		printf("at the next start, maps of another layout: %s\n", line.text);
	return EXIT_SUCCESS;
}

/* held: of the monitor that this program is to follow, or NULL. */
static int act_on(enum action action, const char *path, const struct handover *held)
{
	struct conf *conf = load(path, action == ACTION_CHECK, held);
	struct errmsg err = { "" };
	int ret = conf && held && handover_fits(held, conf, &err) ? fail(&err) : EXIT_SUCCESS;

	if (!conf)
		return EXIT_FAILURE;
	if (action == ACTION_CHECK && !ret) {
		print_summary(conf, path);
		ret = held ? EXIT_SUCCESS : preview(conf);
		ret = fflush(stdout) ? EXIT_FAILURE : ret;
	} else if (action == ACTION_DUMP)
		ret = dump(conf);
	else if (action == ACTION_DETACH)
		ret = detach(conf->agent.bpffs_dir, conf->agent.control_socket);
	else if (!ret)
		ret = run(path, conf, held);
	conf_free(conf);
	return ret;
}

static int act(enum action action, const char *path, bool path_given, int takeover_fd)
{
	static struct handover held;
	struct errmsg err = { "" };

	if (action == ACTION_SCHEMA)
		return print_with(conf_schema);
	if (action == ACTION_MAN)
		return print_with(conf_man);
	if (action == ACTION_DETACH && !path_given && access(path, F_OK))
		return detach(DEFAULT_BPFFS, NULL);
	if (takeover_fd < 0)
		return act_on(action, path, NULL);
	if (action != ACTION_RUN && action != ACTION_CHECK)
		return EXIT_USAGE;
	if (handover_read(takeover_fd, &held, &err))
		return fail(&err);
	close(takeover_fd);
	return act_on(action, path, &held);
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
	int option, takeover_fd = -1;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			return usage(stdout, EXIT_SUCCESS);
		case OPTION_TAKEOVER: /* by a monitor that makes room for this program */
			takeover_fd = atoi(optarg);
			break;
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
	return act(action, path ? path : DEFAULT_CONFIG, path != NULL, takeover_fd);
}
