/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices and losses that come as modules: VLAN devices (8021q) and netem.
 * harness: may-skip alone
 * Kernels built without modules may lack them; `make test-kernels` runs this on kernels that have them.
 */
#include "dataplane_lab.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "dataplane/acl_map.h"
#include "dataplane/limit_map.h"
#include "dataplane/stats_map.h"

#define PORT	       4711
#define DATAGRAMS      20
#define BURST	       5
#define TRANSFER_BYTES (1 << 20)
#define EDGE_MAC       "02:00:00:00:07:01"
#define CLIENT_MAC     "02:00:00:00:07:02"

struct modules {
	struct lab *lab;
	struct dataplane *dp;
	int client; /* namespace: eth0 and what is on it, the other end of edge1 */
	uint64_t packets;
};

static bool works(const char *command)
{
	return system(command) == 0;
}

static void open_client(struct modules *m)
{
	m->client = lab_netns_new();
	lab_host(m->client, "edge1", "eth0", "10.7.1.2/24");
	/* No frames but the test's: no IPv6, and nobody has to ask for an address. */
	lab_run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && "
		"ip link set edge1 address " EDGE_MAC " && ip addr add 10.7.1.1/24 dev edge1 && "
		"ip neigh add 10.7.1.2 dev edge1 lladdr " CLIENT_MAC " nud permanent");
	lab_enter(m->client);
	lab_run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && "
		"ip link set eth0 address " CLIENT_MAC " && "
		"ip neigh add 10.7.1.1 dev eth0 lladdr " EDGE_MAC " nud permanent");
	lab_enter(m->lab->netns);
}

static void attach(struct modules *m, struct conf_dataplane *conf)
{
	const struct dataplane_device *d;

	m->dp = lab_dataplane(m->lab, conf);
	if (dataplane_attach(m->dp, conf)) {
		dataplane_devices(m->dp, &d);
		fail_msg("attach to %s: %s", d->name, d->error);
	}
}

static int apply_limit(struct dataplane *dp, struct conf_limit *limit, struct errmsg *err)
{
	struct conf conf = { .limits = limit, .n_limits = limit != NULL };
	int e = limit_map_apply(dp, &conf, err);

	return e ? e : acl_map_apply_conf(dp, &conf.acl, err);
}

static uint64_t dropped(const struct modules *m, enum drop_reason reason)
{
	struct stats_count drops[DROP_REASON_COUNT];

	assert_int_equal(stats_map_drops(m->dp, drops), 0);
	return drops[reason].packets;
}

static bool have_been_seen(void *ctx)
{
	const struct modules *m = ctx;

	return dropped(m, DROP_NONE) >= m->packets;
}

static int udp_socket(const char *address, uint16_t port, bool connecting)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
	assert_int_equal(connecting ? connect(fd, (struct sockaddr *)&a, sizeof(a))
				    : bind(fd, (struct sockaddr *)&a, sizeof(a)),
			 0);
	return fd;
}

/* How many of DATAGRAMS arrive, after all of them have been judged. */
static int exchange(struct modules *m, int to)
{
	char byte = 'x';
	int from, i, n = 0;

	m->packets = dropped(m, DROP_NONE) + DATAGRAMS;
	lab_enter(m->client);
	from = udp_socket("10.7.7.1", PORT, true);
	for (i = 0; i < DATAGRAMS; i++)
		assert_int_equal(send(from, &byte, 1, 0), 1);
	close(from);
	lab_enter(m->lab->netns);
	lab_until(m->lab, have_been_seen, m);
	while (recv(to, &byte, 1, 0) == 1)
		n++;
	return n;
}

static void judge_on_vlan(struct modules *m, enum conf_hook hook)
{
	struct conf_device dev = { .name = "edge1.7", .hook = hook };
	struct conf_dataplane conf = lab_conf(&dev);
	struct prefix client = lab_prefix("10.7.7.2/32");
	/* One packet in 1,000 s: what passes is the burst. */
	struct conf_limit limit = { .name = "all",
				    .sources = &client,
				    .n_sources = 1,
				    .rows = 256,
				    .unit[LIMIT_PACKETS] = { 1, 1000 * NS_PER_S, BURST } };
	struct stats_limit stats;
	struct errmsg err = { 0 };
	int to = udp_socket("10.7.7.1", PORT, false);

	attach(m, &conf);
	assert_int_equal(apply_limit(m->dp, NULL, &err), 0);
	assert_int_equal(exchange(m, to), DATAGRAMS);
	assert_int_equal(acl_map_add(m->dp, ACL_LIST_DENY, &client, ACL_FROM_OPERATOR), 0);
	assert_int_equal(exchange(m, to), 0);
	assert_true(dropped(m, DROP_ACL_DENY) >= DATAGRAMS);
	assert_int_equal(acl_map_del(m->dp, ACL_LIST_DENY, &client), 0);
	if (apply_limit(m->dp, &limit, &err))
		fail_msg("limit_map_apply: %s", err.text);
	assert_int_equal(exchange(m, to), BURST);
	assert_int_equal(limit_map_stats(m->dp, limit_map_class(m->dp, "all"), &stats), 0);
	assert_int_equal(stats.admitted.packets, BURST);
	assert_int_equal(stats.dropped[LIMIT_PACKETS].packets, DATAGRAMS - BURST);
	close(to);
	dataplane_close(m->dp);
	assert_int_equal(dataplane_detach_all(m->lab->dir_fd, &err), 0);
}

static void a_vlan_device_has_lists_and_limits(void **state)
{
	struct modules m = { .lab = *state };

	open_client(&m);
	if (!works("ip link add link edge1 name edge1.7 type vlan id 7 2>/dev/null")) {
		close(m.client);
		puts("this kernel has no VLAN devices (8021q)");
		skip();
	}
	lab_run("ip addr add 10.7.7.1/24 dev edge1.7 && ip link set edge1.7 up");
	lab_enter(m.client);
	lab_run("ip link add link eth0 name eth0.7 type vlan id 7 && "
		"ip addr add 10.7.7.2/24 dev eth0.7 && ip link set eth0.7 up && "
		"ip neigh add 10.7.7.1 dev eth0.7 lladdr " EDGE_MAC " nud permanent");
	lab_enter(m.lab->netns);
	judge_on_vlan(&m, CONF_HOOK_XDP);
	judge_on_vlan(&m, CONF_HOOK_TC);
	close(m.client);
}

/* Frames that left the client's device: what netem took out of its queue is not among them. */
static uint64_t client_sent(const struct modules *m)
{
	unsigned long long n = 0;
	char line[512];
	FILE *f;

	lab_enter(m->client);
	f = fopen("/proc/thread-self/net/dev", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "eth0:");

		if (at)
			sscanf(at, "eth0: %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", &n);
	}
	fclose(f);
	lab_enter(m->lab->netns);
	return n;
}

static bool all_are_seen(void *ctx)
{
	const struct modules *m = ctx;

	return dropped(m, DROP_NONE) == client_sent(m) - m->packets;
}

static int tcp_listen(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* The client, in a process of its own: send all, and end when the other side has it. */
static int upload(const struct modules *m)
{
	static char bytes[TRANSFER_BYTES];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	size_t sent = 0;
	int fd;

	lab_enter(m->client);
	inet_pton(AF_INET, "10.7.1.1", &a.sin_addr);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return 1;
	while (sent < sizeof(bytes)) {
		ssize_t n = send(fd, bytes + sent, sizeof(bytes) - sent, 0);

		if (n < 0)
			return 2;
		sent += (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	return recv(fd, bytes, 1, 0) == 0 ? 0 : 3;
}

static size_t download(int listener)
{
	static char bytes[65536];
	size_t got = 0;
	ssize_t n;
	int fd = accept(listener, NULL, NULL);

	assert_true(fd >= 0);
	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	close(fd);
	return got;
}

static void a_transfer_with_loss_ends_and_is_counted(void **state)
{
	struct modules m = { .lab = *state };
	struct conf_device dev = { .name = "edge1" };
	struct conf_dataplane conf = lab_conf(&dev);
	struct prefix client = lab_prefix("10.7.1.2/32");
	struct conf_limit limit = { .name = "all",
				    .sources = &client,
				    .n_sources = 1,
				    .rows = 256,
				    .unit[LIMIT_PACKETS] = { 1000000, NS_PER_S, 1000000 } };
	struct stats_limit stats;
	struct errmsg err = { 0 };
	int status, listener;
	pid_t pid;

	open_client(&m);
	lab_enter(m.client);
	if (!works("tc qdisc add dev eth0 root netem loss 5% 2>/dev/null")) {
		close(m.client);
		puts("this kernel has no netem (sch_netem)");
		skip();
	}
	/* What is lost are single packets, some of 700: of a few dozen merged ones it may be none. */
	lab_run("ip link set dev eth0 gso_max_segs 1");
	lab_enter(m.lab->netns);
	m.packets = client_sent(&m);
	attach(&m, &conf);
	if (apply_limit(m.dp, &limit, &err))
		fail_msg("limit_map_apply: %s", err.text);
	listener = tcp_listen();
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(upload(&m));
	assert_int_equal(download(listener), TRANSFER_BYTES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(listener);

	lab_until(m.lab, all_are_seen, &m);
	assert_int_equal(limit_map_stats(m.dp, limit_map_class(m.dp, "all"), &stats), 0);
	assert_int_equal(stats.admitted.packets, client_sent(&m) - m.packets);
	assert_true(stats.admitted.bytes > TRANSFER_BYTES);
	lab_enter(m.client);
	lab_run("tc -s qdisc show dev eth0 | grep -q 'dropped [1-9]'");
	lab_enter(m.lab->netns);
	dataplane_close(m.dp);
	close(m.client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_vlan_device_has_lists_and_limits, lab_open,
						lab_close),
		cmocka_unit_test_setup_teardown(a_transfer_with_loss_ends_and_is_counted, lab_open,
						lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
