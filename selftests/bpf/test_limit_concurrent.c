/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections at a time: real sockets of a control group and network namespace of this test's own, and
 * packets that would make another one. The counting ends at exactly 0, however connections end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "lib/proto.h"
#include "own_cgroup.h"
#include "plane_case.h"

#include "limit_concurrent.skel.h"

#include "sluice/abi/limit_concurrent.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define CLASS	   1
#define VIP_ID	   1
#define GENERATION 7
#define SERVER	   "127.0.0.1"
#define HELD_MAX   16
#define THREADS	   4
#define ROUNDS	   150

/* The program that counts, on the tables of a plane. */
struct counting {
	struct plane *p;
	struct limit_concurrent *skel;
	int link_fd;
};

struct pair {
	int client, server;
	uint16_t port; /* the client's */
};

static uint64_t netns_cookie(void)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len), 0);
	close(fd);
	return cookie;
}

static void count_open(struct counting *c, struct plane *p, uint32_t generation, uint32_t sets)
{
	struct bpf_map *map;

	c->p = p;
	c->skel = limit_concurrent__open();
	assert_non_null(c->skel);
	c->skel->rodata->netns_cookie = netns_cookie();
	c->skel->rodata->generation = generation;
	c->skel->rodata->limit_concurrent_sets = sets;
	bpf_object__for_each_map(map, c->skel->obj)
	{
		int fd = bpf_object__find_map_fd_by_name(p->object, bpf_map__name(map));

		assert_int_equal(bpf_map__set_pin_path(map, NULL), 0);
		if (!bpf_map__is_internal(map) && fd >= 0)
			assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
	}
	assert_int_equal(limit_concurrent__load(c->skel), 0);
	c->link_fd = bpf_link_create(bpf_program__fd(c->skel->progs.limit_concurrent_sockops),
				     own_cgroup_fd, BPF_CGROUP_SOCK_OPS, NULL);
	assert_true(c->link_fd >= 0);
}

static void count_close(struct counting *c)
{
	close(c->link_fd);
	limit_concurrent__destroy(c->skel);
}

/* Nothing is counted, and nothing was: planes are shared. */
static void forget(struct plane *p)
{
	const size_t bytes = 8192 * sizeof(struct limit_concurrent_set);
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 plane_map(p, "limit_concurrent"), 0);
	void *none = calloc((size_t)libbpf_num_possible_cpus(), sizeof(struct stats_limit));
	uint32_t id = CLASS, reason = DROP_LIMIT_CONCURRENT;

	assert_true(mem != MAP_FAILED);
	memset(mem, 0, bytes);
	munmap(mem, bytes);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "stats_limit"), &id, none, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(plane_map(p, "stats_drop"), &reason, none, BPF_ANY),
			 0);
	free(none);
}

/* All of the plane's sources are in the class, which allows so many. */
static void allow(struct plane *p, uint32_t max, uint32_t flags)
{
	struct limit_class class = { .row_bits = PLANE_ROW_BITS,
				     .row_first = CLASS * 2 << PLANE_ROW_BITS };
	int fd = plane_map(p, "limit_class");
	struct limit_state state;
	uint32_t id = CLASS;

	class.rates[0].concurrent = max;
	class.rates[0].flags = flags;
	assert_int_equal(bpf_map_update_elem(fd, &id, &class, BPF_ANY), 0);
	plane_limit_state(p, &state);
	for (id = 0; id < 8; id++)
		state.concurrent_key.row[id / 4][id % 4] = 0xd1342543de82ef95ULL * (id + 1);
	state.has_concurrent = 1;
	state.concurrent_uncounted = 0;
	plane_limit_state_set(p, &state);
	forget(p);
	if (!p->n_groups)
		plane_limit_prefix(p, "0.0.0.0", 0, CLASS);
}

/* Over all words: connections, or (sources) words in use. */
static uint64_t table_sum(struct plane *p, bool sources)
{
	const size_t bytes = 8192 * sizeof(struct limit_concurrent_set);
	uint64_t sum = 0;
	uint64_t *mem =
		mmap(NULL, bytes, PROT_READ, MAP_SHARED, plane_map(p, "limit_concurrent"), 0);

	assert_true(mem != MAP_FAILED);
	for (size_t i = 0; i < bytes / 8; i++) {
		uint64_t word = __atomic_load_n(&mem[i], __ATOMIC_RELAXED);

		sum += sources ? word != 0 : word & LIMIT_CONCURRENT_COUNT;
	}
	munmap(mem, bytes);
	return sum;
}

/* Sockets are closed a moment after the last packet of the other side. */
static uint64_t settled(struct plane *p, uint64_t want)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && table_sum(p, false) != want; i++)
		nanosleep(&step, NULL);
	return table_sum(p, false);
}

static int listen_on(int family, uint16_t *ret_port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr *a = family == AF_INET6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	socklen_t len = family == AF_INET6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(family, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, a, len), 0);
	assert_int_equal(listen(fd, 512), 0);
	assert_int_equal(getsockname(fd, a, &len), 0);
	*ret_port = ntohs(family == AF_INET6 ? a6.sin6_port : a4.sin_port);
	return fd;
}

static int connect_from(const char *source, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, source, &from.sin_addr);
	inet_pton(AF_INET, SERVER, &to.sin_addr);
	to.sin_port = htons(port);
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void pair_open(struct pair *t, const char *source, int listener, uint16_t port)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	t->client = connect_from(source, port);
	assert_true(t->client >= 0);
	t->server = accept(listener, NULL, NULL);
	assert_true(t->server >= 0);
	assert_int_equal(getsockname(t->client, (struct sockaddr *)&a, &len), 0);
	t->port = ntohs(a.sin_port);
}

static void pair_close(struct pair *t)
{
	close(t->client);
	close(t->server);
}

static enum plane_action tcp(struct plane *p, const char *source, uint16_t sport, uint16_t dport,
			     uint8_t flags)
{
	const struct packet_spec spec = { .src = source,
					  .dst = SERVER,
					  .proto = PROTO_TCP,
					  .sport = sport,
					  .dport = dport,
					  .tcp_flags = flags };

	return plane_run_spec(p, &spec);
}

static struct stats_limit stats_of(struct plane *p)
{
	struct stats_limit s;

	plane_sum(p, "stats_limit", CLASS, &s, sizeof(s));
	return s;
}

static void test_refused(struct plane *p, const void *row)
{
	struct counting c;
	struct pair t[2];
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 2, 0);
	count_open(&c, p, GENERATION, 8192);
	listener = listen_on(AF_INET, &port);
	pair_open(&t[0], SERVER, listener, port);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_SYN_FLAG), PLANE_PASS);
	pair_open(&t[1], SERVER, listener, port);
	assert_int_equal(table_sum(p, false), 2);
	assert_int_equal(table_sum(p, true), 1);
	/* A SYN, and what may end a handshake by cookie. */
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_SYN_FLAG), PLANE_DROP);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_ACK_FLAG), PLANE_DROP);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_ACK_FLAG | TCP_FIN), PLANE_DROP);
	assert_int_equal(plane_drops(p, DROP_LIMIT_CONCURRENT).packets, 3);
	assert_int_equal(stats_of(p).dropped[LIMIT_CONCURRENT].packets, 3);
	/* Not those that stand, nor what makes no connection, nor anybody else. */
	assert_int_equal(tcp(p, SERVER, t[0].port, port, TCP_ACK_FLAG), PLANE_PASS);
	assert_int_equal(tcp(p, SERVER, t[1].port, port, TCP_ACK_FLAG | TCP_FIN), PLANE_PASS);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_RST), PLANE_PASS);
	assert_int_equal(tcp(p, SERVER, 4000, 1, TCP_SYN_FLAG), PLANE_PASS);
	assert_int_equal(tcp(p, "127.0.0.2", 4000, port, TCP_SYN_FLAG), PLANE_PASS);
	assert_int_equal(plane_drops(p, DROP_LIMIT_CONCURRENT).packets, 3);
	pair_close(&t[0]);
	assert_int_equal(settled(p, 1), 1);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_SYN_FLAG), PLANE_PASS);
	pair_close(&t[1]);
	close(listener);
	assert_int_equal(settled(p, 0), 0);
	assert_int_equal(table_sum(p, true), 0);
	count_close(&c);
}

/* What goes to a vip's backend ends there, also where this host listens at the same address. */
static void test_vip(struct plane *p, const void *row)
{
	struct counting c;
	struct pair t;
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 1, 0);
	count_open(&c, p, GENERATION, 8192);
	listener = listen_on(AF_INET, &port);
	pair_open(&t, SERVER, listener, port);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_SYN_FLAG), PLANE_DROP);
	plane_vip(p, VIP_ID, SERVER, port, PROTO_TCP, 0);
	plane_backend(p, 1, PLANE_ELSEWHERE, 1500);
	plane_ring(p, VIP_ID, 1, 1);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_SYN_FLAG), PLANE_REDIRECT);
	pair_close(&t);
	close(listener);
	count_close(&c);
}

static void test_trial(struct plane *p, const void *row)
{
	struct counting c;
	struct pair t;
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 1, LIMIT_DRY_RUN);
	count_open(&c, p, GENERATION, 8192);
	listener = listen_on(AF_INET, &port);
	pair_open(&t, SERVER, listener, port);
	assert_int_equal(tcp(p, SERVER, 4000, port, TCP_SYN_FLAG), PLANE_PASS);
	assert_int_equal(stats_of(p).would_drop[LIMIT_CONCURRENT].packets, 1);
	assert_int_equal(stats_of(p).dropped[LIMIT_CONCURRENT].packets, 0);
	/* What would not be dropped counts as admitted. */
	assert_int_equal(tcp(p, SERVER, t.port, port, TCP_ACK_FLAG), PLANE_PASS);
	assert_int_equal(stats_of(p).would_drop[LIMIT_CONCURRENT].packets, 1);
	assert_int_equal(stats_of(p).admitted.packets, 1);
	pair_close(&t);
	close(listener);
	count_close(&c);
}

static void test_units(struct plane *p, const void *row)
{
	struct counting c;
	struct pair t[2];
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 2, LIMIT_PER_PREFIX);
	count_open(&c, p, GENERATION, 8192);
	listener = listen_on(AF_INET6, &port); /* which has IPv4 clients as ::ffff:a.b.c.d */
	pair_open(&t[0], "127.0.0.1", listener, port);
	pair_open(&t[1], "127.0.0.2", listener, port);
	assert_int_equal(table_sum(p, true), 1);
	assert_int_equal(tcp(p, "127.0.0.3", 4000, port, TCP_SYN_FLAG), PLANE_DROP);
	assert_int_equal(tcp(p, "127.0.1.1", 4000, port, TCP_SYN_FLAG), PLANE_PASS);
	/* Whom the lists exempt is counted no more. */
	pair_close(&t[0]);
	assert_int_equal(settled(p, 1), 1);
	plane_acl(p, SOURCE_LIST_ALLOW, "127.0.0.99", 32);
	pair_open(&t[0], "127.0.0.99", listener, port);
	assert_int_equal(table_sum(p, false), 1);
	pair_close(&t[0]);
	pair_close(&t[1]);
	close(listener);
	assert_int_equal(settled(p, 0), 0);
	count_close(&c);
}

/* Another table, after a time in which nobody watched: what was counted before is not in it. */
static void test_generation(struct plane *p, const void *row)
{
	struct counting c;
	struct pair before, after;
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 4, 0);
	count_open(&c, p, GENERATION, 8192);
	listener = listen_on(AF_INET, &port);
	pair_open(&before, SERVER, listener, port);
	assert_int_equal(table_sum(p, false), 1);
	count_close(&c);
	/* The same sockets and table: only the number tells. */
	count_open(&c, p, GENERATION + 1, 8192);
	pair_open(&after, SERVER, listener, port);
	assert_int_equal(table_sum(p, false), 2);
	pair_close(&before);
	pair_close(&after);
	close(listener);
	assert_int_equal(settled(p, 1), 1);
	count_close(&c);
}

static void test_no_room(struct plane *p, const void *row)
{
	struct limit_state state;
	struct pair t[HELD_MAX];
	char source[16];
	struct counting c;
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 100, 0);
	count_open(&c, p, GENERATION, 1);
	listener = listen_on(AF_INET, &port);
	for (int i = 0; i < LIMIT_CONCURRENT_WAYS + 2; i++) {
		snprintf(source, sizeof(source), "127.0.0.%d", i + 1);
		pair_open(&t[i], source, listener, port);
	}
	/* Those for whom there is no word are connected all the same. */
	assert_int_equal(table_sum(p, true), LIMIT_CONCURRENT_WAYS);
	plane_limit_state(p, &state);
	assert_int_equal(state.concurrent_uncounted, 2);
	for (int i = 0; i < LIMIT_CONCURRENT_WAYS + 2; i++)
		pair_close(&t[i]);
	close(listener);
	assert_int_equal(settled(p, 0), 0);
	assert_int_equal(table_sum(p, true), 0);
	count_close(&c);
}

struct hammer {
	uint16_t port;
	unsigned int seed;
	atomic_uint *connected;
};

static void reset(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* Either side ends in one of four ways: orderly, by a reset, with data unread, after half of it. */
static void end(int fd, unsigned int how)
{
	if (how % 4 == 1) {
		reset(fd);
		return;
	}
	if (how % 4 == 2)
		(void)!write(fd, "unread", 6);
	if (how % 4 == 3)
		shutdown(fd, SHUT_WR);
	close(fd);
}

static void *hammer_clients(void *arg)
{
	struct hammer *h = arg;
	char source[16];

	for (int i = 0; i < ROUNDS; i++) {
		int fd;

		snprintf(source, sizeof(source), "127.0.0.%d", 1 + rand_r(&h->seed) % 3);
		fd = connect_from(source, h->port);
		if (fd < 0)
			continue;
		atomic_fetch_add(h->connected, 1);
		end(fd, (unsigned int)rand_r(&h->seed));
	}
	return NULL;
}

/* Accepts until the listener is shut down; the last ones nobody has accepted. */
static void *hammer_server(void *arg)
{
	unsigned int seed = 5;
	int fd;

	while ((fd = accept(*(int *)arg, NULL, NULL)) >= 0)
		end(fd, (unsigned int)rand_r(&seed));
	return NULL;
}

static void test_ends_at_zero(struct plane *p, const void *row)
{
	pthread_t clients[THREADS], server;
	struct hammer h[THREADS];
	atomic_uint connected = 0;
	struct limit_state state;
	struct pair unaccepted;
	struct counting c;
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 1000000, 0);
	count_open(&c, p, GENERATION, 8192);
	listener = listen_on(AF_INET, &port);
	assert_int_equal(pthread_create(&server, NULL, hammer_server, &listener), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		h[i] = (struct hammer) { port, i + 1, &connected };
		assert_int_equal(pthread_create(&clients[i], NULL, hammer_clients, &h[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(clients[i], NULL);
	assert_true(connected > THREADS * ROUNDS / 2);
	shutdown(listener, SHUT_RDWR);
	pthread_join(server, NULL);
	close(listener);
	assert_int_equal(settled(p, 0), 0);
	/* Not even a word is left, and nobody went uncounted. */
	assert_int_equal(table_sum(p, true), 0);
	plane_limit_state(p, &state);
	assert_int_equal(state.concurrent_uncounted, 0);

	listener = listen_on(AF_INET, &port);
	unaccepted.client = connect_from(SERVER, port);
	assert_int_equal(settled(p, 1), 1);
	close(listener);
	assert_int_equal(settled(p, 0), 0);
	close(unaccepted.client);
	count_close(&c);
}

static void test_elsewhere(struct plane *p, const void *row)
{
	struct counting c;
	struct pair t;
	uint16_t port;
	int listener;

	(void)row;
	allow(p, 1, 0);
	count_open(&c, p, GENERATION, 8192);
	/* Sockets of another network namespace are none of the devices'. */
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link set lo up"), 0);
	listener = listen_on(AF_INET, &port);
	pair_open(&t, SERVER, listener, port);
	assert_int_equal(table_sum(p, false), 0);
	pair_close(&t);
	close(listener);
	count_close(&c);
}

int main(void)
{
	int failed;

	if (own_cgroup_open() || system("ip link set lo up"))
		return 1;
	plane_case_add("what goes to a vip is not refused", test_vip);
	plane_case_shared(true);
	plane_case_add("a source that has all its connections gets no other", test_refused);
	plane_case_add("a class on trial counts and drops nothing", test_trial);
	plane_case_add("IPv4 is IPv4 to listeners of both families, and a /24 can be one",
		       test_units);
	plane_case_add("connections of before are not counted out of another table",
		       test_generation);
	plane_case_add("a full table leaves connections uncounted, and says how many",
		       test_no_room);
	plane_case_add("however connections end, none is left", test_ends_at_zero);
	plane_case_add("connections of other network namespaces are not counted", test_elsewhere);
	failed = plane_case_run("limit_concurrent");
	own_cgroup_close();
	return failed;
}
