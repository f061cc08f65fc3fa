/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients and endpoints that do the right, the wrong and the cut-off thing at random, on a few
 * connections at once, with reloads in between. Whatever happens: no crash, no leak (sanitizers), no
 * answer on the wrong connection, and nothing is left when all have gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/loop.h"
#include "gateway_world.h"

#define CLIENTS 12
#define SERVERS 32
#define STEPS	6000

#define CONF(n)                                                                                 \
	"agent: {access_log: false}\n"                                                          \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, header_timeout: 200ms,"          \
	" body_timeout: 200ms, idle_timeout: 500ms, max_body_bytes: 100000}]\n"                 \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\", \"127.0.0.1:" n "\"],"            \
	" response_timeout: 200ms, connect_timeout: 100ms, max_connections: 8, max_idle: 3}]\n" \
	"routes: [{name: all, paths: [/app], cluster: app}]\n"

struct storm {
	struct world w;
	struct peer client[CLIENTS];
	char tag[CLIENTS][16]; /* what the response to this client has to say */
	struct peer server[SERVERS];
	uint64_t random;
	unsigned int answers; /* whole ones, to the right client */
};

static unsigned int draw(struct storm *s, unsigned int n)
{
	s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(s->random >> 33) % n;
}

static void request_of(struct storm *s, int i, char *text, size_t n)
{
	static unsigned int serial;

	snprintf(s->tag[i], sizeof(s->tag[i]), "tag-%u", ++serial);
	switch (draw(s, 10)) {
	case 0:
		snprintf(text, n,
			 "POST /app/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
			 s->tag[i]);
		break;
	case 1:
		snprintf(text, n,
			 "POST /app/%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
			 "\r\n5\r\nhello\r\n0\r\n\r\n",
			 s->tag[i]);
		break;
	case 2:
		snprintf(text, n, "GET /app/%s HTTP/1.0\r\n\r\n", s->tag[i]);
		break;
	case 3:
		snprintf(text, n,
			 "PUT /app/%s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
			 "Content-Length: 70000\r\n\r\n",
			 s->tag[i]);
		break;
	case 4:
		snprintf(text, n,
			 "GET /app/%s HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n"
			 "Upgrade: websocket\r\n\r\n",
			 s->tag[i]);
		break;
	case 5:
		snprintf(text, n, "GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
		break;
	default:
		snprintf(text, n, "GET /app/%s HTTP/1.1\r\nHost: h\r\n\r\n", s->tag[i]);
		break;
	}
	if (draw(s, 8) == 0) /* cut off, or broken */
		text[draw(s, (unsigned int)strlen(text)) + 1] = 0;
	if (draw(s, 20) == 0)
		text[draw(s, (unsigned int)strlen(text))] = (char)draw(s, 256);
}

/* Answers say twice for whom they are: where both agree, no noise has touched it. */
static void check_client(struct storm *s, int i)
{
	const char *at = s->client[i].data;
	int a, b;

	if (s->client[i].len && s->tag[i][0] && strstr(at, s->tag[i]))
		s->answers++;
	while (s->client[i].len && (at = strstr(at, "for=")) != NULL) {
		if (sscanf(at, "for=client-%d;client-%d;", &a, &b) == 2 && a == b && a != i)
			fail_msg("client %d got an answer of another: %.40s", i, at);
		at += 4;
	}
	s->client[i].len = 0;
}

static void step_client(struct storm *s, int i)
{
	static char noise[8192];
	struct peer *c = &s->client[i];
	char text[512], with[600];

	if (c->fd < 0) {
		peer_connect(c, &s->w);
		s->tag[i][0] = 0;
	}
	peer_receive(c);
	check_client(s, i);
	if (c->ended || c->err) {
		peer_close(c);
		return;
	}
	switch (draw(s, 12)) {
	case 0:
		peer_close(c);
		break;
	case 1:
		peer_reset(c);
		break;
	case 2:
		peer_try_send(c, noise, sizeof(noise));
		break;
	default: {
		char *at;

		request_of(s, i, text, sizeof(text));
		/* who asks, so that the endpoint can say for whom it answers */
		at = strstr(text, "\r\n");
		if (at)
			snprintf(with, sizeof(with), "%.*s\r\nOwner: client-%d%s", (int)(at - text),
				 text, i, at);
		peer_try_send(c, at ? with : text, strlen(at ? with : text));
	}
	}
}

static void answer(struct storm *s, struct peer *e)
{
	char text[1024], body[200];
	const char *path = e->len ? strstr(e->data, "/app/") : NULL;
	const char *owner = e->len ? strstr(e->data, "Owner: ") : NULL;
	size_t n;

	if (!path || !owner)
		return;
	n = strcspn(owner + 7, "\r");
	snprintf(body, sizeof(body), "%.*s for=%.*s;%.*s;", (int)strcspn(path + 5, " "), path + 5,
		 (int)n, owner + 7, (int)n, owner + 7);
	switch (draw(s, 6)) {
	case 0:
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "%zx\r\n%s\r\n0\r\n\r\n",
			 strlen(body), body);
		break;
	case 1:
		snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\n\r\n%s", body);
		break;
	case 2:
		snprintf(text, sizeof(text),
			 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		break;
	case 3:
		snprintf(text, sizeof(text),
			 "HTTP/1.1 101 Switching Protocols\r\n"
			 "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n%s",
			 body);
		break;
	default:
		snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		break;
	}
	n = strlen(text);
	if (draw(s, 8) == 0)
		n = draw(s, (unsigned int)n);
	if (draw(s, 20) == 0)
		text[draw(s, (unsigned int)strlen(text))] = (char)draw(s, 256);
	peer_try_send(e, text, n);
	e->len = 0;
}

static void step_server(struct storm *s, int i)
{
	struct peer *e = &s->server[i];

	if (e->fd < 0) {
		if (!peer_try_accept(e, &s->w, (int)draw(s, 3)))
			e->fd = -1;
		return;
	}
	peer_receive(e);
	if (e->ended || e->err) {
		peer_close(e);
		return;
	}
	switch (draw(s, 24)) {
	case 0:
		peer_close(e);
		break;
	case 1:
		peer_reset(e);
		break;
	case 2:
		break; /* think */
	default:
		answer(s, e);
	}
}

static void run_storm(uint64_t seed)
{
	static struct storm s;

	s = (struct storm) { .random = seed };
	world_start(&s.w, CONF("$1"));
	for (int i = 0; i < CLIENTS; i++)
		s.client[i].fd = -1;
	for (int i = 0; i < SERVERS; i++)
		s.server[i].fd = -1;
	for (int step = 0; step < STEPS; step++) {
		step_client(&s, (int)draw(&s, CLIENTS));
		for (int i = 0; i < SERVERS; i++)
			step_server(&s, i);
		loop_turn(s.w.loop, 0);
		if (step % 500 == 499)
			assert_int_equal(
				world_apply(&s.w, step % 1000 == 999 ? CONF("$1") : CONF("$2")), 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		peer_close(&s.client[i]);
	WORLD_WAIT(&s.w, gateway_connections(s.w.gateway) == 0);
	assert_int_equal(gateway_oldest_revision(s.w.gateway), gateway_revision(s.w.gateway));
	print_message("  seed %llu: %u answers\n", (unsigned long long)seed, s.answers);
	assert_true(s.answers > STEPS / 20); /* it was not all noise */
	world_stop(&s.w);
	for (int i = 0; i < SERVERS; i++)
		peer_close(&s.server[i]);
}

static void storms_leave_nothing_behind(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_storm(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(storms_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
