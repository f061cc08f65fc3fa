/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vips with real next hops: backends are namespaces behind a veth each, packets enter at client0 and
 * are redirected by the program on edge0.
 */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/limit_map.h"
#include "dataplane/stats_map.h"
#include "dataplane/vip_map.h"

#define VIP	 "192.0.2.80"
#define VIP_PORT 5353
#define FLOWS	 64
#define HOSTS	 2

struct world {
	struct lab *lab;
	struct dataplane *dp;
	struct conf_device device;
	struct conf_dataplane conf_dp;
	int netns[HOSTS];
	int socket[HOSTS]; /* in the host's namespace, bound to the vip */
	struct conf_backend backend[HOSTS];
	struct conf_vip vip;
	struct conf conf;
};

static int vip_socket(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(VIP_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int room_bytes = 1 << 20;

	assert_true(fd >= 0);
	/* 6.1 charges a page for each redirected frame: all flows at once are over the default. */
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room_bytes, sizeof(room_bytes)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void host_open(struct world *w, int i)
{
	static char names[HOSTS][4] = { "b0", "b1" };
	char here[16], address[32];

	w->netns[i] = lab_netns_new();
	snprintf(here, sizeof(here), "edge%d", i + 1);
	snprintf(address, sizeof(address), "10.0.%d.11/24", i + 1);
	lab_host(w->netns[i], here, "eth0", address);
	lab_run("ip addr add 10.0.%d.1/24 dev %s", i + 1, here);
	lab_enter(w->netns[i]);
	lab_run("ip addr add " VIP "/32 dev lo && ip route add default dev eth0 && "
		"sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0");
	w->socket[i] = vip_socket();
	lab_enter(w->lab->netns);
	snprintf(address, sizeof(address), "10.0.%d.11", i + 1);
	w->backend[i] = (struct conf_backend) { .name = names[i],
						.address = lab_addr(address),
						.weight = 1 };
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int i;

	assert_non_null(w);
	lab_open((void **)&w->lab);
	for (i = 0; i < HOSTS; i++)
		host_open(w, i);
	w->device = (struct conf_device) { .name = "edge0" };
	w->conf_dp = lab_conf(&w->device);
	w->conf_dp.max_backends = 4; /* ids 1..3 */
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	w->vip = (struct conf_vip) { .name = "web",
				     .address = lab_addr(VIP),
				     .port = VIP_PORT,
				     .protocol = IPPROTO_UDP,
				     .backends = w->backend,
				     .n_backends = HOSTS };
	w->conf = (struct conf) { .vips = &w->vip, .n_vips = 1 };
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;
	int i;

	dataplane_close(w->dp);
	for (i = 0; i < HOSTS; i++) {
		close(w->socket[i]);
		close(w->netns[i]);
	}
	lab_close((void **)&w->lab);
	free(w);
	return 0;
}

static void apply(struct world *w)
{
	struct errmsg err = { 0 };

	if (vip_map_apply(w->dp, w->lab->loop, &w->conf, &err))
		fail_msg("vip_map_apply: %s", err.text);
}

static struct vip_backend_state backend_state(struct world *w, size_t i)
{
	struct vip_backend_state s[HOSTS];

	assert_true(vip_map_backends(w->dp, "web", s, HOSTS) > i);
	return s[i];
}

static bool all_in_ring(void *ctx)
{
	struct vip_backend_state s[HOSTS];
	size_t n = vip_map_backends(((struct world *)ctx)->dp, "web", s, HOSTS), i;
	uint32_t slots = 0;

	for (i = 0; i < n; i++) {
		slots += s[i].slots;
		if (!s[i].ready || !s[i].slots)
			return false;
	}
	return n && slots == ((struct world *)ctx)->conf_dp.ring_size;
}

/* A datagram of each flow into client0. */
static void send_flows(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex("client0"),
				  .sll_halen = 6 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), i;

	assert_true(fd >= 0);
	for (i = 0; i < FLOWS; i++) {
		struct lab_frame f =
			lab_ipv4("198.51.100.7", VIP, 17, (uint16_t)(20000 + i), VIP_PORT);

		assert_int_equal(sendto(fd, f.bytes, f.n, 0, (struct sockaddr *)&to, sizeof(to)),
				 f.n);
	}
	close(fd);
}

/* Which host got which flow: by source port. */
struct arrivals {
	struct world *w;
	int host[FLOWS]; /* -1: none */
	int n;
};

static bool have_arrived(void *ctx)
{
	struct arrivals *a = ctx;
	struct sockaddr_in from;
	char byte[64];
	int i;

	for (i = 0; i < HOSTS; i++) {
		for (;;) {
			socklen_t len = sizeof(from);

			if (recvfrom(a->w->socket[i], byte, sizeof(byte), 0,
				     (struct sockaddr *)&from, &len) < 0)
				break;
			a->host[ntohs(from.sin_port) - 20000] = i;
			a->n++;
		}
	}
	return a->n >= FLOWS;
}

static struct arrivals exchange_flows(struct world *w)
{
	struct arrivals a = { .w = w };

	memset(a.host, 0xff, sizeof(a.host));
	send_flows();
	lab_until(w->lab, have_arrived, &a);
	assert_int_equal(a.n, FLOWS);
	return a;
}

static int share(const struct arrivals *a, int host)
{
	int i, n = 0;

	for (i = 0; i < FLOWS; i++)
		n += a->host[i] == host;
	return n;
}

static void flows_reach_both_backends(void **state)
{
	struct world *w = *state;
	struct vip_backend_state s;
	struct stats_vip stats;
	struct arrivals a;

	apply(w);
	assert_non_null(strstr(backend_state(w, 0).state, "resolving"));
	lab_until(w->lab, all_in_ring, w);
	assert_string_equal(backend_state(w, 1).state, "ready");
	a = exchange_flows(w);
	assert_true(share(&a, 0) > FLOWS / 8 && share(&a, 1) > FLOWS / 8);
	assert_int_equal(vip_map_stats(w->dp, vip_map_id(w->dp, "web"), &stats), 0);
	assert_int_equal(stats.forwarded.packets, FLOWS);
	s = backend_state(w, 0);
	assert_int_equal(s.forwarded.packets, share(&a, 0));
}

static void a_restart_moves_no_flow(void **state)
{
	struct world *w = *state;
	struct vip_backend_state before[HOSTS], after[HOSTS];
	struct arrivals a, b;
	uint32_t id;
	int i;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	a = exchange_flows(w);
	id = vip_map_id(w->dp, "web");
	vip_map_backends(w->dp, "web", before, HOSTS);
	before[0].conf = before[1].conf = NULL;
	dataplane_close(w->dp);

	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	apply(w);
	/* Nothing had time to be resolved: the hops of before are in force. */
	b = exchange_flows(w);
	assert_memory_equal(a.host, b.host, sizeof(a.host));
	assert_int_equal(vip_map_id(w->dp, "web"), id);
	vip_map_backends(w->dp, "web", after, HOSTS);
	for (i = 0; i < HOSTS; i++) {
		assert_int_equal(after[i].id, before[i].id);
		assert_int_equal(after[i].forwarded.packets, 2 * before[i].forwarded.packets);
	}
}

static void another_ring_size_keeps_traffic_flowing(void **state)
{
	struct world *w = *state;
	struct arrivals a, b;
	int i, moved = 0;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	a = exchange_flows(w);
	dataplane_close(w->dp);
	w->conf_dp.ring_size = 1021;
	w->dp = lab_dataplane(w->lab, &w->conf_dp);
	/* The stretched ring, before any vip was applied. */
	b = exchange_flows(w);
	for (i = 0; i < FLOWS; i++)
		moved += a.host[i] != b.host[i];
	assert_true(moved <= FLOWS / 8);
	assert_int_equal(dataplane_attach(w->dp, &w->conf_dp), 0);
	apply(w);
	lab_until(w->lab, all_in_ring, w);
	exchange_flows(w);
}

static uint64_t dropped(struct world *w, enum drop_reason reason)
{
	struct stats_count drops[DROP_REASON_COUNT];

	assert_int_equal(stats_map_drops(w->dp, drops), 0);
	return drops[reason].packets;
}

struct expected_drops {
	struct world *w;
	enum drop_reason reason;
	uint64_t packets;
};

static bool were_dropped(void *ctx)
{
	const struct expected_drops *e = ctx;

	return dropped(e->w, e->reason) >= e->packets;
}

static bool ring_is_empty(void *ctx)
{
	struct world *w = ctx;
	struct lab_frame f = lab_ipv4("198.51.100.7", VIP, 17, 1, VIP_PORT);

	return lab_test_run(w->lab, f.bytes, f.n) == XDP_DROP;
}

static void without_backends_packets_are_dropped_and_counted(void **state)
{
	struct world *w = *state;
	struct expected_drops e = { w, DROP_NO_BACKEND, 0 };

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	exchange_flows(w);
	w->vip.n_backends = 0;
	apply(w);
	lab_until(w->lab, ring_is_empty, w);
	e.packets = dropped(w, DROP_NO_BACKEND) + FLOWS;
	send_flows();
	lab_until(w->lab, were_dropped, &e);
	assert_int_equal(dropped(w, DROP_BACKEND_GONE), 0);
	/* And back: with the ids of before. */
	w->vip.n_backends = HOSTS;
	apply(w);
	lab_until(w->lab, all_in_ring, w);
	exchange_flows(w);
}

static bool second_is_out(void *ctx)
{
	struct world *w = ctx;

	return backend_state(w, 1).slots == 0 && backend_state(w, 0).slots == w->conf_dp.ring_size;
}

static void a_drained_backend_gets_nothing(void **state)
{
	struct world *w = *state;
	struct arrivals a;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	w->backend[1].weight = 0;
	apply(w);
	lab_until(w->lab, second_is_out, w);
	assert_string_equal(backend_state(w, 1).state, "drained");
	a = exchange_flows(w);
	assert_int_equal(share(&a, 0), FLOWS);
}

static void a_lost_next_hop_leaves_the_ring_and_comes_back(void **state)
{
	struct world *w = *state;
	struct arrivals a;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	lab_run("ip link set edge2 down");
	/* A short failure is none. */
	assert_int_equal(loop_turn(w->lab->loop, 100), 0);
	assert_true(backend_state(w, 1).ready);
	lab_until(w->lab, second_is_out, w);
	assert_string_equal(backend_state(w, 1).state, "no route to 10.0.2.11");
	a = exchange_flows(w);
	assert_int_equal(share(&a, 0), FLOWS);
	lab_run("ip link set edge2 up");
	lab_until(w->lab, all_in_ring, w);
	exchange_flows(w);
}

static void a_stale_neighbour_stays_and_a_new_address_is_followed(void **state)
{
	struct world *w = *state;
	struct arrivals a;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	lab_run("ip neigh change 10.0.2.11 dev edge2 nud stale");
	assert_int_equal(loop_turn(w->lab->loop, 50), 0);
	assert_true(backend_state(w, 1).ready);
	lab_enter(w->netns[1]);
	lab_run("ip link set eth0 address 02:00:00:00:99:99");
	lab_enter(w->lab->netns);
	lab_run("ip neigh replace 10.0.2.11 lladdr 02:00:00:00:99:99 dev edge2 nud reachable");
	assert_int_equal(loop_turn(w->lab->loop, 50), 0);
	assert_int_equal(loop_turn(w->lab->loop, 50), 0);
	a = exchange_flows(w);
	assert_true(share(&a, 1) > 0);
}

static void a_vip_that_is_gone_is_not_ours_any_more(void **state)
{
	struct lab_frame f = lab_ipv4("198.51.100.7", VIP, 17, 1, VIP_PORT);
	struct world *w = *state;
	uint32_t id;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	id = vip_map_id(w->dp, "web");
	w->conf.n_vips = 0;
	apply(w);
	assert_int_equal(lab_test_run(w->lab, f.bytes, f.n), XDP_PASS);
	assert_int_equal(vip_map_id(w->dp, "web"), 0);
	/* Another vip at once: not with the id whose ring packets may still read. */
	w->conf.n_vips = 1;
	w->vip.port = VIP_PORT + 1;
	w->vip.n_backends = 0;
	apply(w);
	assert_int_not_equal(vip_map_id(w->dp, "web"), id);
	f = lab_ipv4("198.51.100.7", VIP, 17, 1, VIP_PORT + 1);
	assert_int_equal(lab_test_run(w->lab, f.bytes, f.n), XDP_DROP);
}

static bool has_three_generations(void *ctx)
{
	struct world *w = ctx;
	struct errmsg err;
	struct backend b;
	uint32_t id;

	/* Each time another address: ids 1..3 are soon given out a second time. */
	w->backend[0].address.b[15]++;
	if (vip_map_apply(w->dp, w->lab->loop, &w->conf, &err))
		return false;
	id = backend_state(w, 0).id;
	assert_int_equal(bpf_map_lookup_elem(pinned_map_fd(w->dp, "backends"), &id, &b), 0);
	assert_true(addr_eq(&b.addr, &w->backend[0].address));
	return b.generation >= 3;
}

static void a_recycled_id_has_a_new_generation(void **state)
{
	struct world *w = *state;

	w->vip.n_backends = 1;
	apply(w);
	lab_until(w->lab, has_three_generations, w);
}

static void what_cannot_be_a_next_hop_says_why(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *address;
		const char *why;
	} cases[] = {
		{ "203.0.113.9", "no route to 203.0.113.9" },
		{ "10.0.1.1", "10.0.1.1 is an address of this host" },
		{ "172.16.0.9", "172.16.0.9 is behind a gateway" },
	};
	size_t i;

	lab_run("ip route add 172.16.0.0/12 via 10.0.1.11");
	w->vip.n_backends = 1;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int turns;

		w->backend[0].address = lab_addr(cases[i].address);
		apply(w);
		for (turns = 0; turns < 100; turns++) {
			if (strstr(backend_state(w, 0).state, cases[i].why))
				break;
			loop_turn(w->lab->loop, 20);
		}
		if (!strstr(backend_state(w, 0).state, cases[i].why))
			fail_msg("%s: %s", cases[i].address, backend_state(w, 0).state);
		assert_int_equal(backend_state(w, 0).slots, 0);
	}
}

static void a_fixed_hardware_address_asks_nobody(void **state)
{
	struct world *w = *state;
	static char device[] = "edge1";

	w->vip.n_backends = 1;
	w->backend[0].address = lab_addr("203.0.113.200"); /* nobody answers for it */
	w->backend[0].has_mac = true;
	w->backend[0].device = device;
	lab_enter(w->netns[0]);
	lab_run("ip link set eth0 address 02:00:00:00:11:11");
	lab_enter(w->lab->netns);
	memcpy(w->backend[0].mac, "\x02\0\0\0\x11\x11", 6);
	apply(w);
	lab_until(w->lab, all_in_ring, w);
	exchange_flows(w);
}

static void ipv6_backends_are_resolved_too(void **state)
{
	struct world *w = *state;

	lab_run("ip addr add 2001:db8:1::1/64 dev edge1 nodad");
	lab_enter(w->netns[0]);
	lab_run("ip addr add 2001:db8:1::11/64 dev eth0 nodad");
	lab_enter(w->lab->netns);
	w->vip.n_backends = 1;
	w->vip.address = lab_addr("2001:db8:ffff::80");
	w->backend[0].address = lab_addr("2001:db8:1::11");
	apply(w);
	lab_until(w->lab, all_in_ring, w);
}

static void too_many_are_refused_and_what_runs_stays(void **state)
{
	struct conf_backend many[4];
	struct world *w = *state;
	struct errmsg err;
	int i;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	for (i = 0; i < 4; i++) {
		many[i] = w->backend[0];
		many[i].address.b[15] = (uint8_t)(100 + i);
	}
	w->vip.backends = many;
	w->vip.n_backends = 4;
	assert_int_equal(vip_map_apply(w->dp, w->lab->loop, &w->conf, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "dataplane.max_backends allows 3"));
	w->vip.backends = w->backend;
	w->vip.n_backends = HOSTS;
	w->vip.limit = (char[]) { "nothing" };
	assert_int_equal(vip_map_apply(w->dp, w->lab->loop, &w->conf, &err), -ENOENT);
	assert_true(all_in_ring(w));
	exchange_flows(w);
}

static int passed(struct world *w, int n)
{
	struct lab_frame f = lab_ipv4("198.51.100.1", VIP, IPPROTO_UDP, 1234, VIP_PORT);
	int ok = 0;

	while (n--)
		ok += lab_test_run(w->lab, f.bytes, f.n) != XDP_DROP;
	return ok;
}

static void a_vip_has_the_service_of_its_limits(void **state)
{
	struct conf_rate four = { 1, 1000 * NS_PER_S, 4 }, six = { 1, 1000 * NS_PER_S, 6 };
	struct conf_ports port = { VIP_PORT, VIP_PORT };
	struct conf_limit limits[] = {
		{ .name = "vip", .rows = 256, .unit = { four } },
		{ .name = "port", .rows = 256, .protocol = IPPROTO_UDP, .unit = { six } },
	};
	struct world *w = *state;
	struct errmsg err;

	apply(w);
	lab_until(w->lab, all_in_ring, w);
	limits[1].ports = &port;
	limits[1].n_ports = 1;
	w->conf.limits = limits;
	w->conf.n_limits = 2;
	w->vip.limit = limits[0].name;
	assert_int_equal(limit_map_apply(w->dp, &w->conf, &err), 0);
	/* Not in force before the vips are told. */
	assert_int_equal(passed(w, 10), 10);
	apply(w);
	assert_int_equal(passed(w, 10), 4);
	/* Without the vip's own limit, the port's is left, as far as it was spent. */
	w->vip.limit = NULL;
	assert_int_equal(limit_map_apply(w->dp, &w->conf, &err), 0);
	apply(w);
	assert_int_equal(passed(w, 10), 2);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_open, world_close)
	const struct CMUnitTest tests[] = {
		TEST(flows_reach_both_backends),
		TEST(a_vip_has_the_service_of_its_limits),
		TEST(a_restart_moves_no_flow),
		TEST(another_ring_size_keeps_traffic_flowing),
		TEST(without_backends_packets_are_dropped_and_counted),
		TEST(a_drained_backend_gets_nothing),
		TEST(a_lost_next_hop_leaves_the_ring_and_comes_back),
		TEST(a_stale_neighbour_stays_and_a_new_address_is_followed),
		TEST(a_vip_that_is_gone_is_not_ours_any_more),
		TEST(a_recycled_id_has_a_new_generation),
		TEST(what_cannot_be_a_next_hop_says_why),
		TEST(a_fixed_hardware_address_asks_nobody),
		TEST(ipv6_backends_are_resolved_too),
		TEST(too_many_are_refused_and_what_runs_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
