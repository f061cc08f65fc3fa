/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of health checks on a loop with a clock of its own, against sockets of this process: who is
 * probed when, and what is told. Backends are addresses of 127.0.0.0/8, which all reach one socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "health/health.h"
#include "sluice/abi/vip.h"

#define BACKENDS_MAX 3000

/* An hour ahead of CLOCK_MONOTONIC, and standing: however slow the machine is, no time passes. */
static uint64_t clock_ns;

static uint64_t test_clock(void)
{
	return clock_ns;
}

struct world {
	struct loop *loop;
	struct health *health;
	struct conf conf;
	struct conf_vip vip;
	struct conf_backend backends[BACKENDS_MAX];
	uint32_t found; /* share of each backend in the ring before */
	uint32_t share[BACKENDS_MAX];
	uint64_t share_ms[BACKENDS_MAX]; /* when it was told */
	unsigned int changes[BACKENDS_MAX];
	char why[HEALTH_ERROR_BYTES];
	struct health_way way;
	bool has_way;
	bool up[BACKENDS_MAX];
};

static uint64_t now_ms(struct world *w)
{
	return loop_now_ns(w->loop) / NS_PER_MS;
}

static void on_share(void *ctx, size_t vip, size_t backend, uint32_t share)
{
	struct world *w = ctx;

	assert_int_equal(vip, 0);
	w->share[backend] = share;
	w->share_ms[backend] = now_ms(w);
}

static void on_change(void *ctx, size_t vip, size_t backend, bool up, const char *why)
{
	struct world *w = ctx;

	assert_int_equal(vip, 0);
	w->changes[backend]++;
	w->up[backend] = up;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static uint32_t found_share(void *ctx, size_t vip, size_t backend)
{
	(void)vip, (void)backend;
	return ((struct world *)ctx)->found;
}

static bool find_way(void *ctx, size_t vip, size_t backend, struct health_way *ret)
{
	const struct world *w = ctx;

	(void)vip, (void)backend;
	*ret = w->way;
	return w->has_way;
}

static int no_file(const char *path, char **ret, size_t *ret_len, struct errmsg *err)
{
	(void)ret, (void)ret_len;
	return errmsg_set(err, -ENOENT, "%s: is not there", path);
}

static void apply(struct world *w)
{
	const struct health_source source = { no_file, found_share, w };
	struct errmsg warning;

	assert_int_equal(health_apply(w->health, &w->conf, &source, &warning), 0);
	assert_string_equal(warning.text, "");
}

static struct world *world_new(size_t n, uint8_t type, uint16_t port)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct health_events events = { on_share, on_change, w, find_way };

	if (!clock_ns)
		clock_ns = clock_now_ns() + 3600 * NS_PER_S;
	assert_int_equal(loop_new(&w->loop), 0);
	loop_set_clock(w->loop, test_clock);
	assert_int_equal(loop_turn(w->loop, 0), 0);
	assert_int_equal(health_new(w->loop, &events, &w->health), 0);
	w->conf = (struct conf) { .vips = &w->vip, .n_vips = 1 };
	w->vip = (struct conf_vip) {
		.name = (char *)"web",
		.port = port,
		.health = { .type = type,
			    .send = (char *)"ping",
			    .interval_ms = 1000,
			    .jitter_percent = 10,
			    .timeout_ms = 500,
			    .rise = 2,
			    .fall = 3 },
		.backends = w->backends,
		.n_backends = n,
	};
	for (size_t i = 0; i < n; i++)
		w->backends[i] = (struct conf_backend) {
			.address.b = { [10] = 0xff, 0xff, 127, 1, (uint8_t)(i >> 8), (uint8_t)i },
			.weight = 1,
		};
	return w;
}

static void world_free(struct world *w)
{
	health_free(w->health);
	loop_free(w->loop);
	free(w);
}

/* Let the clock of the loop pass, in steps, with all that happens meanwhile. */
static void pass_ms(struct world *w, unsigned int ms, unsigned int step_ms)
{
	for (unsigned int at = 0; at < ms; at += step_ms) {
		clock_ns += step_ms * NS_PER_MS;
		for (int i = 0; i < 3; i++)
			loop_turn(w->loop, 0);
	}
}

static int open_socket(int type, uint16_t *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4096), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static size_t count_share(const struct world *w, uint32_t share)
{
	size_t n = 0;

	for (size_t i = 0; i < w->vip.n_backends; i++)
		n += w->share[i] == share;
	return n;
}

static void test_a_failed_backend_is_out_within_the_bound(void **state)
{
	const uint64_t bound_ms = 3 * 1100; /* fall x (interval + jitter); refused at once */
	struct world *w;
	uint16_t port = 0;
	int fd = open_socket(SOCK_STREAM, &port);
	uint64_t failed_ms;

	(void)state;
	w = world_new(200, CONF_HEALTH_TCP, port);
	apply(w);
	assert_int_equal(count_share(w, 0), 200);
	pass_ms(w, 3000, 5);
	assert_int_equal(count_share(w, 100), 200);
	close(fd);
	failed_ms = now_ms(w);
	pass_ms(w, 3500, 5);
	assert_int_equal(count_share(w, 0), 200);
	for (size_t i = 0; i < 200; i++) {
		assert_int_equal(w->changes[i], 2);
		/* a step of the clock for each */
		assert_in_range(w->share_ms[i] - failed_ms, 2 * 900, bound_ms + 3 * 5);
	}
	assert_string_equal(w->why, "Connection refused");
	world_free(w);
}

static void test_silence_is_a_failure_after_the_timeout(void **state)
{
	struct health_info info;
	struct world *w;
	uint16_t port = 0;
	int fd = open_socket(SOCK_DGRAM, &port); /* takes all, answers nothing */

	(void)state;
	w = world_new(1, CONF_HEALTH_UDP, port);
	w->found = 100;
	apply(w);
	assert_int_equal(w->share[0], 100);
	pass_ms(w, 2 * 1100, 5);
	assert_int_equal(w->share[0], 100); /* two failures at most */
	pass_ms(w, 1100 + 1100 + 600, 5);
	assert_int_equal(w->share[0], 0);
	assert_string_equal(w->why, "no answer within 500 ms");
	assert_true(health_get(w->health, 0, 0, &info));
	assert_true(info.probes[HEALTH_TIMEOUT] >= 3);
	assert_int_equal(info.transitions, 1);
	world_free(w);
	close(fd);
}

static struct addr loopback(uint8_t last)
{
	return (struct addr) { .b = { [10] = 0xff, 0xff, 127, 0, 0, last } };
}

static void test_a_probe_goes_by_the_way_that_it_is_given(void **state)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000009) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(peer);
	struct world *w;
	ssize_t n = -1;
	char data[8];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&peer, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&peer, &len), 0);
	w = world_new(1, CONF_HEALTH_UDP, ntohs(peer.sin_port));
	w->has_way = true;
	w->way = (struct health_way) { .addr = loopback(9),
				       .by = { .has_source = true, .source = loopback(8) } };
	apply(w);
	for (int i = 0; n < 0 && i < 110; i++) {
		pass_ms(w, 10, 10);
		n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &len);
	}
	assert_int_equal(n, 4);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), 0x7f000008);
	assert_int_equal(sendto(fd, "pong", 4, 0, (struct sockaddr *)&peer, len), 4);
	pass_ms(w, 20, 10);
	assert_int_equal(w->share[0], 100);
	/* Its own address, where nobody is. */
	w->has_way = false;
	pass_ms(w, 4 * 1100, 100);
	assert_int_equal(w->share[0], 0);
	world_free(w);
	close(fd);
}

static void test_a_loop_that_was_held_up_gives_the_time_back_once(void **state)
{
	struct health_info info;
	struct world *w;
	uint16_t port = 0;
	int fd = open_socket(SOCK_DGRAM, &port);

	(void)state;
	w = world_new(1, CONF_HEALTH_UDP, port);
	w->found = 100;
	apply(w);
	while (health_running(w->health) < 1)
		pass_ms(w, 1, 1);
	pass_ms(w, 800, 800); /* 300 late */
	pass_ms(w, 290, 10);
	assert_int_equal(health_running(w->health), 1);
	pass_ms(w, 20, 10);
	assert_true(health_get(w->health, 0, 0, &info));
	assert_int_equal(info.probes[HEALTH_TIMEOUT], 1);
	world_free(w);
	close(fd);
}

/* Expected 100 in each tenth, binomial: five standard deviations are 48. */
static void test_the_first_probes_are_spread(void **state)
{
	unsigned int tenth[10] = { 0 };
	struct world *w;
	uint16_t port = 0;
	int fd = open_socket(SOCK_STREAM, &port);
	uint64_t begin_ms;

	(void)state;
	w = world_new(1000, CONF_HEALTH_TCP, port);
	begin_ms = now_ms(w);
	apply(w);
	pass_ms(w, 1200, 2);
	assert_int_equal(count_share(w, 100), 1000);
	for (size_t i = 0; i < 1000; i++) {
		uint64_t at = (w->share_ms[i] - begin_ms) / 100;

		tenth[at < 9 ? at : 9]++;
	}
	for (size_t i = 0; i < 10; i++)
		assert_in_range(tenth[i], 100 - 48, 100 + 48);
	world_free(w);
	close(fd);
}

static void test_thousands_wait_in_order_for_a_bounded_number(void **state)
{
	struct health_info info;
	size_t most = 0, probed = 0;
	struct world *w;
	uint16_t port = 0;
	int fd = open_socket(SOCK_DGRAM, &port);

	(void)state;
	w = world_new(BACKENDS_MAX, CONF_HEALTH_UDP, port);
	w->found = 100;
	apply(w);
	for (int i = 0; i < 400; i++) {
		pass_ms(w, 10, 10);
		most = health_running(w->health) > most ? health_running(w->health) : most;
	}
	assert_int_equal(most, HEALTH_PROBES_MAX);
	assert_true(health_delayed(w->health) > 0);
	for (size_t i = 0; i < BACKENDS_MAX; i++) {
		assert_true(health_get(w->health, 0, i, &info));
		probed += info.probes[HEALTH_TIMEOUT] > 0;
	}
	assert_int_equal(probed, BACKENDS_MAX);
	health_free(w->health); /* with those that wait and those on their way */
	w->health = NULL;
	world_free(w);
	close(fd);
}

static void test_a_reload_keeps_what_is_known_by_address(void **state)
{
	struct health_info info;
	struct world *w;
	uint16_t port = 0;
	int fd = open_socket(SOCK_STREAM, &port);

	(void)state;
	w = world_new(3, CONF_HEALTH_TCP, port);
	apply(w);
	pass_ms(w, 2500, 5);
	assert_int_equal(count_share(w, 100), 3);
	/* The first one goes, another one comes: places move. */
	memmove(&w->backends[0], &w->backends[1], 2 * sizeof(w->backends[0]));
	w->backends[2].address.b[14] = 77;
	w->vip.health.fall = 2;
	w->vip.health.interval_ms = 500;
	apply(w);
	assert_int_equal(w->share[0], 100);
	assert_int_equal(w->share[1], 100);
	assert_int_equal(w->share[2], 0);
	assert_true(health_get(w->health, 0, 1, &info));
	assert_int_equal(info.status, HEALTH_UP);
	assert_true(info.passed >= 2);
	assert_true(health_get(w->health, 0, 2, &info));
	assert_int_equal(info.status, HEALTH_UNKNOWN);
	/* Another check: they keep their share until it has said something. */
	w->found = 60;
	w->vip.health.timeout_ms = 400;
	apply(w);
	assert_int_equal(w->share[0], 60);
	assert_true(health_get(w->health, 0, 0, &info));
	assert_int_equal(info.status, HEALTH_UNKNOWN);
	/* No checks any more. */
	w->vip.health.type = CONF_HEALTH_NONE;
	apply(w);
	assert_false(health_get(w->health, 0, 0, &info));
	world_free(w);
	close(fd);
}

static void test_a_reload_while_a_probe_is_on_its_way(void **state)
{
	struct health_info info;
	struct world *w;
	uint16_t port = 0;
	int fd = open_socket(SOCK_DGRAM, &port);

	(void)state;
	w = world_new(2, CONF_HEALTH_UDP, port);
	w->found = 100;
	apply(w);
	while (health_running(w->health) < 2)
		pass_ms(w, 1, 1);
	apply(w); /* the same: they go on */
	assert_int_equal(health_running(w->health), 2);
	pass_ms(w, 600, 5);
	assert_true(health_get(w->health, 0, 0, &info));
	assert_true(info.probes[HEALTH_TIMEOUT] >= 1);
	while (health_running(w->health) < 2)
		pass_ms(w, 1, 1);
	w->vip.health.send = (char *)"other";
	w->vip.n_backends = 1;
	apply(w); /* they do not */
	assert_int_equal(health_running(w->health), 0);
	world_free(w);
	close(fd);
}

/* Two fail together, a third one long before: the ring of before is that of the two. */
static void test_all_down_by_either_policy(void **state)
{
	struct health_info info;
	struct world *w;
	uint16_t port = 0, none = 1;
	int fd = open_socket(SOCK_STREAM, &port);

	(void)state;
	w = world_new(3, CONF_HEALTH_TCP, port);
	w->vip.all_down = CONF_ALL_DOWN_LAST_KNOWN;
	w->found = 100;
	/* ::1, where nobody listens. */
	w->backends[2].address = (struct addr) { .b = { [15] = 1 } };
	apply(w);
	pass_ms(w, 8000, 5);
	assert_int_equal(w->share[2], 0);
	assert_int_equal(w->share[0], 100);
	close(fd);
	pass_ms(w, 4000, 5);
	assert_false(w->up[0] || w->up[1]);
	assert_int_equal(w->share[0], 100);
	assert_int_equal(w->share[1], 100);
	assert_int_equal(w->share[2], 0);
	assert_true(health_get(w->health, 0, 0, &info));
	assert_true(info.held && info.status == HEALTH_DOWN);
	/* One that is drained is not one of those. */
	w->backends[0].drain_by = 1;
	apply(w);
	assert_int_equal(w->share[1], 100);
	w->vip.all_down = CONF_ALL_DOWN_DROP;
	apply(w);
	assert_int_equal(count_share(w, 0), 3);
	/* Back again: those that are down are down. */
	w->vip.all_down = CONF_ALL_DOWN_LAST_KNOWN;
	w->backends[0].drain_by = 0;
	apply(w);
	assert_int_equal(w->share[0], 100);
	fd = open_socket(SOCK_STREAM, &port);
	while (!w->up[0] && !w->up[1] && none++ < 5000)
		pass_ms(w, 1, 1);
	assert_int_equal(count_share(w, 100), 1); /* the one that is up, and no one else */
	world_free(w);
	close(fd);
}

static void test_authorities_that_are_not_there_stop_nothing_that_runs(void **state)
{
	const struct health_source source = { no_file, found_share, NULL };
	struct world *w = world_new(1, CONF_HEALTH_HTTPS, 1);
	const struct health_source own = { no_file, found_share, w };
	struct conf_errors errors = { .n = 0 };
	struct errmsg warning;

	(void)state;
	w->found = 100;
	w->vip.health.verify = true;
	w->vip.health.ca = (char *)"/x.pem";
	w->vip.health.ca_place = (struct conf_place) { 7, 9 };
	assert_int_equal(health_apply(w->health, &w->conf, &own, &warning), 0);
	assert_string_equal(warning.text, "vip web: /x.pem: is not there");
	pass_ms(w, 5000, 10);
	assert_int_equal(w->share[0], 100); /* not probed: nothing speaks against it */
	health_check_files(&w->conf, &source, &errors);
	assert_int_equal(errors.n, 1);
	assert_int_equal(errors.error[0].line, 7);
	assert_int_equal(errors.error[0].column, 9);
	assert_string_equal(errors.error[0].text, "vips[web].health.ca: /x.pem: is not there");
	world_free(w);
}

/* Without a port of its own a check goes where packets come to: in mode nat to the backend's port. */
static void test_in_mode_nat_the_port_is_that_of_the_backend(void **state)
{
	uint16_t ports[2] = { 0, 0 };
	struct world *w = world_new(2, CONF_HEALTH_TCP, 1); /* where nobody is */
	int fds[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		fds[i] = open_socket(SOCK_STREAM, &ports[i]);
		w->backends[i].port = ports[i];
	}
	w->vip.mode = BACKEND_NAT;
	apply(w);
	pass_ms(w, 3000, 5);
	assert_int_equal(count_share(w, 100), 2);
	/* Another port is another place: whether somebody is there is found out. */
	w->found = 100;
	w->backends[1].port = 1;
	apply(w);
	pass_ms(w, 3500, 5);
	assert_int_equal(w->share[0], 100);
	assert_int_equal(w->share[1], 0);
	/* Other modes leave the port as it is, and check what they name. */
	w->vip.mode = BACKEND_L2;
	apply(w);
	pass_ms(w, 3500, 5);
	assert_int_equal(count_share(w, 0), 2);
	w->vip.health.port = ports[0];
	apply(w);
	pass_ms(w, 3000, 5);
	assert_int_equal(count_share(w, 100), 2);
	close(fds[0]);
	close(fds[1]);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failed_backend_is_out_within_the_bound),
		cmocka_unit_test(test_silence_is_a_failure_after_the_timeout),
		cmocka_unit_test(test_in_mode_nat_the_port_is_that_of_the_backend),
		cmocka_unit_test(test_a_probe_goes_by_the_way_that_it_is_given),
		cmocka_unit_test(test_a_loop_that_was_held_up_gives_the_time_back_once),
		cmocka_unit_test(test_the_first_probes_are_spread),
		cmocka_unit_test(test_thousands_wait_in_order_for_a_bounded_number),
		cmocka_unit_test(test_a_reload_keeps_what_is_known_by_address),
		cmocka_unit_test(test_a_reload_while_a_probe_is_on_its_way),
		cmocka_unit_test(test_all_down_by_either_policy),
		cmocka_unit_test(test_authorities_that_are_not_there_stop_nothing_that_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
