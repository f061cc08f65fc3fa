/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that hands connections to listeners, run on look-ups that the test makes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "base/addr.h"
#include "sk_lookup.skel.h"
#include "sluice/abi/steer.h"

#define SLOTS	 4
#define ONE	 0 /* listeners */
#define OTHER	 1
#define SIX	 2
#define LISTENER 3
#define NONE	 0 /* cookies */
#define REFUSED	 UINT64_MAX

struct world {
	struct sk_lookup *skeleton;
	int fd[LISTENER][SLOTS];
	uint64_t cookie[LISTENER][SLOTS];
};

static struct world world;

static int map(const char *name)
{
	return bpf_object__find_map_fd_by_name(world.skeleton->obj, name);
}

static int listener(const char *address)
{
	struct sockaddr_storage ss;
	struct addr a;
	socklen_t len;
	int fd;

	assert_int_equal(addr_parse(address, &a), 0);
	len = addr_to_sockaddr(&a, 0, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void put_socket(uint32_t index, uint32_t slot)
{
	uint32_t key = index * STEER_SLOTS_MAX + slot;
	uint64_t fd = (uint64_t)world.fd[index][slot];

	assert_int_equal(bpf_map_update_elem(map("steer_sockets"), &key, &fd, BPF_ANY), 0);
}

static void put_listener(uint32_t index, const char *name, const char *address)
{
	struct steer_listener l = { .seed = { 0x1234 + index, 0x5678 }, .slots = SLOTS };

	snprintf(l.name, sizeof(l.name), "%s", name);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		socklen_t len = sizeof(uint64_t);

		world.fd[index][slot] = listener(address);
		assert_int_equal(getsockopt(world.fd[index][slot], SOL_SOCKET, SO_COOKIE,
					    &world.cookie[index][slot], &len),
				 0);
		put_socket(index, slot);
	}
	assert_int_equal(bpf_map_update_elem(map("steer_listeners"), &index, &l, BPF_ANY), 0);
}

static void put_prefix(const char *text, const struct steer_range *range, uint32_t n)
{
	struct steer_prefix record = { .n = n };
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	memcpy(record.range, range, n * sizeof(*range));
	assert_int_equal(bpf_map_update_elem(map("steer_prefixes"), &p, &record, BPF_ANY), 0);
}

#define PUT(text, ...)                                                    \
	put_prefix(text, (const struct steer_range[]) { __VA_ARGS__ },    \
		   sizeof((const struct steer_range[]) { __VA_ARGS__ }) / \
			   sizeof(struct steer_range))

/* Which socket the kernel would take: its cookie, NONE (it goes on by itself), or REFUSED. */
static uint64_t look_up(int proto, const char *from, uint16_t sport, const char *to, uint16_t port)
{
	struct bpf_sk_lookup in = { .protocol = (uint32_t)proto,
				    .remote_port = htons(sport),
				    .local_port = port },
			     out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &out, .ctx_size_out = sizeof(out), );

	in.family = strchr(to, ':') ? AF_INET6 : AF_INET;
	if (in.family == AF_INET6) {
		assert_int_equal(inet_pton(AF_INET6, from, in.remote_ip6), 1);
		assert_int_equal(inet_pton(AF_INET6, to, in.local_ip6), 1);
	} else {
		assert_int_equal(inet_pton(AF_INET, from, &in.remote_ip4), 1);
		assert_int_equal(inet_pton(AF_INET, to, &in.local_ip4), 1);
	}
	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(world.skeleton->progs.steer_lookup), &opts),
		0);
	return opts.retval == 1 /* SK_PASS */ ? out.cookie : REFUSED;
}

static uint64_t tcp(const char *to, uint16_t port)
{
	return look_up(IPPROTO_TCP, strchr(to, ':') ? "2001:db8::5" : "192.0.2.5", 4000, to, port);
}

static bool is_of(uint64_t cookie, uint32_t index)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		if (cookie == world.cookie[index][slot])
			return true;
	return false;
}

static struct stats_steer stats(uint32_t index)
{
	struct stats_steer values[256], sum = { 0 };
	int cpus = libbpf_num_possible_cpus();

	assert_in_range(cpus, 1, 256);
	assert_int_equal(bpf_map_lookup_elem(map("stats_steer"), &index, values), 0);
	for (int i = 0; i < cpus; i++) {
		sum.steered += values[i].steered;
		sum.no_listener += values[i].no_listener;
		sum.passed += values[i].passed;
		sum.refused += values[i].refused;
	}
	return sum;
}

static int open_world(void **state)
{
	struct bpf_map *m;

	(void)state;
	world.skeleton = sk_lookup__open();
	assert_non_null(world.skeleton);
	bpf_object__for_each_map(m, world.skeleton->obj)
		assert_int_equal(bpf_map__set_pin_path(m, NULL), 0);
	assert_int_equal(sk_lookup__load(world.skeleton), 0);
	put_listener(ONE, "one", "127.0.0.1");
	put_listener(OTHER, "other", "127.0.0.1");
	put_listener(SIX, "six", "::1");
	PUT("198.18.0.0/16", { 8000, 8100, ONE, STEER_ABSENT_DROP, 0 });
	PUT("198.18.5.0/24", { 80, 80, OTHER, STEER_ABSENT_PASS, 0 },
	    { 8000, 8010, OTHER, STEER_ABSENT_DROP, 0 }, { 8011, 8011, STEER_NOBODY, 0, 0 },
	    { 8012, 8100, ONE, STEER_ABSENT_DROP, 0 });
	PUT("2001:db8:5::/48", { 1, 65535, SIX, STEER_ABSENT_DROP, 0 });
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	for (int i = 0; i < LISTENER; i++)
		for (int slot = 0; slot < SLOTS; slot++)
			if (world.fd[i][slot] > 0)
				close(world.fd[i][slot]);
	sk_lookup__destroy(world.skeleton);
	memset(&world, 0, sizeof(world));
	return 0;
}

static void test_a_listener_has_the_range_of_the_longest_prefix(void **state)
{
	static const struct {
		const char *to;
		uint16_t port;
		int index; /* -1: nobody's */
	} rows[] = {
		{ "198.18.1.1", 8000, ONE },   { "198.18.1.1", 8100, ONE },
		{ "198.18.1.1", 7999, -1 },    { "198.18.1.1", 8101, -1 },
		{ "198.18.5.1", 79, -1 },      { "198.18.5.1", 80, OTHER },
		{ "198.18.5.1", 81, -1 },      { "198.18.5.255", 8000, OTHER },
		{ "198.18.5.1", 8010, OTHER }, { "198.18.5.1", 8011, -1 },
		{ "198.18.5.1", 8012, ONE },   { "198.18.5.1", 8100, ONE },
		{ "198.18.5.1", 65535, -1 },   { "198.19.0.0", 8000, -1 },
		{ "2001:db8:5::1", 1, SIX },   { "2001:db8:5:1::", 65535, SIX },
		{ "2001:db8:6::1", 80, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t got = tcp(rows[i].to, rows[i].port);

		if (rows[i].index < 0 ? got != NONE : !is_of(got, (uint32_t)rows[i].index))
			fail_msg("%s port %u: socket %llu", rows[i].to, rows[i].port,
				 (unsigned long long)got);
	}
	assert_int_equal(look_up(IPPROTO_UDP, "192.0.2.5", 4000, "198.18.1.1", 8000), NONE);
}

/* A full record: every one of its ranges is found, and so are the gaps. */
static void test_every_range_of_a_full_record_is_found(void **state)
{
	struct steer_range range[STEER_RANGES_MAX];

	(void)state;
	for (uint16_t i = 0; i < STEER_RANGES_MAX; i++)
		range[i] = (struct steer_range) { (uint16_t)(10 * i + 5), (uint16_t)(10 * i + 9),
						  i % 2 ? ONE : OTHER, STEER_ABSENT_DROP, 0 };
	for (uint32_t n = 0; n <= STEER_RANGES_MAX; n += n < 4 ? 1 : 15) {
		put_prefix("203.0.113.0/24", range, n);
		for (uint32_t port = 1; port < 10 * STEER_RANGES_MAX + 20; port++) {
			uint64_t got = tcp("203.0.113.7", (uint16_t)port);
			uint32_t i = port / 10;

			if (i >= n || port % 10 < 5)
				assert_int_equal(got, NONE);
			else
				assert_true(is_of(got, i % 2 ? ONE : OTHER));
		}
	}
}

/* 4,000 draws into 4 slots: mean 1,000, deviation 27.4, so 137 is five of them. */
static void test_connections_are_spread_over_slots_by_the_whole_tuple(void **state)
{
	uint32_t hits[SLOTS] = { 0 };
	char from[32], to[32];

	(void)state;
	for (uint32_t i = 0; i < 4000; i++) {
		uint64_t cookie;

		snprintf(from, sizeof(from), "192.0.2.%u", i % 7);
		snprintf(to, sizeof(to), "198.18.1.%u", i % 11);
		cookie = look_up(IPPROTO_TCP, from, (uint16_t)(1024 + i), to,
				 (uint16_t)(8000 + i % 3));
		for (uint32_t slot = 0; slot < SLOTS; slot++)
			hits[slot] += cookie == world.cookie[ONE][slot];
	}
	assert_int_equal(hits[0] + hits[1] + hits[2] + hits[3], 4000);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		assert_in_range(hits[slot], 863, 1137);
	/* the same one for what is sent again, and for the third packet */
	assert_int_equal(tcp("198.18.1.1", 8000), tcp("198.18.1.1", 8000));
}

static void test_a_listener_without_sockets_is_counted_and_not_passed_on(void **state)
{
	struct stats_steer before = stats(OTHER), after;

	(void)state;
	for (int slot = 0; slot < SLOTS; slot++) { /* the kernel takes a closed one out */
		close(world.fd[OTHER][slot]);
		world.fd[OTHER][slot] = 0;
	}
	assert_int_equal(tcp("198.18.5.1", 8000), REFUSED);
	assert_int_equal(tcp("198.18.5.1", 80), NONE); /* STEER_ABSENT_PASS */
	after = stats(OTHER);
	assert_int_equal(after.no_listener - before.no_listener, 1);
	assert_int_equal(after.passed - before.passed, 1);
	assert_int_equal(after.steered, before.steered);
	/* a single socket that is back has them all */
	world.fd[OTHER][2] = listener("127.0.0.1");
	put_socket(OTHER, 2);
	assert_true(tcp("198.18.5.1", 8000) != NONE && tcp("198.18.5.1", 8000) != REFUSED);
	assert_int_equal(stats(OTHER).steered - after.steered, 2);
}

/* An IPv6-only socket for IPv4: the kernel will not have it, and nobody else gets the connection. */
static void test_a_socket_of_another_family_is_refused(void **state)
{
	struct stats_steer before = stats(SIX);

	(void)state;
	PUT("198.51.100.0/24", { 80, 80, SIX, STEER_ABSENT_PASS, 0 });
	assert_int_equal(tcp("198.51.100.1", 80), REFUSED);
	assert_int_equal(stats(SIX).refused - before.refused, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_listener_has_the_range_of_the_longest_prefix),
		cmocka_unit_test(test_every_range_of_a_full_record_is_found),
		cmocka_unit_test(test_connections_are_spread_over_slots_by_the_whole_tuple),
		cmocka_unit_test(test_a_listener_without_sockets_is_counted_and_not_passed_on),
		cmocka_unit_test(test_a_socket_of_another_family_is_refused),
	};

	return cmocka_run_group_tests_name("steer", tests, open_world, close_world);
}
