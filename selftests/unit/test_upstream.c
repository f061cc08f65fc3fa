/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools, the balancer's choice, ejection and the retry budget. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "net/sock.h"
#include "upstream/cluster.h"
#include "upstream/upstream_conn.h"

struct upstream_world {
	struct loop *loop;
	struct upstream *upstream;
	struct cluster *cluster;
	struct conf_endpoint endpoint[4];
	struct conf_cluster conf;
	int err;
	unsigned int opened, ended;
};

static void start(struct upstream_world *w, size_t n, const uint32_t *weights)
{
	*w = (struct upstream_world) { 0 };
	for (size_t i = 0; i < n; i++)
		w->endpoint[i] = (struct conf_endpoint) {
			.address.b = { [10] = 0xff, 0xff, 127, 0, 0, 1 },
			.port = (uint16_t)(1 + i), /* nobody listens there */
			.weight = weights[i],
		};
	w->conf = (struct conf_cluster) {
		.name = (char *)"app",
		.endpoints = w->endpoint,
		.n_endpoints = n,
		.connect_timeout_ms = 1000,
		.idle_timeout_ms = 10000,
		.max_idle = 2,
		.max_connections = 10,
		.retry_budget_percent = 20,
	};
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(upstream_new(w->loop, &w->upstream), 0);
	w->upstream->random = 42;
	assert_int_equal(cluster_new(w->upstream, &w->conf, 0, &w->cluster), 0);
	cluster_activate(w->cluster);
}

static void stop(struct upstream_world *w)
{
	cluster_free(w->cluster);
	upstream_free(w->upstream);
	loop_free(w->loop);
}

static size_t pick(struct upstream_world *w)
{
	struct pool *p = NULL;

	assert_int_equal(cluster_pick(w->cluster, NULL, &p), 0);
	return p->port - 1U;
}

static void an_idle_cluster_is_shared_by_weight(void **state)
{
	const uint32_t weights[] = { 1, 2, 5, 0 };
	struct upstream_world w;
	unsigned int n[4] = { 0 };

	(void)state;
	start(&w, 4, weights);
	for (int i = 0; i < 8000; i++)
		n[pick(&w)]++;
	assert_in_range(n[0], 900, 1100);
	assert_in_range(n[1], 1850, 2150);
	assert_in_range(n[2], 4850, 5150);
	assert_int_equal(n[3], 0); /* drained */
	stop(&w);
}

static void load_evens_out_by_weight(void **state)
{
	const uint32_t weights[] = { 1, 1, 2 };
	struct upstream_world w;

	(void)state;
	start(&w, 3, weights);
	w.conf.max_connections = 100000;
	cluster_activate(w.cluster);
	/* requests that never end, on top of an endpoint that has many already */
	w.cluster->endpoints[0].pool->n_connections = 100;
	for (int i = 0; i < 1100; i++)
		w.cluster->endpoints[pick(&w)].pool->n_connections++;
	/* 1,200 outstanding in all: a quarter, a quarter, a half */
	assert_in_range(w.cluster->endpoints[0].pool->n_connections, 280, 320);
	assert_in_range(w.cluster->endpoints[1].pool->n_connections, 280, 320);
	assert_in_range(w.cluster->endpoints[2].pool->n_connections, 560, 640);
	for (int i = 0; i < 3; i++)
		w.cluster->endpoints[i].pool->n_connections = 0;
	stop(&w);
}

static void the_endpoint_that_failed_is_avoided_while_there_is_another(void **state)
{
	const uint32_t weights[] = { 1000, 1 };
	struct upstream_world w;
	struct pool *p, *heavy;

	(void)state;
	start(&w, 2, weights);
	heavy = w.cluster->endpoints[0].pool;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(cluster_pick(w.cluster, heavy, &p), 0);
		assert_ptr_not_equal(p, heavy);
	}
	w.cluster->endpoints[1].weight = 0;
	assert_int_equal(cluster_pick(w.cluster, heavy, &p), 0);
	assert_ptr_equal(p, heavy);
	w.cluster->endpoints[0].weight = 0;
	assert_int_equal(cluster_pick(w.cluster, NULL, &p), -EHOSTUNREACH);
	stop(&w);
}

static void full_endpoints_are_left_out(void **state)
{
	const uint32_t weights[] = { 1, 1 };
	struct upstream_world w;
	struct pool *p;

	(void)state;
	start(&w, 2, weights);
	w.cluster->endpoints[0].pool->n_connections = 10;
	for (int i = 0; i < 100; i++)
		assert_int_equal(pick(&w), 1);
	w.cluster->endpoints[1].pool->n_connections = 10;
	assert_int_equal(cluster_pick(w.cluster, NULL, &p), -ENOBUFS);
	for (int i = 0; i < 2; i++)
		w.cluster->endpoints[i].pool->n_connections = 0;
	stop(&w);
}

static void three_failed_connects_in_a_row_eject(void **state)
{
	const uint32_t weights[] = { 1, 1 };
	struct upstream_world w;
	struct pool *p;
	uint64_t now;

	(void)state;
	start(&w, 2, weights);
	p = w.cluster->endpoints[0].pool;
	now = loop_now_ns(w.loop);
	pool_connect_failed(p);
	pool_connect_failed(p);
	pool_connect_ok(p);
	pool_connect_failed(p);
	pool_connect_failed(p);
	assert_false(pool_ejected(p, now));
	pool_connect_failed(p);
	assert_true(pool_ejected(p, now + POOL_EJECT_MIN_MS * NS_PER_MS - 1));
	assert_false(pool_ejected(p, now + POOL_EJECT_MIN_MS * NS_PER_MS));
	for (int i = 0; i < 100; i++)
		assert_int_equal(pick(&w), 1);
	/* failures of requests that were under way already do not lengthen it */
	pool_connect_failed(p);
	assert_false(pool_ejected(p, now + POOL_EJECT_MIN_MS * NS_PER_MS));
	/* all ejected: all are tried */
	for (int i = 0; i < 3; i++)
		pool_connect_failed(w.cluster->endpoints[1].pool);
	pick(&w);
	pool_connect_ok(p);
	assert_int_equal(pick(&w), 0);
	stop(&w);
}

static void each_failed_trial_doubles_the_ejection_up_to_a_minute(void **state)
{
	const uint32_t weights[] = { 1 };
	struct upstream_world w;
	struct pool *p;
	uint64_t now, ms = POOL_EJECT_MIN_MS;

	(void)state;
	start(&w, 1, weights);
	p = w.cluster->endpoints[0].pool;
	now = loop_now_ns(w.loop);
	p->failures = POOL_EJECT_AFTER - 1;
	for (int i = 0; i < 10; i++) {
		p->ejected_until_ns = 0; /* it is over */
		pool_connect_failed(p);
		assert_int_equal(p->ejected_until_ns, now + ms * NS_PER_MS);
		ms = ms * 2 < POOL_EJECT_MAX_MS ? ms * 2 : POOL_EJECT_MAX_MS;
	}
	stop(&w);
}

static void the_retry_budget_is_a_share_of_requests(void **state)
{
	const uint32_t weights[] = { 1 };
	struct upstream_world w;
	unsigned int retries = 0;

	(void)state;
	start(&w, 1, weights);
	for (int i = 0; i < 1000; i++) {
		cluster_count_request(w.cluster);
		retries += cluster_take_retry(w.cluster);
		retries += cluster_take_retry(w.cluster);
	}
	assert_int_equal(retries, CLUSTER_RETRIES_START + 200);
	/* what was not used for long is not saved up */
	for (int i = 0; i < 100000; i++)
		cluster_count_request(w.cluster);
	for (retries = 0; cluster_take_retry(w.cluster); retries++)
		;
	assert_int_equal(retries, CLUSTER_RETRIES_MAX);
	w.conf.retry_budget_percent = 0;
	w.cluster->retry_milli = 5000;
	assert_false(cluster_take_retry(w.cluster));
	stop(&w);
}

static void a_pool_outlives_the_cluster_that_a_reload_replaces(void **state)
{
	const uint32_t weights[] = { 1, 1 };
	struct upstream_world w;
	struct cluster *before;
	struct pool *kept, *other;

	(void)state;
	start(&w, 2, weights);
	before = w.cluster;
	kept = before->endpoints[0].pool;
	kept->failures = 2;
	w.conf.n_endpoints = 1;
	w.conf.max_connections = 3;
	assert_int_equal(cluster_new(w.upstream, &w.conf, 0, &w.cluster), 0);
	assert_int_equal(kept->max_connections, 10); /* not in force yet */
	cluster_activate(w.cluster);
	cluster_free(before);
	assert_ptr_equal(w.cluster->endpoints[0].pool, kept);
	assert_int_equal(kept->failures, 2);
	assert_int_equal(kept->max_connections, 3);
	/* a cluster of another name has connections of its own */
	w.conf.name = (char *)"other";
	assert_int_equal(cluster_new(w.upstream, &w.conf, 0, &before), 0);
	other = before->endpoints[0].pool;
	assert_ptr_not_equal(other, kept);
	cluster_free(before);
	stop(&w);
}

static void on_open(struct upstream_conn *c)
{
	((struct upstream_world *)c->owner)->opened++;
}

static void on_nothing(struct upstream_conn *c)
{
	(void)c;
}

static void on_end(struct upstream_conn *c, int err)
{
	struct upstream_world *w = c->owner;

	w->ended++;
	w->err = err;
}

static const struct upstream_events events = {
	.on_open = on_open,
	.on_readable = on_nothing,
	.on_writable = on_nothing,
	.on_end = on_end,
};

static void wait_until(struct upstream_world *w, const unsigned int *what, unsigned int n)
{
	uint64_t until = clock_now_ns() + 5 * NS_PER_S;

	while (*what < n) {
		assert_true(clock_now_ns() < until);
		loop_turn(w->loop, 5);
	}
}

static void a_refused_connect_is_told_and_counted(void **state)
{
	const uint32_t weights[] = { 1 };
	struct upstream_world w;
	struct upstream_conn *c;
	struct pool *p;
	int err;

	(void)state;
	start(&w, 1, weights);
	p = w.cluster->endpoints[0].pool;
	err = upstream_conn_get(p, false, &events, &w, &c);
	if (!err) {
		wait_until(&w, &w.ended, 1);
		err = w.err;
	}
	assert_int_equal(err, -ECONNREFUSED);
	assert_int_equal(p->failures, 1);
	assert_int_equal(p->n_connections, 0);
	stop(&w);
}

/* A listening socket as the only endpoint, of a cluster that takes the place of the first one. */
static int listen_as_endpoint(struct upstream_world *w, uint16_t *port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a;
	int fd = sock_listen(&w->endpoint[0].address, 0, 16);

	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&ss, &a, port), 0);
	w->endpoint[0].port = *port;
	cluster_free(w->cluster);
	assert_int_equal(cluster_new(w->upstream, &w->conf, 0, &w->cluster), 0);
	cluster_activate(w->cluster);
	return fd;
}

static void connections_are_kept_up_to_max_idle_and_only_if_clean(void **state)
{
	const uint32_t weights[] = { 1 };
	struct upstream_world w;
	struct upstream_conn *c[4], *again;
	struct addr peer;
	struct pool *p;
	uint16_t port;
	int fd, far[4];

	(void)state;
	start(&w, 1, weights);
	fd = listen_as_endpoint(&w, &port);
	p = w.cluster->endpoints[0].pool;
	for (int i = 0; i < 4; i++)
		assert_int_equal(upstream_conn_get(p, false, &events, &w, &c[i]), 0);
	wait_until(&w, &w.opened, 4);
	for (int i = 0; i < 4; i++) {
		far[i] = sock_accept(fd, &peer, &port);
		assert_true(far[i] >= 0);
	}
	assert_int_equal(pool_outstanding(p), 4);
	for (int i = 0; i < 3; i++)
		upstream_conn_put(c[i]);
	assert_int_equal(p->n_idle, 2); /* max_idle */
	assert_int_equal(pool_outstanding(p), 1);
	/* the last one in is the first one out */
	assert_int_equal(upstream_conn_get(p, false, &events, &w, &again), 0);
	assert_ptr_equal(again, c[1]);
	assert_true(again->reused);
	upstream_conn_put(again);
	/* the endpoint closed one and spoke on the other: neither is used, without a turn */
	close(far[1]);
	assert_int_equal(write(far[0], "x", 1), 1);
	assert_int_equal(upstream_conn_get(p, false, &events, &w, &again), 0);
	assert_false(again->reused);
	assert_int_equal(p->n_idle, 0);
	upstream_conn_close(again);
	upstream_conn_close(c[3]);
	assert_int_equal(p->n_connections, 0);
	close(far[0]);
	close(far[2]);
	close(far[3]);
	close(fd);
	stop(&w);
}

static void a_drain_keeps_nothing(void **state)
{
	const uint32_t weights[] = { 1 };
	struct upstream_world w;
	struct upstream_conn *a, *b;
	uint16_t port;
	int fd;

	(void)state;
	start(&w, 1, weights);
	fd = listen_as_endpoint(&w, &port);
	assert_int_equal(upstream_conn_get(w.cluster->endpoints[0].pool, false, &events, &w, &a),
			 0);
	assert_int_equal(upstream_conn_get(w.cluster->endpoints[0].pool, false, &events, &w, &b),
			 0);
	wait_until(&w, &w.opened, 2);
	upstream_conn_put(a);
	upstream_drain(w.upstream);
	assert_int_equal(w.cluster->endpoints[0].pool->n_connections, 1);
	upstream_conn_put(b);
	assert_int_equal(w.cluster->endpoints[0].pool->n_connections, 0);
	close(fd);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_cluster_is_shared_by_weight),
		cmocka_unit_test(load_evens_out_by_weight),
		cmocka_unit_test(the_endpoint_that_failed_is_avoided_while_there_is_another),
		cmocka_unit_test(full_endpoints_are_left_out),
		cmocka_unit_test(three_failed_connects_in_a_row_eject),
		cmocka_unit_test(each_failed_trial_doubles_the_ejection_up_to_a_minute),
		cmocka_unit_test(the_retry_budget_is_a_share_of_requests),
		cmocka_unit_test(a_pool_outlives_the_cluster_that_a_reload_replaces),
		cmocka_unit_test(a_refused_connect_is_told_and_counted),
		cmocka_unit_test(connections_are_kept_up_to_max_idle_and_only_if_clean),
		cmocka_unit_test(a_drain_keeps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
