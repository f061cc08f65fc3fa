/* SPDX-License-Identifier: BSD-2-Clause */
/* When accepting fails: what passes is waited for, what does not stops, and neither spins. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metric.h"
#include "gateway_world.h"

#define CONF                                                       \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

static bool listens_on(int fd, uint16_t port)
{
	struct sockaddr_in in = { 0 };
	socklen_t len = sizeof(in), on_len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_len) == 0 && on &&
	       getsockname(fd, (struct sockaddr *)&in, &len) == 0 && ntohs(in.sin_port) == port;
}

/* The descriptor that the gateway accepts from. */
static int listening_fd(const struct world *w)
{
	for (int fd = 3; fd < 1024; fd++) {
		if (listens_on(fd, w->port))
			return fd;
	}
	fail_msg("nothing listens on port %u", w->port);
	return -1;
}

static unsigned int count(struct world *w, const char *text)
{
	char *log = world_log(w);
	unsigned int n = 0;

	for (const char *p = log; (p = strstr(p, text)); p++)
		n++;
	free(log);
	return n;
}

static uint64_t counter(enum metric_counter c)
{
	return metric_page->counter[c];
}

static void serve(struct peer *c, struct peer *e)
{
	peer_send(c, GET);
	if (e->fd < 0)
		peer_accept(e, c->w, 0);
	peer_head(e);
	peer_send(e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	peer_head(c);
}

/* The lowest descriptor that is free: no further one may be opened. */
static void forbid_descriptors(struct rlimit *before)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct rlimit tight;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
	tight = (struct rlimit) { (rlim_t)fd, before->rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
}

static void without_descriptors_a_listener_pauses_longer_each_time(void **state)
{
	uint64_t begin = counter(METRIC_ACCEPT_PAUSES), begin_ns;
	struct peer c, e = { .fd = -1 };
	struct rlimit before;
	struct world w = { 0 };

	(void)state;
	world_start(&w, CONF);
	peer_connect(&c, &w); /* in the backlog */
	forbid_descriptors(&before);
	begin_ns = clock_now_ns();
	WORLD_WAIT(&w, counter(METRIC_ACCEPT_PAUSES) - begin == 3);
	/* the third attempt came after the first two pauses */
	assert_true(clock_now_ns() - begin_ns >= (100 + 200) * NS_PER_MS);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	serve(&c, &e);
	assert_int_equal(count(&w, "\"listener.paused\""), 1);
	assert_int_equal(count(&w, "\"listener.resumed\""), 1);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_socket_that_will_not_accept_again_stops_its_listener(void **state)
{
	uint64_t stops = counter(METRIC_ACCEPT_STOPS), pauses = counter(METRIC_ACCEPT_PAUSES);
	struct peer c, e = { .fd = -1 };
	struct world w = { 0 };

	(void)state;
	world_start(&w, CONF);
	peer_connect(&c, &w);
	serve(&c, &e);
	assert_int_equal(shutdown(listening_fd(&w), SHUT_RD), 0); /* accept: EINVAL from now on */
	world_expect_log(&w, "\"listener.stopped\"");
	for (int i = 0; i < 10; i++)
		world_turn(&w);
	assert_int_equal(count(&w, "\"listener.stopped\""), 1);
	assert_int_equal(counter(METRIC_ACCEPT_STOPS) - stops, 1);
	assert_int_equal(counter(METRIC_ACCEPT_PAUSES), pauses);
	/* its connections go on, over a reload too */
	serve(&c, &e);
	assert_int_equal(world_apply(&w, CONF), 0);
	serve(&c, &e);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_descriptors_a_listener_pauses_longer_each_time),
		cmocka_unit_test(a_socket_that_will_not_accept_again_stops_its_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
