/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket, as whoever may open it: any bytes on a connection of a supervisor without a kernel
 * half. Each line is answered by one object that says whether it is ok, in order, and the connection
 * ends. Lines that are requests are made dry runs of, so that the next input meets the same supervisor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "agent/supervisor_state.h"
#include "base/log.h"
#include "control/conn.h"
#include "sluice/ctl/ctl.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)
#define INPUT_MAX_BYTES (32U << 10) /* fits a socket's buffer, so one thread can be both ends */
#define TURNS_MAX	4096

static const char config[] =
	"dataplane: {devices: [{name: eth0}]}\n"
	"acl: {deny: [203.0.113.0/24], allow: [198.51.100.7]}\n"
	"limits:\n"
	"  - {name: web, sources: [0.0.0.0/0], packets: {rate: 100/s, burst: 10}}\n"
	"  - {name: dns, protocol: udp, ports: [53], bytes: {rate: 1MB/s}, dry_run: true}\n"
	"vips:\n"
	"  - {name: v, address: 203.0.113.10, port: 80, limit: web,\n"
	"     backends: [{name: b1, address: 10.0.0.1}, {name: b2, address: 10.0.0.2}]}\n"
	"plans: [{name: free, limits: [{name: rps, rate: 10/s}]}]\n"
	"consumers: [{name: c, plan: free, keys: [one-long-key-of-a-consumer]}]\n";

static struct supervisor supervisor;
static struct control_server server = { .s = &supervisor };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int nothing_kept(const char *name, void *ctx)
{
	(void)name;
	(void)ctx;
	return -1;
}

static int keep_nothing(const char *name, int fd, void *ctx)
{
	(void)name;
	(void)fd;
	(void)ctx;
	return 0;
}

static bool nobody_allowed(const struct addr *source, void *ctx)
{
	(void)source;
	(void)ctx;
	return false;
}

static void start(void)
{
	const struct memory_keeper keeper = { nothing_kept, keep_nothing, NULL };
	const struct judge_env env = { .allowed = nobody_allowed, .workers = 1 };
	const uint64_t seed[2] = { 1, 2 };
	struct supervisor *s = &supervisor;
	struct conf_errors errors;
	struct errmsg err = { "" };
	struct conf *conf;

	log_open_fd("fuzz", open("/dev/null", O_WRONLY | O_CLOEXEC));
	s->config_path = "/nonexistent/sluice.yaml";
	s->control_fd = s->internal_fd = s->bpffs_fd = -1;
	CHECK(loop_new(&s->loop) == 0);
	CHECK(memory_open(&s->memory, 0, 1, &keeper, &err) == 0);
	CHECK(judge_new(&env, seed, &s->pushdown.judge) == 0);
	CHECK(slots_new(16, &s->slots) == 0);
	CHECK(conf_parse(config, sizeof(config) - 1, &conf, &errors) == 0);
	s->revision = revision_new(conf);
	CHECK(s->revision);
	s->monitor.watch.fd = -1; /* what the monitor is asked for fails */
	s->kernel.dir_fd = -1;
	s->ready = true;
}

/* One line as it is sent: requests as dry runs, anything else as it came. */
static void add_line(struct buf *out, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	char *text = NULL;

	if (json_is_object(request)) {
		json_object_set_new(request, CTL_KEY_DRY_RUN, json_true());
		text = json_dumps(request, JSON_COMPACT);
	}
	CHECK(buf_add(out, text ? text : line, text ? strlen(text) : len) == 0);
	CHECK(buf_add(out, "\n", 1) == 0);
	free(text);
	json_decref(request);
}

static void check_answer(const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, 0, NULL);

	CHECK(json_is_object(answer));
	CHECK(json_is_boolean(json_object_get(answer, CTL_KEY_OK)) ||
	      json_object_get(answer, "event") || json_object_get(answer, "end"));
	if (json_is_false(json_object_get(answer, CTL_KEY_OK)))
		CHECK(json_string_length(json_object_get(answer, CTL_KEY_ERROR)) > 0);
	json_decref(answer);
}

/* Whole lines at the front of in are answers. Returns how many. */
static size_t take_answers(struct buf *in)
{
	size_t n = 0;

	for (;;) {
		char *head = buf_head(in),
		     *end = buf_len(in) ? memchr(head, '\n', buf_len(in)) : NULL;

		if (!end)
			return n;
		check_answer(head, (size_t)(end - head));
		buf_consume(in, (size_t)(end - head) + 1);
		n++;
	}
}

/* Turn the loop until the supervisor has closed its side; how many answers there were. */
static size_t converse(int fd)
{
	struct buf in;
	size_t answers = 0;

	buf_init(&in, CTL_ANSWER_MAX_BYTES);
	for (int turn = 0;; turn++) {
		char bytes[16384];
		ssize_t n;

		CHECK(turn < TURNS_MAX);
		CHECK(loop_turn(supervisor.loop, 0) == 0);
		while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
			CHECK(buf_add(&in, bytes, (size_t)n) == 0);
		CHECK(n == 0 || errno == EAGAIN);
		answers += take_answers(&in);
		if (n == 0)
			break;
	}
	CHECK(buf_len(&in) == 0);
	buf_clear(&in);
	return answers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;
	size_t lines = 0;
	struct buf out;
	int pair[2];

	if (!supervisor.loop)
		start();
	if (size > INPUT_MAX_BYTES / 4)
		return 0;
	buf_init(&out, 16 * INPUT_MAX_BYTES);
	for (const char *next; at < end; at = next + 1, lines++) {
		next = memchr(at, '\n', (size_t)(end - at));
		if (!next)
			next = end;
		add_line(&out, at, (size_t)(next - at));
	}
	if (buf_len(&out) <= INPUT_MAX_BYTES) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) ==
		      0);
		control_conn_open(&server, pair[0]);
		CHECK(send(pair[1], buf_head(&out), buf_len(&out), MSG_NOSIGNAL) ==
		      (ssize_t)buf_len(&out));
		CHECK(shutdown(pair[1], SHUT_WR) == 0);
		CHECK(converse(pair[1]) >= (lines > 0));
		close(pair[1]);
		CHECK(loop_turn(supervisor.loop, 0) == 0);
	}
	buf_clear(&out);
	return 0;
}
