/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "gateway_world.h"
#include "net/sock.h"

static const struct addr loopback = { .b = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };

static uint16_t port_of(int fd)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	return ntohs(in.sin_port);
}

static void on_refusal(const struct gateway_refusal *r, void *ctx)
{
	struct world *w = ctx;

	w->refusal = *r;
	w->n_refusals++;
}

static void on_peer(const struct addr *peer, void *ctx)
{
	struct world *w = ctx;

	w->peer = *peer;
	w->n_peers++;
}

/* Replace $0..$2 by the ports of the endpoints. */
static char *expand(const struct world *w, const char *yaml)
{
	char *text = malloc(strlen(yaml) * 4 + 1), *at = text;

	assert_non_null(text);
	for (; *yaml; yaml++) {
		if (*yaml == '$')
			at += sprintf(at, "%u", w->endpoint_port[*++yaml - '0']);
		else
			*at++ = *yaml;
	}
	*at = 0;
	return text;
}

static struct conf *parse(const struct world *w, const char *yaml)
{
	static struct conf_errors errors;
	struct conf *conf = NULL;
	char *text = expand(w, yaml);
	int err = conf_parse(text, strlen(text), &conf, &errors);

	if (err)
		fail_msg("%s: %s", text, errors.n ? errors.error[0].text : "?");
	free(text);
	return conf;
}

/* The first revision brings the socket, later ones keep it. */
static int apply(struct world *w, struct conf *conf, struct errmsg *err)
{
	uint32_t ids[1024], slots[64 * CONF_PLAN_LIMITS_MAX];
	const struct tls_pair *pairs[8], *authorities[8], *shown[8];
	int fds[8];
	struct tls_tickets tickets = { .n = 1, .key = { { 1 } } };
	struct gateway_revision r = {
		.number = w->revision + 1,
		.conf = conf,
		.pairs = pairs,
		.authorities = w->client_auth,
		.tickets = &tickets,
		.cluster_authorities = authorities,
		.cluster_pairs = shown,
		.listen_fds = fds,
		.route_stat_ids = ids,
		.cluster_stat_ids = ids,
		.consumer_ids = ids + 1,
		.meter_slots = slots,
	};
	int code;

	for (uint32_t i = 0; i < 1024; i++)
		ids[i] = i;
	for (uint32_t i = 0; i < 64 * CONF_PLAN_LIMITS_MAX; i++)
		slots[i] = i + 1; /* 0 is nobody's */
	for (size_t i = 0; i < 8; i++) {
		authorities[i] = w->authority;
		shown[i] = w->shown;
	}
	for (size_t i = 0; i < conf->n_listeners; i++) {
		pairs[i] = w->pair;
		fds[i] = w->revision ? -1 : sock_listen(&loopback, 0, 1024);
	}
	if (!w->revision)
		w->port = port_of(fds[0]);
	code = gateway_apply(w->gateway, &r, err);
	if (!code)
		w->revision++;
	return code;
}

int world_apply(struct world *w, const char *yaml)
{
	struct conf *conf = parse(w, yaml);
	struct errmsg err;
	int code = apply(w, conf, &err);

	if (code)
		conf_free(conf);
	return code;
}

static uint64_t memory_bytes(void *ctx)
{
	const struct world *w = ctx;

	return w->memory_bytes;
}

void world_start(struct world *w, const char *yaml)
{
	struct gateway_env env;

	*w = (struct world) { .client_auth = w->client_auth,
			      .pair = w->pair,
			      .authority = w->authority,
			      .shown = w->shown };
	w->log_fd = memfd_create("log", MFD_CLOEXEC);
	log_open_fd("test", w->log_fd);
	assert_int_equal(loop_new(&w->loop), 0);
	w->presence = calloc(1, sizeof(*w->presence));
	for (int i = 0; i < WORLD_ENDPOINTS; i++) {
		w->endpoint_fd[i] = sock_listen(&loopback, 0, 64);
		assert_true(w->endpoint_fd[i] >= 0);
		w->endpoint_port[i] = port_of(w->endpoint_fd[i]);
	}
	env = (struct gateway_env) {
		.loop = w->loop,
		.meters = w->meters,
		.n_meters = WORLD_METERS,
		.presence = w->presence,
		.on_refusal = on_refusal,
		.on_peer = on_peer,
		.memory_bytes = memory_bytes,
		.ctx = w,
	};
	assert_int_equal(gateway_new(&env, &w->gateway), 0);
	assert_int_equal(world_apply(w, yaml), 0);
}

void world_stop(struct world *w)
{
	gateway_free(w->gateway);
	loop_free(w->loop);
	for (int i = 0; i < WORLD_ENDPOINTS; i++) {
		if (w->endpoint_fd[i] >= 0)
			close(w->endpoint_fd[i]);
	}
	free(w->presence);
	log_open_fd("test", STDERR_FILENO);
	close(w->log_fd);
}

void world_turn(struct world *w)
{
	assert_int_equal(loop_turn(w->loop, 2), 0);
}

char *world_log(struct world *w)
{
	off_t n = lseek(w->log_fd, 0, SEEK_END);
	char *text = malloc((size_t)n + 1);

	assert_non_null(text);
	assert_int_equal(pread(w->log_fd, text, (size_t)n, 0), n);
	text[n] = 0;
	return text;
}

static bool log_has(struct world *w, const char *text)
{
	char *log = world_log(w);
	bool has = strstr(log, text) != NULL;

	free(log);
	return has;
}

void world_expect_log(struct world *w, const char *text)
{
	uint64_t until = clock_now_ns() + WORLD_DEADLINE_MS * NS_PER_MS;

	while (!log_has(w, text)) {
		world_turn(w);
		if (clock_now_ns() > until)
			fail_msg("\"%s\" is not in the log: %s", text, world_log(w));
	}
}

static void peer_init(struct peer *p, struct world *w, int fd)
{
	int on = 1;

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*p = (struct peer) { .w = w, .fd = fd };
}

void peer_connect(struct peer *p, struct world *w)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(w->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	peer_init(p, w, fd);
}

bool peer_try_accept(struct peer *p, struct world *w, int endpoint)
{
	int fd = accept(w->endpoint_fd[endpoint], NULL, NULL);

	if (fd < 0)
		return false;
	peer_init(p, w, fd);
	return true;
}

void peer_accept(struct peer *p, struct world *w, int endpoint)
{
	WORLD_WAIT(w, peer_try_accept(p, w, endpoint));
}

size_t peer_try_send(struct peer *p, const void *data, size_t n)
{
	ssize_t sent = send(p->fd, data, n, MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN && !p->err)
		p->err = errno;
	return sent > 0 ? (size_t)sent : 0;
}

void peer_send_n(struct peer *p, const void *data, size_t n)
{
	const char *at = data;

	WORLD_WAIT(p->w, ({
			   size_t sent = peer_try_send(p, at, n);
			   at += sent;
			   n -= sent;
			   !n || p->err;
		   }));
}

void peer_send(struct peer *p, const char *text)
{
	peer_send_n(p, text, strlen(text));
}

void peer_receive(struct peer *p)
{
	ssize_t n;

	if (p->ended || p->err)
		return;
	if (p->cap - p->len < 65536) {
		p->cap = p->cap * 2 + 131072;
		p->data = realloc(p->data, p->cap);
		assert_non_null(p->data);
	}
	n = recv(p->fd, p->data + p->len, p->cap - p->len - 1, 0);
	if (n > 0)
		p->len += (size_t)n;
	else if (n == 0)
		p->ended = true;
	else if (errno != EAGAIN)
		p->err = errno;
	p->data[p->len] = 0;
}

static void drop(struct peer *p, size_t n)
{
	memmove(p->data, p->data + n, p->len - n + 1);
	p->len -= n;
}

static bool has_head(struct peer *p)
{
	/* what came before is taken first: the buffer stays small, however much is on its way */
	if (p->len && strstr(p->data, "\r\n\r\n"))
		return true;
	peer_receive(p);
	if (p->len && strstr(p->data, "\r\n\r\n"))
		return true;
	if (p->ended || p->err)
		fail_msg("ended (%s) before a head: %s", strerror(p->err), p->len ? p->data : "");
	return false;
}

const char *peer_head(struct peer *p)
{
	size_t n;

	WORLD_WAIT(p->w, has_head(p));
	n = (size_t)(strstr(p->data, "\r\n\r\n") - p->data) + 4;
	free(p->head);
	p->head = strndup(p->data, n);
	drop(p, n);
	return p->head;
}

void peer_expect(struct peer *p, const char *text)
{
	size_t n = strlen(text);

	WORLD_WAIT(p->w, p->len >= n || (peer_receive(p), p->len >= n || p->ended || p->err));
	if (p->len < n || memcmp(p->data, text, n) != 0)
		fail_msg("expected \"%s\", got \"%s\"", text, p->data);
	drop(p, n);
}

void peer_take(struct peer *p, size_t n)
{
	while (n) {
		size_t take;

		WORLD_WAIT(p->w, p->len || (peer_receive(p), p->len || p->ended || p->err));
		if (!p->len)
			fail_msg("ended %zu bytes early", n);
		take = p->len < n ? p->len : n;
		drop(p, take);
		n -= take;
	}
}

void peer_expect_end(struct peer *p)
{
	WORLD_WAIT(p->w, (peer_receive(p), p->ended || p->err || p->len));
	if (p->len)
		fail_msg("expected the end, got \"%s\"", p->data);
}

void peer_expect_silence(struct peer *p)
{
	/* loopback delivers in the call that sends: a few turns without an event are rest */
	for (int i = 0; i < 20; i++)
		world_turn(p->w);
	peer_receive(p);
	if (p->len || p->ended || p->err)
		fail_msg("expected silence, got \"%s\"%s", p->len ? p->data : "",
			 p->ended ? " and the end" : "");
}

void peer_expect_problem(struct peer *p, const char *status_line, const char *code)
{
	const char *head = peer_head(p);
	size_t n = strtoul(head_field(head, "Content-Length"), NULL, 10);

	if (strncmp(head, status_line, strlen(status_line)) != 0)
		fail_msg("expected %s, got %s", status_line, head);
	assert_non_null(strstr(head_field(head, "Proxy-Status"), code));
	assert_string_equal(head_field(head, "Content-Type"), "application/problem+json");
	WORLD_WAIT(p->w, (peer_receive(p), p->len >= n));
	assert_non_null(strstr(p->data, code));
	peer_take(p, n);
}

void peer_warm_up(struct peer *p, struct peer *e)
{
	peer_send(p, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_accept(e, p->w, 0);
	peer_head(e);
	peer_send(e, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	peer_head(p);
	peer_expect(p, "ok");
}

void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	free(p->data);
	free(p->head);
	p->data = NULL;
	p->head = NULL;
}

void peer_reset(struct peer *p)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	peer_close(p);
}

static const char *next_field(const char *at, const char *name)
{
	size_t n = strlen(name);

	while ((at = strstr(at, "\r\n"))) {
		at += 2;
		if (strncasecmp(at, name, n) == 0 && at[n] == ':')
			return at;
	}
	return NULL;
}

const char *head_field(const char *head, const char *name)
{
	static char value[4096];
	const char *at = next_field(head, name);
	size_t n;

	if (!at)
		return NULL;
	at += strlen(name) + 1;
	at += strspn(at, " ");
	n = strcspn(at, "\r");
	assert_true(n < sizeof(value));
	memcpy(value, at, n);
	value[n] = 0;
	return value;
}

unsigned int head_count(const char *head, const char *name)
{
	unsigned int n = 0;

	for (head = next_field(head, name); head; head = next_field(head, name))
		n++;
	return n;
}
