/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_load: asks a proxy for the same thing again and again, and checks every answer.
 *   http_load PORT CONNECTIONS keep|full|resumed clear|tls|h2 BODY_BYTES [HEADER]
 * It opens its connections with a request each and prints a line; then a line of its input is a run:
 *   closed SECONDS        each connection asks as soon as it was answered
 *   open RATE SECONDS     RATE requests a second, whoever was answered; delays are from when one was due
 * and a line of JSON its outcome. It ends with its input.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "bench/http/body.h"
#include "bench/http/client.h"

#define EVENTS	    256
#define SAMPLES_MAX 4000000
#define DRAIN_NS    10000000000ULL /* what is under way at the end of a run may take so long */
#define OPENING_MAX 64		   /* at a time, while connections are opened */

struct run {
	struct load *load;
	struct client *clients, *idle;
	size_t n_clients, n_busy;
	uint64_t begin_ns, end_ns;
	double rate; /* requests a second; 0: closed loop */
	uint64_t asked, most;
	uint32_t *delay_us;
	size_t n_delays;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t due_ns(const struct run *r)
{
	return r->rate > 0 ? r->begin_ns + (uint64_t)((double)r->asked * 1e9 / r->rate)
			   : r->begin_ns;
}

static void put_idle(struct run *r, struct client *c)
{
	c->next = r->idle;
	r->idle = c;
}

/* Whatever is due and has a free connection. */
static void ask_due(struct run *r)
{
	while (r->idle && r->asked < r->most && (r->rate > 0 || r->n_busy < r->n_clients)) {
		uint64_t due = due_ns(r), now = now_ns();
		struct client *c = r->idle;

		if (due >= r->end_ns || now < due || (!(r->rate > 0) && now >= r->end_ns))
			return;
		r->idle = c->next;
		c->due_ns = r->rate > 0 ? due : now;
		r->asked++;
		if (client_ask(c))
			r->n_busy++;
		else
			put_idle(r, c);
	}
}

static void on_done(struct run *r, struct client *c)
{
	r->n_busy--;
	if (r->n_delays < SAMPLES_MAX)
		r->delay_us[r->n_delays++] = (uint32_t)((now_ns() - c->due_ns) / 1000);
	put_idle(r, c);
}

/* Time to the next thing that is due; false: the run is over. */
static bool wait_time(const struct run *r, struct timespec *ret)
{
	uint64_t now = now_ns(), until = r->end_ns + DRAIN_NS, due = due_ns(r);
	bool asks = r->asked < r->most && due < r->end_ns && now < r->end_ns;

	if (!r->n_busy && !asks)
		return false;
	if (asks && r->rate > 0 && r->idle && due < until)
		until = due;
	until = until > now ? until - now : 0;
	if (!until && now > r->end_ns + DRAIN_NS)
		return false;
	*ret = (struct timespec) { (time_t)(until / 1000000000), (long)(until % 1000000000) };
	return true;
}

static void go(struct run *r)
{
	static struct epoll_event events[EVENTS];
	struct timespec ts;

	ask_due(r);
	while (wait_time(r, &ts)) {
		int n = epoll_pwait2(r->load->epoll_fd, events, EVENTS, &ts, NULL);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			bool was_busy = c->busy;

			/* one that a server closed between two requests is an error too */
			if (c->fd >= 0 && client_event(c) && was_busy)
				on_done(r, c);
		}
		ask_due(r);
	}
	if (r->n_busy && !r->load->errors++)
		snprintf(r->load->why, sizeof(r->load->why), "%zu got no answer", r->n_busy);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t quantile(const struct run *r, double q)
{
	return r->n_delays ? r->delay_us[(size_t)(q * (double)(r->n_delays - 1))] : 0;
}

/* Resumption is as it was asked for, or it is an error. */
static void check_resumed(struct load *l, uint64_t wanted)
{
	if (l->resumed != wanted && !l->errors++)
		snprintf(l->why, sizeof(l->why), "%llu handshakes resumed, not %llu",
			 (unsigned long long)l->resumed, (unsigned long long)wanted);
}

static void report(struct run *r)
{
	struct load *l = r->load;

	qsort(r->delay_us, r->n_delays, sizeof(*r->delay_us), by_size);
	printf("{\"requests\":%llu,\"errors\":%llu,\"why\":\"%s\",\"seconds\":%.6f,"
	       "\"tickets\":%llu,\"resumed\":%llu,\"p50_us\":%u,\"p99_us\":%u}\n",
	       (unsigned long long)l->requests, (unsigned long long)l->errors, l->why,
	       (double)(now_ns() - r->begin_ns) / 1e9, (unsigned long long)l->tickets,
	       (unsigned long long)l->resumed, quantile(r, 0.5), quantile(r, 0.99));
	fflush(stdout);
	l->requests = l->errors = l->tickets = l->resumed = 0;
	l->why[0] = '\0';
	r->n_delays = 0;
}

/* One request on each connection, few at a time: a backlog must not decide. */
static void open_all(struct run *r)
{
	size_t all = r->n_clients;

	r->begin_ns = now_ns();
	r->end_ns = r->begin_ns + 60000000000ULL;
	for (size_t at = 0; at < all; at += OPENING_MAX) {
		size_t n = all - at < OPENING_MAX ? all - at : OPENING_MAX;

		r->idle = NULL;
		for (size_t i = at; i < at + n; i++)
			put_idle(r, &r->clients[i]);
		r->asked = 0;
		r->most = n;
		r->n_busy = 0;
		go(r);
	}
	r->idle = NULL;
	for (size_t i = 0; i < all; i++)
		put_idle(r, &r->clients[i]);
	check_resumed(r->load, 0);
	report(r);
}

static void commands(struct run *r)
{
	char line[128];
	double rate, seconds;

	while (fgets(line, sizeof(line), stdin)) {
		rate = 0;
		if (sscanf(line, "closed %lf", &seconds) != 1 &&
		    sscanf(line, "open %lf %lf", &rate, &seconds) != 2)
			return;
		r->rate = rate;
		r->asked = 0;
		r->most = UINT64_MAX;
		r->n_busy = 0;
		r->begin_ns = now_ns();
		r->end_ns = r->begin_ns + (uint64_t)(seconds * 1e9);
		go(r);
		check_resumed(r->load, r->load->mode == LOAD_RESUMED ? r->load->requests : 0);
		report(r);
	}
}

static bool parse(struct load *l, char **argv, size_t *n_clients)
{
	static const char *const modes[] = { "keep", "full", "resumed" };

	for (unsigned int i = 0; i < 3; i++) {
		if (strcmp(argv[3], modes[i]) == 0)
			l->mode = (enum load_mode)i;
	}
	l->port = (uint16_t)atoi(argv[1]);
	*n_clients = strtoul(argv[2], NULL, 10);
	l->h2 = strcmp(argv[4], "h2") == 0;
	l->tls = l->h2 || strcmp(argv[4], "tls") == 0;
	l->body_bytes = strtoul(argv[5], NULL, 10);
	l->request_bytes = (size_t)snprintf(
		l->request, sizeof(l->request),
		"GET /%zu HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: http_load/1\r\n"
		"Accept: */*\r\n%s%s\r\n",
		l->body_bytes, argv[6] ? argv[6] : "", argv[6] ? "\r\n" : "");
	return l->port && *n_clients && l->body_bytes && l->body_bytes <= BODY_MAX_BYTES &&
	       l->request_bytes < sizeof(l->request);
}

int main(int argc, char **argv)
{
	static struct load l;
	struct run r = { .load = &l };

	if (argc < 6 || !parse(&l, argv, &r.n_clients)) {
		fprintf(stderr,
			"http_load PORT CONNECTIONS keep|full|resumed clear|tls|h2 BYTES [HEADER]\n");
		return 2;
	}
	l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l.body = malloc(l.body_bytes);
	r.clients = calloc(r.n_clients, sizeof(*r.clients));
	r.delay_us = malloc(SAMPLES_MAX * sizeof(*r.delay_us));
	if (l.epoll_fd < 0 || !l.body || !r.clients || !r.delay_us)
		return 1;
	body_fill(l.body, l.body_bytes);
	load_open(&l);
	for (size_t i = 0; i < r.n_clients; i++) {
		r.clients[i].load = &l;
		r.clients[i].fd = -1;
	}
	open_all(&r);
	commands(&r);
	for (size_t i = 0; i < r.n_clients; i++) {
		client_close(&r.clients[i]);
		SSL_SESSION_free(r.clients[i].session);
	}
	load_close(&l);
	return 0;
}
